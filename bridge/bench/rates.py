"""Benchmark of the bridge: what the way to a server and back costs, and how it treats many clients. Transfers take turns with bare
ones over pyzmq in every round, so that a noisy machine disturbs both alike."""

import hashlib
import statistics
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import zmq

from bridge import protocol
from bridge.bench.ends import CHANNELS, HOLD, PATIENCE, RATE, other_end, process, served, until
from bridge.client import Client
from bridge.errors import BridgeError
from bridge.lane import PLACE
from bridge.protocol import AudioShape, Bye, Credit, Done, Error, Hello, Message, Ping, Submit
from engine.errors import Cancelled
from engine.request import MIXTURE, Request

MIB = 2**20
TOGETHER = 2  # chunks that a message gives credit for, about
SMALL = 1000  # frames of a small job
PINGS = 200
OF_BARE, CANCELLED, UNFAIR = (
    0.7,
    250,
    2,
)  # aims: least share of a bare transfer's speed, most milliseconds, most times the median's
CHECKED = " beside pyzmq with the same checksums and file"
SOCKET = " over the socket"


def bench_bridge(rounds: int = 3, mib: int = 100, clients: int = 64, jobs: int = 10) -> list[dict[str, Any]]:
    """Rows of `what`, `value` and `unit`; `beside`: what it is compared with, in the same unit, and `ratio` to it; `aim`, and
    whether it was `met`. Medians over rounds.

    Transfers are calls of bridge.client.Client with `mib` MiB of stereo audio: conversion, the server's disk and all, beside the
    socket as between programs of one user, and over it as between machines (but without CURVE). An upload is over when the client
    hears that the job has begun, a download when all has come; where that is said, checksums of both ends were compared too. Bare
    ones are the same bytes in messages of the same size from one process to another, taken and dropped.
    Cancel: from asking, in the middle of a transfer, to the end of the call. Fairness: of `clients` who ask for `jobs` small jobs
    each at once, the wait for the last of them, the worst client's beside the median's.
    """
    frames = mib * MIB // (4 * CHANNELS)
    chunks = frames * 4 * CHANNELS // protocol.CHUNK_BYTES
    with (
        served() as address, other_end(chunks) as others,
        Client(address) as near, Client(address, lane=False) as far,
    ):  # fmt: skip
        tried: dict[str, Upload | Download] = {}
        for name, client in (("", near), (SOCKET, far)):
            tried[f"upload{name}"] = Upload(address, _song(frames), client is near)
            tried[f"download{name}"] = Download(client, frames)
        times = _turns(tried | others, rounds, near)
        for name, run in tried.items():
            times[name + CHECKED], times[name] = times[name], run.there
        rows = []
        for way in ("upload", "download"):
            rows += [_transfer(way, "", checked, mib, times) for checked in (False, True)]
            rows += [_transfer(way, SOCKET, False, mib, times)]
        rows += _cancels(near, "", frames, rounds) + _cancels(far, SOCKET, frames, rounds)
        return rows + _pings(address, frames) + _crowd(address, clients, jobs)


def _turns(tried: dict[Any, Callable[[], Any]], rounds: int, client: Client) -> dict[Any, list[float]]:
    """Seconds of each, one after the other in every round. Each begins when the server has tidied up after the one before."""
    times: dict[Any, list[float]] = {name: [] for name in tried}
    for _ in range(rounds):
        for name, run in tried.items():
            client.status()
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return times


def _transfer(way: str, name: str, checked: bool, mib: int, times: dict[Any, list[float]]) -> dict[str, Any]:
    """One way to transfer beside one bare way. The aim is that of programs on one machine."""
    ours, other = times[way + name + CHECKED * checked], times[way, checked]
    ratio = statistics.median(theirs / own for own, theirs in zip(ours, other, strict=True))
    row = {
        "what": f"{way} of {mib} MiB" + name + CHECKED * checked, "value": mib / statistics.median(ours), "unit": "MiB/s",
        "beside": mib / statistics.median(other), "ratio": ratio,
    }  # fmt: skip
    return row if checked or name else row | {"aim": f"at least {OF_BARE} of bare pyzmq", "met": ratio >= OF_BARE}


def _song(frames: int) -> Request:
    return Request.of(RATE, [(MIXTURE, np.ones((CHANNELS, frames), np.float32))])


def _made(frames: int) -> Request:
    """Of so many frames, out of nothing."""
    return Request(RATE, seconds=frames / RATE, channels=CHANNELS)


class Upload:
    """A call of a client of its own, to its end. there: seconds each time until it heard that the job has begun."""

    def __init__(self, address: str, song: Request, lane: bool):
        self._address, self._song, self._lane = address, song, lane
        self.there: list[float] = []

    def __call__(self) -> None:
        heard: list[float] = []
        started = time.perf_counter()
        with Client(self._address, lane=self._lane) as client:
            client.perform(_another(self._song), "separate", on_progress=lambda _: heard.append(time.perf_counter()))
        self.there.append(heard[0] - started)


class Download:
    """A job is done that is given nothing and makes one stem of so many frames; a call fetches that once more. there: seconds each
    time until all of it had come."""

    def __init__(self, client: Client, frames: int):
        self._client, self._name, self._request = client, str(uuid.uuid4()), _made(frames)
        self.there: list[float] = []
        self()
        self.there.clear()

    def __call__(self) -> None:
        heard: list[float] = []
        started = time.perf_counter()
        self._client.perform(
            self._request, "generate", job=self._name, on_partial=lambda *_: heard.append(time.perf_counter())
        )
        self.there.append(heard[-1] - started)


def _another(song: Request) -> Request:
    """The song, changed where it begins: what a server has already is not sent again."""
    assert isinstance(song.mixture, np.ndarray)
    song.mixture[:, 0] = np.random.default_rng().standard_normal(CHANNELS)
    return song


def _cancels(client: Client, name: str, frames: int, rounds: int) -> list[dict[str, Any]]:
    """Jobs cancelled half-way there and half-way back."""
    asked = {
        "upload": partial(client.perform, _song(frames), "separate", {"seed": HOLD}),
        "download": partial(client.perform, _made(frames), "generate", {"seed": HOLD}),
    }
    size = frames * 4 * CHANNELS
    up, down = (protocol.CHUNK_BYTES, protocol.CHUNK_BYTES) if name else (PLACE, protocol.MAX_PAYLOAD)
    halfway = {"upload": size // up // 2 // TOGETHER, "download": size // down // 2}  # messages
    rows = []
    for way, ask in asked.items():
        times = [1000 * _until_cancelled(ask, max(1, halfway[way])) for _ in range(rounds)]
        found = statistics.median(times)
        rows.append({
            "what": f"cancel in the middle of the {way}{name}", "value": found, "unit": "ms",
            "aim": f"at most {CANCELLED} ms", "met": found <= CANCELLED,
        })  # fmt: skip
    return rows


def _until_cancelled(ask: Callable[..., Any], messages: int) -> float:
    """Seconds from cancelling, after so many messages, to the end of the call."""
    heard, at = 0, 0.0

    def cancelled() -> bool:
        nonlocal heard, at
        heard += 1
        if heard >= messages and not at:
            at = time.perf_counter()
        return heard >= messages

    try:
        ask(cancelled=cancelled)
    except Cancelled:
        return time.perf_counter() - at
    raise BridgeError("A job of the benchmark ended before it was cancelled.", "Use more MiB.")


def _pings(address: str, frames: int) -> list[dict[str, Any]]:
    """How long an answer takes, while nothing else happens and while another process uploads."""
    quiet = _round_trips(address)
    with process(_keep_uploading, address, frames), Client(address) as client:
        until(lambda: "uploading" in client.status().jobs, "The benchmark's upload does not begin.")
        busy = _round_trips(address)
    what = {"answer to a ping, nothing else to do": quiet, "answer to a ping during an upload": busy}
    return [{"what": name, "value": 1000 * statistics.median(times), "unit": "ms"} for name, times in what.items()]


def _round_trips(address: str) -> list[float]:
    """Seconds of each of PINGS pings."""
    with zmq.Context() as context:
        member = _Member(context, address)
        try:
            return [_seconds(member.ping) for _ in range(PINGS)]
        finally:
            member.leave()


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _keep_uploading(address: str, frames: int) -> None:
    song = _song(frames)
    with Client(address) as client:
        while True:
            client.perform(_another(song), "separate")


class _Member:
    """One of a crowd of clients, without a thread of its own, that asks for all its jobs at once. left: jobs it waits for."""

    def __init__(self, context: zmq.Context, address: str):
        self.left: set[str] = set()
        self.door = context.socket(zmq.DEALER)
        self.door.linger = 0
        self.door.connect(address)
        self.say(Hello(protocol.VERSION, "bench"))
        self.hear(self.door.recv_multipart())

    def say(self, message: Message) -> None:
        self.door.send_multipart(protocol.encode(message))

    def ping(self) -> None:
        self.say(Ping())
        self.hear(self.door.recv_multipart())

    def leave(self) -> None:
        self.say(Bye())
        self.door.close(linger=1000)

    def ask(self, jobs: int) -> None:
        """For so many, with all they need."""
        self.left = {str(uuid.uuid4()) for _ in range(jobs)}
        shape = AudioShape(RATE, CHANNELS, SMALL, hashlib.sha256(SONG).hexdigest())
        for name in self.left:
            self.say(Submit(name, shape, seconds=SMALL / RATE))
            self.say(Credit(name, protocol.CREDIT))
            self.door.send_multipart(protocol.chunk(name, "", 0, SONG))

    def hear(self, frames: list[bytes]) -> None:
        message, _ = protocol.decode(frames) or (None, b"")
        if isinstance(message, Error):
            raise BridgeError(f"A job of the benchmark failed: {message.message}", message.hint)
        if isinstance(message, Done):
            self.left.discard(message.job)


SONG = bytes(SMALL * 4 * CHANNELS)


def _crowd(address: str, clients: int, jobs: int) -> list[dict[str, Any]]:
    """How long each of many clients waits for the last of its jobs."""
    with zmq.Context() as context:
        members = [_Member(context, address) for _ in range(clients)]
        try:
            waits = _waits(members, jobs)
        finally:
            for member in members:
                member.leave()
    middle, finished = statistics.median(waits), sum(jobs - len(member.left) for member in members)
    return [
        {
            "what": f"jobs done, {clients} clients with {jobs} each", "value": finished, "unit": "jobs",
            "beside": clients * jobs, "aim": "all", "met": finished == clients * jobs,
        },
        {
            "what": "longest wait of one of them for its jobs", "value": max(waits), "unit": "s", "beside": middle,
            "ratio": max(waits) / middle, "aim": f"at most {UNFAIR} of the median's", "met": max(waits) <= UNFAIR * middle,
        },
    ]  # fmt: skip


def _waits(members: list[_Member], jobs: int) -> list[float]:
    """Seconds from the first request to the last answer, of each member."""
    poller, of = zmq.Poller(), {member.door: member for member in members}
    started = pinged = heard = time.perf_counter()
    for member in members:
        poller.register(member.door, zmq.POLLIN)
        member.ask(jobs)
    waits: dict[_Member, float] = {}
    while len(waits) < len(members):
        for door, _ in poller.poll(100):
            of[door].hear(door.recv_multipart())
            heard = time.perf_counter()
            if not of[door].left:
                waits.setdefault(of[door], heard - started)
        now = time.perf_counter()
        if now - heard > PATIENCE:
            raise BridgeError("The server of the benchmark has fallen silent.", "See: stemweave doctor")
        if now - pinged > protocol.PING_EVERY:
            pinged = now
            for member in members:
                member.say(Ping())
    return list(waits.values())
