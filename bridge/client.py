"""The Python client: a job over ZeroMQ that reads like a function call."""

import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import zmq

from bridge import protocol
from bridge.doors import approach, in_place, is_loopback
from bridge.errors import DAMAGED, HELLO_FIRST, BridgeError, DamagedChunk, ProtocolError, RemoteError
from bridge.protocol import (
    Accepted,
    AudioShape,
    Bye,
    Cancel,
    Credit,
    Error,
    Hello,
    Message,
    Part,
    Ping,
    Pong,
    Report,
    Status,
    Submit,
    Welcome,
)  # fmt: skip
from bridge.transfer import Audio, OnPartial, OnProgress, Transfer
from engine.audio import Song
from engine.request import MIXTURE, Request

ADDRESS = f"tcp://127.0.0.1:{protocol.DEFAULT_PORT}"
SILENT_AFTER = 10.0  # seconds without a word from the server after which it is given up
KEPT_SILENT_AFTER = 60.0  # the same for a job that the server keeps, which a restart or a cable put back brings again
LANE_FROM = 2**20  # bytes of audio for which a lane is worth being made
HEARTBEATS = {"heartbeat_ivl": 1000, "heartbeat_timeout": 4000, "connect_timeout": 3000}
"""Milliseconds, of the socket: a connection whose way is gone, as of a cable that was pulled, is left for a new one. TCP by itself
would wait a quarter of an hour for it."""
HINT = "Start one with: stemweave serve"


def find_server(address: str = ADDRESS, timeout: float = 0.3) -> Welcome | None:
    """The welcome of a server that answers there within `timeout` seconds, or None."""
    try:
        with Client(address, timeout) as client:
            return client.welcome
    except BridgeError:
        return None


class Client:
    """A connection to a server, said hello to. Use it in a `with`, from one thread (`cancel` may come from any). A server on
    another machine must have been paired with this one (`stemweave pair`).

    A thread of its own gives the server signs of life, so callbacks may take their time. After a cut, or when the server was
    restarted, it says hello again and a running job is asked for again, under its UUID.

    lane: much audio goes beside the socket where the server is on this machine (bridge/lane.py).

    BridgeError when nobody answers within `timeout` seconds; RemoteError for what the server refuses.
    """

    def __init__(self, address: str = ADDRESS, timeout: float = 5.0, lane: bool = True):
        self.address = address
        self._lane = lane and is_loopback(urlsplit(address).hostname or "")
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.identity = b"client-" + os.urandom(12)
        self._socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_PAYLOAD)
        for option, milliseconds in HEARTBEATS.items():
            setattr(self._socket, option, milliseconds)
        self._lock = threading.Lock()  # a ZeroMQ socket may change threads, never be in two at once
        self._inbox: deque[tuple[Message, bytes | memoryview]] = deque()
        self._to_cancel: deque[str] = deque()
        self._closing = threading.Event()
        self._lost = self._greeting = False  # the link was cut; hello was said again and is not answered yet
        self._restarted = self._keeps = False
        self._handshakes = 0
        self._welcome: Welcome | None = None
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._pinged = self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._stay_alive, daemon=True, name="stemweave-client")
        try:
            approach(self._socket, address)
            self._socket.connect(address)
            self._ask(Hello(protocol.VERSION, "stemweave-python"), Welcome, timeout)
            self._thread.start()
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
            if not self._socket.closed:
                self._send(Bye())
                heard = time.monotonic() - self._heard
                self._socket.linger = 2000 if heard < 3 * protocol.PING_EVERY else 200  # who is gone takes no goodbye
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the socket without a goodbye; the server notices by itself."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._socket.closed:
            return
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()

    def status(self, timeout: float = 5.0) -> Report:
        """How the server is."""
        return self._ask(Status(), Report, timeout)

    def cancel(self, job: str) -> None:
        """Ask for a job to be stopped; whoever waits for it gets Cancelled. From any thread, at once."""
        self._to_cancel.append(job)

    @property
    def welcome(self) -> Welcome:
        """What the server last said of itself."""
        assert self._welcome is not None
        return self._welcome

    @property
    def device(self) -> str:
        """What computes jobs that name no device; "" where the server does not say."""
        told = (value for value in self.welcome.capabilities if value.startswith(protocol.DEVICE))
        return next(told, "").removeprefix(protocol.DEVICE)

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
        request = Request.of(sample_rate, [(MIXTURE, samples)])
        callbacks = {"on_progress": on_progress, "on_partial": on_partial, "cancelled": cancelled}
        return self.perform(request, preset, overrides, job=job, **callbacks)  # type: ignore[arg-type]

    def perform(
        self,
        request: Request,
        preset: str,
        overrides: dict[str, Any] | None = None,
        *,
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
        cancelled: Callable[[], bool] | None = None,
        job: str | None = None,
        keep: bool = False,
    ) -> dict[str, np.ndarray]:
        """Any task, by a preset of it; what `engine.perform` gives. keep: the server goes on without this client, and after a
        restart; the same `job` fetches the stems later. Everything else as in `separate`."""
        parts = {role: part.samples() if isinstance(part, Song) else part for role, part in request.parts().items()}
        channels = next(iter(parts.values())).shape[0] if parts else request.channels
        if any(part.shape[0] != channels for part in parts.values()):
            raise BridgeError("What was given differs in channels.", "Make all of it mono, or all of it stereo.")
        announced = [Part(name, part.shape[1]) for name, part in parts.items()]
        audio = Audio(list(parts.values()), channels)
        expected = audio.frames + round(request.seconds * request.sample_rate)
        later = protocol.minor(self.welcome.version) >= 1 and audio.frames > 0
        lane = self._lane and 4 * channels * expected >= LANE_FROM
        transfer = Transfer(
            self._send_frames, job or str(uuid.uuid4()), audio, expected, later, lane, on_progress, on_partial
        )
        overrides = {key: value for key, value in (overrides or {}).items() if value is not None}
        told = ("", audio.begins()) if later else (audio.sha256(),)
        shape = AudioShape(request.sample_rate, channels, audio.frames, *told)
        submit = Submit(
            transfer.job, shape, preset, overrides, announced,
            list(request.wanted), request.start, request.stop, request.seconds, keep, dict(request.prompts),
            request.mixture_prompt, lane=lane,
        )  # fmt: skip
        self._heard, self._keeps, self._restarted = time.monotonic(), keep, False
        self._send(submit)
        asked = busy = False
        while transfer.result is None:
            received = self._receive(0 if busy else 0.1)
            if self._restarted and transfer.known and not keep:
                raise BridgeError("The server was restarted and does not know this job any more.", "Ask for it again.")
            self._restarted = False  # before it was asked, or it goes on with the job
            if received is not None:
                transfer.handle(*received)
            busy = received is not None or transfer.work()
            if transfer.out_of_reach:  # where the server's stems are; they can come over the socket
                transfer.out_of_reach, submit.lane, self._lost = False, False, True
            if self._lost:
                submit.have = transfer.ask_again()
                with self._lock:  # what was granted is void now
                    self._inbox = deque(had for had in self._inbox if not isinstance(had[0], Accepted | Credit))
                self._hello_again(submit)
                asked = False
            if cancelled and not asked and cancelled():
                self._send(Cancel(transfer.job))
                asked = True
        return transfer.result

    def _send(self, message: Message) -> None:
        self._send_frames(protocol.encode(message))

    def _send_frames(self, frames: list) -> None:
        """Never blocks for good: a full pipe means that the server is gone. Large frames are sent from where they lie."""
        with self._lock:
            if not self._socket.poll(int(SILENT_AFTER * 1000), zmq.POLLOUT):
                raise BridgeError(f"The server at {self.address} takes nothing any more.", HINT)
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=False)

    def _receive(self, seconds: float) -> tuple[Message, bytes | memoryview] | None:
        """The next message within `seconds`, else None."""
        with self._lock:
            self._sign_of_life()
            if not self._inbox and self._socket.poll(int(min(seconds, 0.5) * 1000)):
                self._drain()
            if time.monotonic() - self._heard > (KEPT_SILENT_AFTER if self._keeps else SILENT_AFTER):
                raise BridgeError(f"The server at {self.address} has fallen silent.", HINT)
            return self._inbox.popleft() if self._inbox else None

    def _stay_alive(self) -> None:
        """The thread: while nobody waits for messages, the server hears that we are here and nothing piles up on the way."""
        while not self._closing.wait(0.2):
            with self._lock:
                self._sign_of_life()
                self._drain()

    def _sign_of_life(self) -> None:
        """Ping when it is time, and cancel what was asked. Drops what the socket does not take: the link is down then."""
        messages: list[Message] = []
        if time.monotonic() - self._pinged > protocol.PING_EVERY:
            self._pinged = time.monotonic()
            messages.append(Ping())
        while self._to_cancel:
            messages.append(Cancel(self._to_cancel.popleft()))
        for message in messages:
            if self._socket.poll(0, zmq.POLLOUT):
                self._socket.send_multipart(protocol.encode(message), zmq.NOBLOCK)

    def _drain(self) -> None:
        """Take in what waits. Pongs only count as signs of life; the server's "who are you?" means that it lost us."""
        while self._monitor.poll(0):
            self._monitor.recv_multipart()
            self._handshakes += 1
            self._lost |= self._handshakes > 1
        while self._socket.poll(0):
            try:
                decoded = protocol.decode(in_place(self._socket.recv_multipart(copy=False)))
            except DamagedChunk as error:
                self._inbox.append((Error(DAMAGED, error.message, error.hint, True, error.job), b""))
                continue
            except ProtocolError:
                continue
            self._heard = time.monotonic()
            if decoded is None:
                continue
            message = decoded[0]
            if isinstance(message, Welcome | Pong) and self._welcome and message.session != self._welcome.session:
                self._restarted = True
            if isinstance(message, Welcome):
                self._welcome, self._greeting = message, False
            if isinstance(message, Error) and message.code == HELLO_FIRST:
                self._lost |= not self._greeting
            elif not isinstance(message, Pong):
                self._inbox.append(decoded)

    def _hello_again(self, request: Message) -> None:
        """After a cut, or from a server that was restarted: introduce ourselves and repeat what we want."""
        self._lost, self._greeting = False, True
        self._send(Hello(protocol.VERSION, "stemweave-python"))
        if not isinstance(request, Hello):
            self._send(request)

    def _ask(self, request: Message, kind: type, timeout: float) -> Any:
        """The answer to a request; the server's error as RemoteError; BridgeError when none comes."""
        until = time.monotonic() + timeout
        self._heard = time.monotonic()
        self._send(request)
        while (left := until - time.monotonic()) > 0:
            received = self._receive(left)
            if self._lost:
                self._hello_again(request)
            if received is None:
                continue
            message = received[0]
            if isinstance(message, kind):
                return message
            if isinstance(message, Error) and not message.job:
                raise RemoteError(message.code, message.message, message.hint, message.retryable)
        raise BridgeError(f"No stemweave server answers at {self.address}.", HINT)
