"""One job's audio on its way: the song to the server, chunk by chunk as it grants credit, and the stems back."""

import hashlib
import weakref
from collections.abc import Callable

import numpy as np

from bridge import protocol
from bridge.errors import DAMAGED, RemoteError
from bridge.protocol import Accepted, Cancelled, Chunk, Credit, Done, Error, Message, Progress, Stretch
from engine.errors import Cancelled as CancelledError

OnProgress = Callable[[float], None]
OnPartial = Callable[[int, dict[str, np.ndarray]], None]


class Audio:
    """Parts of (channels, n), end to end, as they are sent: interleaved a chunk at a time, while it is in the processor's cache,
    which costs less than a copy of all of it. frames: of all of them."""

    def __init__(self, parts: list[np.ndarray], channels: int):
        self.channels = channels
        self._parts = [np.asarray(part, np.float32) for part in parts]
        self.frames = sum(part.shape[1] for part in parts)

    def chunk(self, start: int, into: np.ndarray) -> np.ndarray:
        """As much of `into`, (frames, channels), as there is from the frame `start` on."""
        filled = 0
        for part in self._parts:
            piece = part[:, start : start + len(into) - filled]
            for channel in range(self.channels):  # thrice as fast as all of them at once
                into[filled : filled + piece.shape[1], channel] = piece[channel]
            filled += piece.shape[1]
            start = max(0, start - part.shape[1])
        return into[:filled]

    def room(self) -> np.ndarray:
        """For a chunk."""
        return np.empty((protocol.CHUNK_BYTES // (4 * self.channels), self.channels), "<f4")

    def sha256(self) -> str:
        found, room = hashlib.sha256(), self.room()
        for start in range(0, self.frames, len(room)):
            found.update(self.chunk(start, room).data)
        return found.hexdigest()


class Transfer:
    """One job's audio, both ways, and how it ended. send: takes the frames of a message. expected: frames of a stem, probably.
    result: the stems, once all are here."""

    def __init__(
        self,
        send: Callable[[list], None],
        job: str,
        audio: Audio,
        expected: int,
        on_progress: OnProgress | None,
        on_partial: OnPartial | None,
    ):
        self._send, self.job, self.audio, self.expected = send, job, audio, expected
        self.on_progress, self.on_partial = on_progress, on_partial
        self.sent = self.owed = 0
        self.stems: dict[str, Stem] = {}
        self._rooms: list[np.ndarray] = []
        self.told = 0
        self.result: dict[str, np.ndarray] | None = None

    def handle(self, message: Message, payload: bytes | memoryview) -> None:
        if getattr(message, "job", None) not in ("", self.job):
            return
        if isinstance(message, Accepted):
            self.sent, self.owed = message.received, 0
            self._send(protocol.encode(Credit(self.job, protocol.CREDIT)))
        elif isinstance(message, Credit):
            self._upload(message.chunks)
        elif isinstance(message, Chunk):
            self._download(message, payload)
        elif isinstance(message, Stretch):
            self._tell(message.frames)
        elif isinstance(message, Progress) and self.on_progress:
            self.on_progress(message.fraction)
        elif isinstance(message, Cancelled):
            raise CancelledError()
        elif isinstance(message, Error):
            raise RemoteError(message.code, message.message, message.hint, message.retryable)
        elif isinstance(message, Done):
            self._finish(message)

    def have(self) -> dict[str, int]:
        """Stem to the frames that are here from its beginning on."""
        return {name: stem.filled for name, stem in self.stems.items()}

    def _upload(self, chunks: int) -> None:
        for _ in range(chunks):
            if self.sent >= self.audio.frames:
                return
            room = self._rooms.pop() if self._rooms else self.audio.room()
            piece = self.audio.chunk(self.sent, room)
            weakref.finalize(piece, self._rooms.append, room)  # once ZeroMQ has sent it
            self._send(protocol.chunk(self.job, "", self.sent, piece.data))
            self.sent += len(piece)

    def _download(self, message: Chunk, payload: bytes | memoryview) -> None:
        if message.stem not in self.stems:
            self.stems[message.stem] = Stem(self.audio.channels, self.expected)
        self.stems[message.stem].put(message.offset, payload)
        self.owed += 1
        if self.owed >= protocol.CREDIT // 4:  # each wakes the server, and what is under way hides the wait
            self._send(protocol.encode(Credit(self.job, self.owed)))
            self.owed = 0

    def _tell(self, ready: int) -> None:
        ready = min([ready, *(stem.filled for stem in self.stems.values())]) if self.stems else 0
        if self.on_partial and ready > self.told:
            partial = {name: stem.samples[:, self.told : ready] for name, stem in self.stems.items()}
            self.on_partial(self.told, partial)
        self.told = max(self.told, ready)

    def _finish(self, message: Done) -> None:
        for name, digest in message.stems.items():
            if self.stems[name].sha.hexdigest() != digest:
                raise RemoteError(DAMAGED, f"The stem {name} was damaged on the way.", "Ask for the job again.", True)
        self.result = {
            name: np.ascontiguousarray(self.stems.pop(name).samples[:, : message.frames]) for name in message.stems
        }


class Stem:
    """A stem as it comes. samples: (channels, at least what has come); filled: frames that are here without a gap; sha: of those.
    expected: frames there will probably be, though a task may make more."""

    def __init__(self, channels: int, expected: int):
        self.samples = np.zeros((channels, expected), np.float32)
        self.filled, self.sha = 0, hashlib.sha256()

    def put(self, offset: int, payload: bytes | memoryview) -> None:
        channels, room = self.samples.shape
        piece = np.frombuffer(payload, dtype="<f4").reshape(-1, channels)
        end = offset + len(piece)
        if end > room:
            self.samples = np.pad(self.samples, ((0, 0), (0, end + room // 2 - room)))
        for channel in range(channels):  # twice as fast as all of them at once
            self.samples[channel, offset:end] = piece[:, channel]
        if offset == 0:  # from its beginning, perhaps once more after a cut
            self.filled, self.sha = 0, hashlib.sha256()
        if (
            offset <= self.filled < end
        ):  # what lies beyond a gap: something was lost with a link, and all of it will come again
            self.sha.update(memoryview(payload)[4 * channels * (self.filled - offset) :])
            self.filled = end
