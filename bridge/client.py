"""The Python client: a job over ZeroMQ that reads like a function call."""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import zmq

from bridge import protocol
from bridge.errors import BridgeError, RemoteError
from bridge.protocol import (
    Accepted,
    AudioShape,
    Bye,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Hello,
    Message,
    Ping,
    Pong,
    Progress,
    Report,
    Status,
    Stretch,
    Submit,
    Welcome,
)  # fmt: skip
from engine.errors import Cancelled as CancelledError

ADDRESS = f"tcp://127.0.0.1:{protocol.DEFAULT_PORT}"
SILENT_AFTER = 10.0  # seconds without a word from the server after which it is given up
HINT = "Start one with: stemweave serve"

OnProgress = Callable[[float], None]
OnPartial = Callable[[int, dict[str, np.ndarray]], None]


def find_server(address: str = ADDRESS, timeout: float = 0.3) -> Welcome | None:
    """The welcome of a server that answers there within `timeout` seconds, or None."""
    try:
        with Client(address, timeout) as client:
            return client.welcome
    except BridgeError:
        return None


class Client:
    """A connection to a server, said hello to. Use it in a `with`, from one thread.

    BridgeError when nobody answers within `timeout` seconds; RemoteError for what the server refuses.
    """

    def __init__(self, address: str = ADDRESS, timeout: float = 5.0):
        self.address = address
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.identity = b"client-" + os.urandom(12)
        self._socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_PAYLOAD)
        self._pinged = self._heard = time.monotonic()
        try:
            self._socket.connect(address)
            self._send(Hello(protocol.VERSION, "stemweave-python"))
            self.welcome = self._expect(Welcome, timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, zmq.ZMQError):
                raise BridgeError(
                    f"{address} is not an address to connect to: {error}.", "Use tcp://HOST:PORT."
                ) from error
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.linger = 200
            self._send(Bye())
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the socket without a goodbye; the server notices by itself."""
        self._socket.close()
        self._context.term()

    def status(self, timeout: float = 5.0) -> Report:
        """How the server is."""
        self._send(Status())
        return self._expect(Report, timeout)

    def separate(
        self,
        samples: np.ndarray,
        sample_rate: int,
        preset: str = "separate",
        overrides: dict[str, Any] | None = None,
        *,
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
        cancelled: Callable[[], bool] | None = None,
        job: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Stems of samples: (channels, frames) float32, by name, with "residual"; what `engine.pipeline.separate` gives.

        on_partial(start, {name: (channels, n)}) once all stems of a stretch are here. job: a UUID, to ask after a job again.
        Raises engine.errors.Cancelled when cancelled() turned true, RemoteError for what the server says, BridgeError when it
        falls silent.
        """
        audio = np.ascontiguousarray(samples.T, dtype="<f4")
        transfer = _Transfer(self, job or str(uuid.uuid4()), audio, on_progress, on_partial)
        overrides = {key: value for key, value in (overrides or {}).items() if value is not None}
        shape = AudioShape(sample_rate, samples.shape[0], samples.shape[1], hashlib.sha256(audio.data).hexdigest())
        self._send(Submit(transfer.job, shape, preset, overrides))
        asked = False
        while transfer.result is None:
            message = self._receive(0.1)
            if message is not None:
                transfer.handle(*message)
            if cancelled and not asked and cancelled():
                self._send(Cancel(transfer.job))
                asked = True
        return transfer.result

    def _send(self, message: Message) -> None:
        self._send_frames(protocol.encode(message))

    def _send_frames(self, frames: list) -> None:
        """Never blocks for good: a full pipe means that the server is gone."""
        if not self._socket.poll(int(SILENT_AFTER * 1000), zmq.POLLOUT):
            raise BridgeError(f"The server at {self.address} takes nothing any more.", HINT)
        self._socket.send_multipart(frames, zmq.NOBLOCK, copy=True)

    def _receive(self, seconds: float) -> tuple[Message, bytes] | None:
        """The next message within `seconds`, else None; keeps the server posted that we are here."""
        now = time.monotonic()
        if now - self._pinged > protocol.PING_EVERY:
            self._pinged = now
            self._send(Ping())
        if not self._socket.poll(int(seconds * 1000)):
            if now - self._heard > SILENT_AFTER:
                raise BridgeError(f"The server at {self.address} has fallen silent.", HINT)
            return None
        self._heard = time.monotonic()
        decoded = protocol.decode(self._socket.recv_multipart())
        if decoded is None:
            return None
        message = decoded[0]
        if isinstance(message, Pong) and message.session != self.welcome.session:
            raise BridgeError("The server was restarted and does not know this job any more.", "Ask for it again.")
        return decoded

    def _expect(self, kind: type, timeout: float) -> Any:
        """The next message of a kind; the server's error as RemoteError; BridgeError when none comes."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            received = self._receive(left)
            if received is None:
                continue
            message = received[0]
            if isinstance(message, kind):
                return message
            if isinstance(message, Error) and not message.job:
                raise RemoteError(message.code, message.message, message.hint, message.retryable)
        raise BridgeError(f"No stemweave server answers at {self.address}.", HINT)


class _Transfer:
    """One job's audio, both ways, and how it ended."""

    def __init__(self, client: Client, job: str, audio: np.ndarray, on_progress, on_partial):
        self.client, self.job, self.audio = client, job, audio
        self.on_progress, self.on_partial = on_progress, on_partial
        self.sent = 0
        self.stems: dict[str, np.ndarray] = {}
        self.told = 0
        self.result: dict[str, np.ndarray] | None = None

    def handle(self, message: Message, payload: bytes) -> None:
        if getattr(message, "job", None) not in ("", self.job):
            return
        if isinstance(message, Accepted):
            self.sent = message.received
            self.client._send(Credit(self.job, protocol.CREDIT))
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

    def _upload(self, chunks: int) -> None:
        size = protocol.CHUNK_BYTES // (4 * self.audio.shape[1])
        for _ in range(chunks):
            if self.sent >= len(self.audio):
                return
            piece = self.audio[self.sent : self.sent + size]
            self.client._send_frames(protocol.chunk(self.job, "", self.sent, piece.tobytes()))
            self.sent += len(piece)

    def _download(self, message: Chunk, payload: bytes) -> None:
        piece = np.frombuffer(payload, dtype="<f4").reshape(-1, self.audio.shape[1])
        stem = self.stems.setdefault(message.stem, np.zeros_like(self.audio))
        stem[message.offset : message.offset + len(piece)] = piece
        self.client._send(Credit(self.job, 1))

    def _tell(self, ready: int) -> None:
        if self.on_partial and ready > self.told:
            self.on_partial(self.told, {name: stem[self.told : ready].T for name, stem in self.stems.items()})
        self.told = max(self.told, ready)

    def _finish(self, message: Done) -> None:
        for name, digest in message.stems.items():
            if hashlib.sha256(self.stems[name].data).hexdigest() != digest:
                raise RemoteError("damaged", f"The stem {name} was damaged on the way.", "Ask for the job again.", True)
        self.result = {name: np.ascontiguousarray(self.stems[name].T) for name in message.stems}
