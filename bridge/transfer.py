"""One job's audio on its way: the song to the server, chunk by chunk as it grants credit, and the stems back."""

import hashlib
import weakref
from collections.abc import Callable

import numpy as np

from bridge import protocol
from bridge.errors import DAMAGED, BridgeError, RemoteError
from bridge.hashing import Hashing
from bridge.lane import PLACE, PLACES, Beside, Lane, open_lane
from bridge.protocol import (
    Accepted,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Message,
    Opened,
    Progress,
    Stretch,
    Whole,
)  # fmt: skip
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

    def room(self, size: int = protocol.CHUNK_BYTES) -> np.ndarray:
        """For a chunk of so many bytes."""
        return np.empty((size // (4 * self.channels), self.channels), "<f4")

    def sha256(self) -> str:
        """Of all of it."""
        found, room = hashlib.sha256(), self.room()
        for first in range(0, self.frames, len(room)):
            found.update(self.chunk(first, room).data)
        return found.hexdigest()

    def begins(self) -> str:
        """The SHA-256 of its first bytes."""
        return hashlib.sha256(self.chunk(0, self.room()).data.cast("B")[: protocol.BEGINNING]).hexdigest()


class Transfer:
    """One job's audio, both ways, and how it ended. send: takes the frames of a message. expected: frames of a stem, probably.
    hash_later: the SHA-256 was not told with the job, and is made of the audio once that was sent. lane: audio may go beside the
    socket. out_of_reach: it could not be had there, so the job has to be asked for again. known: the server had the job. result:
    the stems, once all are here."""

    def __init__(
        self,
        send: Callable[[list], None],
        job: str,
        audio: Audio,
        expected: int,
        hash_later: bool,
        lane: bool,
        on_progress: OnProgress | None,
        on_partial: OnPartial | None,
    ):
        self._send, self.job, self.audio, self.expected = send, job, audio, expected
        self.on_progress, self.on_partial = on_progress, on_partial
        self.sent = self._credit = self._window = self._owed = 0
        self._hash_later, self._sha, self._hashed = hash_later, hashlib.sha256(), 0
        self._to_say = False  # what the audio is
        self._desk: np.ndarray | None = None
        self.lane, self.out_of_reach = lane, False
        self._hashing = Hashing()
        self._lane: Lane | None = None
        self._beside: Beside | None = None
        self._accepted = self.known = False
        self.stems: dict[str, Stem] = {}
        self._rooms: list[np.ndarray] = []
        self.told = 0
        self.result: dict[str, np.ndarray] | None = None

    def handle(self, message: Message, payload: bytes | memoryview) -> None:
        if getattr(message, "job", None) not in ("", self.job):
            return
        if isinstance(message, Accepted):
            self._begin(message)
        elif isinstance(message, Credit) and self._accepted:
            self._upload(message.chunks)
        elif isinstance(message, Chunk):
            self._download(message, payload)
        elif isinstance(message, Stretch):
            self._tell(message.frames)
        elif isinstance(message, Progress):
            self._lane = None  # the song is there
            if self.on_progress:
                self.on_progress(message.fraction)
        elif isinstance(message, Cancelled):
            raise CancelledError()
        elif isinstance(message, Error):
            raise RemoteError(message.code, message.message, message.hint, message.retryable)
        elif isinstance(message, Done) and self._accepted:  # else of before a cut; it is said again
            self._finish(message)

    def ask_again(self) -> dict[str, int]:
        """The job is asked for once more: until it is accepted, what is granted and what lies beside the socket is void. Stem to
        the frames that are here from its beginning on."""
        self._accepted, self._lane, self._beside = False, None, None
        return {name: stem.filled for name, stem in self.stems.items()}

    def _begin(self, message: Accepted) -> None:
        self.sent, self._accepted, self.known = message.received, True, True
        self._to_say = self._hash_later and message.state in ("uploading", "queued", "running")
        self._credit = self._window = self._owed = 0
        if message.state == "uploading":  # another's lane may be in an answer that a cut held up
            self._lane = self._beside = None
        if self.lane and message.lane and (lane := open_lane(message.lane, message.key)):
            self._lane, self._beside, self._rooms = lane, Beside(), []
            self._send(protocol.encode(Opened(self.job, lane.proof)))
        self._send(protocol.encode(Credit(self.job, protocol.CREDIT)))
        while message.known and self._to_say:  # before any of it is sent
            self._hash_on()

    def _upload(self, chunks: int) -> None:
        self._window = self._window or chunks  # what comes after it is for chunks that were taken
        self._credit += chunks
        spare = max(0, self._window - PLACES) if self._lane else 0  # or one would be written over before it was taken
        while self._credit > spare and self.sent < self.audio.frames:
            room = self._rooms.pop() if self._rooms else self.audio.room(PLACE if self._lane else protocol.CHUNK_BYTES)
            piece = self.audio.chunk(self.sent, room)
            payload = piece.data.cast("B")
            if self._lane and not (at := self._lane.put(payload)):
                self._lane, self._rooms, spare = None, [], 0
                continue
            weakref.finalize(piece, self._rooms.append, room)  # once ZeroMQ has sent it
            if self._lane:
                self._send(protocol.encode(Chunk(self.job, self.sent, 0, "", at, len(payload))))
            else:
                self._send(protocol.chunk(self.job, "", self.sent, payload))
            self._credit, self.sent = self._credit - 1, self.sent + len(piece)

    def work(self) -> bool:
        """Do a little of what has time until nothing else is to be done; false where there is nothing."""
        if not (self._accepted and self._to_say and self.sent >= self.audio.frames):
            return False
        self._hash_on()
        return True

    def _hash_on(self) -> None:
        """Make the SHA-256 of the audio, a piece at a time, and say it."""
        if self._hashed < self.audio.frames:
            if self._desk is None:  # not one of the rooms, whose size is that of what is sent
                self._desk = self.audio.room(PLACE)
            piece = self.audio.chunk(self._hashed, self._desk)
            self._sha.update(piece.data)
            self._hashed += len(piece)
        if self._hashed >= self.audio.frames:
            self._send(protocol.encode(Whole(self.job, self._sha.hexdigest())))
            self._to_say = False

    def _download(self, message: Chunk, payload: bytes | memoryview) -> None:
        beside, size = self._beside, message.size or len(payload)
        if message.size and beside is None:  # sent before the job was asked for again: it will come once more
            return
        if message.size and not 0 < message.size <= PLACE:  # no server sends that
            self.lane, self.out_of_reach = False, True
            return

        def fill(place: memoryview) -> None:
            if beside is not None and message.size:
                beside.read(message.file, message.stem, 4 * self.audio.channels * message.offset, place)
            else:
                place[:] = payload

        if message.stem not in self.stems:
            self.stems[message.stem] = Stem(self.audio.channels, self.expected, self._hashing)
        try:
            self.stems[message.stem].put(message.offset, size, fill)
        except BridgeError:  # a lane is in another folder than stems are, and these may have been tidied up
            self.lane, self.out_of_reach = False, True
            return
        self._owed += 1
        if self._owed >= protocol.TOGETHER:
            self._send(protocol.encode(Credit(self.job, self._owed)))
            self._owed = 0

    def _tell(self, ready: int) -> None:
        ready = min([ready, *(stem.filled for stem in self.stems.values())]) if self.stems else 0
        if self.on_partial and ready > self.told:
            partial = {name: stem.samples(self.told, ready) for name, stem in self.stems.items()}
            self.on_partial(self.told, partial)
        self.told = max(self.told, ready)

    def _finish(self, message: Done) -> None:
        self._hashing.finish()
        for name, digest in message.stems.items():
            if self.stems[name].filled < message.frames or self.stems[name].sha.hexdigest() != digest:
                raise RemoteError(DAMAGED, f"The stem {name} was damaged on the way.", "Ask for the job again.", True)
        self.result = {name: self.stems.pop(name).samples(0, message.frames) for name in message.stems}


class Stem:
    """A stem as it comes. cells: (at least what has come, channels), as they are sent; filled: frames that are here without a gap;
    sha: of those. expected: frames there will probably be, though a task may make more. hashing: makes the hashes."""

    def __init__(self, channels: int, expected: int, hashing: Hashing):
        self._cells = np.empty((expected, channels), "<f4")
        self.filled, self.sha, self._hashing = 0, hashlib.sha256(), hashing

    def samples(self, start: int, stop: int) -> np.ndarray:
        """(channels, frames), in place."""
        return self._cells[start:stop].T

    def put(self, offset: int, size: int, fill: Callable[[memoryview], None]) -> None:
        """So many bytes from the frame `offset` on, which `fill` brings to where they belong."""
        room, channels = self._cells.shape
        end = offset + size // (4 * channels)
        if end > room:
            self._cells = np.pad(self._cells, ((0, end + room // 2 - room), (0, 0)))
        fill(self._cells[offset:end].data.cast("B"))
        if offset == 0:  # from its beginning, perhaps once more after a cut
            self.filled, self.sha = 0, hashlib.sha256()
        if (
            offset <= self.filled < end
        ):  # what lies beyond a gap: something was lost with a link, and all of it will come again
            self._hashing.update(self.sha, self._cells[self.filled : end].data.cast("B"))
            self.filled = end
