"""The OSC end of the server: datagrams in and out of one socket, within the server's own loop."""

import errno
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from bridge import protocol
from bridge.doors import EVERY_ADDRESS, is_loopback, outside
from bridge.errors import FORBIDDEN, BridgeError, Refused, told_of
from bridge.files import path_in
from bridge.osc.addresses import ADDRESSES, REPLIES, ROOT
from bridge.ports import owner
from engine.recipe import package_version

if TYPE_CHECKING:
    from bridge.jobs import Job
    from bridge.server import Server

LARGEST = 65_536  # bytes a datagram may have
AT_ONCE = 1000  # messages read at one address before anything else has its turn
SHORTEST = 12  # bytes that a message takes in a bundle
MOST_OF_OTHERS = 16  # messages heard of one datagram from another machine
LONGEST_TEXT = 1000  # characters sent: datagrams stay under what any receiver takes

LONGEST_SUBSCRIPTION = 3600.0  # seconds
MOST_SUBSCRIBERS = 32  # of this machine, and as many of others
MOST_REPLY_PORTS = (
    256  # of senders of this machine, and as many of others; who named one longest ago is forgotten first
)
ROLES = {
    "path": "mixture=",
    "stems": "",
    "after": "after:",
    "clip": "like=",
}  # argument to what bridge.files reads it as
SETTINGS = {"from": "start", "to": "stop", "seconds": "seconds"}  # argument to field of engine.request.Request

# python-osc writes a line about every datagram that is not OSC, with all its bytes: a way to fill somebody's disk.
logging.getLogger().addFilter(lambda record: "pythonosc" not in record.pathname)


class OscEndpoint:
    """Hears datagrams on loopback, and at `host`, and answers each sender at the port it sent from, or at one it named.

    host: loopback, or an address of this machine, or 0.0.0.0 for all it has, where other machines are heard too. Whoever can send
    a datagram is believed, so they may ask, and listen, but name no file, and hear no path and no job's whole name. outside: the
    addresses at which they find it.
    """

    def __init__(self, host: str, port: int, server: "Server"):
        self.server = server
        self.outside = outside(host)
        self.hosts = ["0.0.0.0"] if host in EVERY_ADDRESS else ["127.0.0.1", *self.outside]
        self._sockets: list[socket.socket] = []
        self.port = port
        try:
            for address in self.hosts:
                self._listen(address)
        except BridgeError:
            self.close()
            raise
        self._handlers: dict[str, Callable[..., None]] = {
            "/ping": self._ping, "/version": self._version, "/status": self._status, "/models": self._models,
            "/presets": self._presets, "/subscribe": self._subscribe, "/reply": self._reply, "/job/cancel": self._cancel,
        }  # fmt: skip
        for address, usage in task_usages():
            self._handlers[address] = partial(self._task, address[1:], usage.split())
        # By whether they are of this machine, so that nobody else takes its places:
        self._subscribers: dict[bool, dict[tuple, float]] = {True: {}, False: {}}  # sender to when it ends
        self._replies: dict[bool, dict[tuple, tuple]] = {
            True: {},
            False: {},
        }  # sender to where it hears, by another socket
        assert set(self._handlers) == set(ADDRESSES)

    def _listen(self, address: str) -> None:
        door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets.append(door)
        door.setblocking(False)
        try:
            door.bind((address, self.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise BridgeError(
                    f"Cannot hear OSC at {address}: {error.strerror}.", "Name one of this machine's addresses."
                ) from error
            who = owner(self.port, "udp") or "another program"
            raise BridgeError(
                f"OSC port {self.port} is already in use by {who}.",
                "Stop it, or use another: stemweave serve --osc-port PORT",
            ) from error
        self.port = door.getsockname()[1]

    def filenos(self) -> list[int]:
        return [door.fileno() for door in self._sockets]

    def close(self) -> None:
        for door in self._sockets:
            door.close()

    def receive(self) -> None:
        """Datagrams that wait, as many as a turn is long; what is not OSC is passed over."""
        for door in self._sockets:
            self._receive(door)

    def _receive(self, door: socket.socket) -> None:
        left = AT_ONCE
        while left > 0:
            try:
                data, sender = door.recvfrom(LARGEST)
            except OSError:
                return
            left -= 1 + len(data) // SHORTEST  # also of what is no OSC: to find that out takes as long
            try:
                messages = [timed.message for timed in OscPacket(data).messages]
            except Exception:  # python-osc lets several kinds through for bytes that are not OSC
                continue
            for message in messages if is_loopback(sender[0]) else messages[:MOST_OF_OTHERS]:
                self._handle(sender, message.address, [] if message.params == [None] else list(message.params))

    def _handle(self, sender: tuple, address: str, arguments: list[Any]) -> None:
        handler = self._handlers.get(address.removeprefix(ROOT)) if address.startswith(ROOT) else None
        if handler is None and address.removeprefix(ROOT) in REPLIES:
            return  # from a server like this one, sent here by a port somebody named; two would answer each other for ever
        if handler is None:
            self.send(
                sender, "/error", "unknown_address", f"{address} is not known; see the README's table of addresses."
            )
            return
        try:
            handler(sender, *arguments)
        except (TypeError, ValueError, OverflowError) as error:
            usage = f"{ROOT}{address.removeprefix(ROOT)} {ADDRESSES[address.removeprefix(ROOT)][0]}"
            self.send(sender, "/error", "bad_arguments", f"Use: {usage} ({error})")
        except Exception as error:  # a full disk, for one: the others keep their server
            code, message, hint = told_of(error)
            self.send(sender, "/error", code, f"{message} {hint}".strip())

    def _ping(self, sender: tuple) -> None:
        self.send(sender, "/pong")

    def _version(self, sender: tuple) -> None:
        self.send(sender, "/version", package_version(), protocol.VERSION)

    def _status(self, sender: tuple) -> None:
        now, ended = self.server.jobs.count(), self.server.jobs.ended
        counts = [*(now.get(s, 0) for s in ("queued", "running")), *(ended[s] for s in ("done", "failed", "cancelled"))]
        self.send(sender, "/status", *counts)

    def _models(self, sender: tuple) -> None:
        self.send(sender, "/models", *self.server.worker.models[:20])

    def _presets(self, sender: tuple) -> None:
        self.send(sender, "/presets", *self.server.worker.presets[:40])

    def _subscribe(self, sender: tuple, seconds: str | float = 60) -> None:
        lasts = min(max(number(seconds), 0.0), LONGEST_SUBSCRIPTION)
        subscribers = self._listeners()[is_loopback(sender[0])]
        if sender not in subscribers and len(subscribers) >= MOST_SUBSCRIBERS:
            self.send(sender, "/error", "limit", f"{MOST_SUBSCRIBERS} subscribe already; try again in a minute.")
            return
        subscribers[sender] = time.monotonic() + lasts
        self.send(sender, "/subscribed", lasts)

    def _listeners(self) -> dict[bool, dict[tuple, float]]:
        """The subscribers, without those whose time is over."""
        now = time.monotonic()
        for local, subscribers in self._subscribers.items():
            self._subscribers[local] = {sender: end for sender, end in subscribers.items() if end > now}
        return self._subscribers

    def _reply(self, sender: tuple, port: str | float) -> None:
        named = int(number(port))
        if not 0 <= named <= 65535 or named == self.port:
            raise ValueError("a port is a number up to 65535, and not the server's own")
        replies = self._replies[is_loopback(sender[0])]
        replies.pop(sender, None)
        if named:
            replies[sender] = (sender[0], named)
        while len(replies) > MOST_REPLY_PORTS:
            replies.pop(next(iter(replies)))
        self.send(sender, "/replying", named)

    def _task(self, task: str, names: list[str], sender: tuple, *arguments: str | float) -> None:
        """Any task; names: of its arguments, in order, those in brackets may be left out."""
        if not is_loopback(sender[0]):
            self.send(sender, "/error", FORBIDDEN, "Jobs on files are asked for on the machine that has them.")
            return
        if not sum("[" not in name for name in names) <= len(arguments) <= len(names):
            raise TypeError(f"{len(arguments)} arguments were given")
        given = dict(zip((name.strip("[]") for name in names), arguments, strict=False))
        files = tuple(rooted(role + text(given[name])) for name, role in ROLES.items() if name in given)
        settings: dict[str, Any] = {key: number(given[name]) for name, key in SETTINGS.items() if name in given}
        want = text(given.get("want", "-"))
        settings["wanted"] = () if want in ("-", "") else tuple(name.strip() for name in want.split(","))
        out, seed = absolute(text(given["outdir"])), given.get("seed", 0)
        whole = int(seed) if isinstance(seed, str) and seed.strip().isdecimal() else int(number(seed))
        try:
            ear = self._replies[True].get(sender)
            job = self.server.submit_files(sender, ear, task, files, out, whole, settings)
        except Refused as error:
            self.send(sender, "/error", error.code, f"{error.message} {error.hint}")
            return
        self.accepted(job)

    def _cancel(self, sender: tuple, job: str) -> None:
        found = self.server.jobs.by_id.get(job)
        if found and found.owner is None and found.order.audio is None and is_loopback(sender[0]):
            found.owner = sender  # an older server did not put down whose it was
        if found is None or found.owner != sender:
            self.send(sender, "/job/error", str(job), "unknown_job", "There is no such job of yours.")
        else:
            self.server.cancel(found)

    def take_up(self, jobs: Iterable["Job"]) -> None:
        """Of jobs from before this server: where those hear of them who asked for them."""
        for job in jobs:
            if job.ear and job.owner:
                self._replies[True][job.owner] = job.ear

    def accepted(self, job: "Job") -> None:
        self._tell(job, "/job/accepted")

    def progress(self, job: "Job", fraction: float) -> None:
        self._tell(job, "/job/progress", float(fraction))

    def wrote(self, job: "Job", stem: str, path: str) -> None:
        self._tell(job, "/job/stem", stem, private=path)

    def ended(self, job: "Job") -> None:
        if job.error is not None:
            code, message, hint = job.error
            self._tell(job, "/job/error", code, private=f"{message} {hint}".strip())
        else:
            self._tell(job, f"/job/{job.state}")

    def _tell(self, job: "Job", address: str, *arguments: str | int | float, private: str = "") -> None:
        """To whoever asked for the job by OSC, and to all who subscribed: on other machines, and of jobs over ZeroMQ, with the
        first characters of its name, by which nobody can take it over; on other machines without what is `private`, which comes
        last."""
        listeners = self._listeners()
        owner = {job.owner: None} if isinstance(job.owner, tuple) else {}
        for sender in owner | listeners[True] | listeners[False]:
            local = is_loopback(sender[0])
            name = job.id if local and job.order.audio is None else job.id[:8]
            last = [private if local else ""] if private else []
            self.send(sender, address, name, *arguments, *last)

    def send(self, sender: tuple, address: str, *arguments: str | int | float) -> None:
        builder = OscMessageBuilder(address=ROOT + address)
        for argument in arguments:
            if isinstance(argument, str):  # a path need not be text
                argument = argument[:LONGEST_TEXT].encode(errors="replace").decode()
            builder.add_arg(argument)
        local = is_loopback(sender[0])
        try:
            self._sockets[0 if local else -1].sendto(builder.build().dgram, self._replies[local].get(sender, sender))
        except OSError:
            return  # nobody listens there any more, which UDP lets happen


def task_usages() -> list[tuple[str, str]]:
    """(address, arguments) of the addresses that start a job."""
    return [(address, usage) for address, (usage, _) in ADDRESSES.items() if "outdir" in usage]


def number(value: str | float) -> float:
    """An int, a float, a truth value or their text. ValueError for anything else."""
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("a number must be finite")
    return found


def text(value: object) -> str:
    """ValueError unless it is text."""
    if not isinstance(value, str):
        raise ValueError("a path is a text")
    return value


def rooted(given: str) -> str:
    """One of the texts that bridge.files reads, its path made absolute."""
    path = path_in(given)
    return given.removesuffix(path) + absolute(path)


def absolute(path: str) -> str:
    """~ is the user's home. ValueError where the path does not begin at the root: whoever sends is in another folder than the
    server."""
    found = os.path.expanduser(path)
    if not Path(found).is_absolute():
        raise ValueError("a path begins with / or ~/, on Windows with a drive as C:/")
    return found
