"""The OSC end of the server: datagrams in and out of one socket, within the server's own loop."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from bridge import protocol
from bridge.errors import BridgeError
from bridge.osc.addresses import ADDRESSES, ROOT
from bridge.ports import owner

if TYPE_CHECKING:
    from bridge.jobs import Job
    from bridge.server import Server

LARGEST = 65_536  # bytes a datagram may have
LONGEST_TEXT = 1000  # characters sent: datagrams stay under what any receiver takes


class OscEndpoint:
    """Listens on loopback and answers each sender at the port it sent from."""

    def __init__(self, host: str, port: int, server: "Server"):
        self.server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(("127.0.0.1" if host == "localhost" else host, port))
        except OSError as error:
            self._socket.close()
            who = owner(port, "udp") or "another program"
            raise BridgeError(
                f"OSC port {port} is already in use by {who}.",
                "Stop it, or use another: stemweave serve --osc-port PORT",
            ) from error
        self.port = self._socket.getsockname()[1]
        self._handlers: dict[str, Callable[..., None]] = {
            "/ping": self._ping, "/version": self._version, "/status": self._status, "/models": self._models,
            "/separate": self._separate, "/job/cancel": self._cancel,
        }  # fmt: skip
        assert set(self._handlers) == set(ADDRESSES)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> None:
        """All datagrams that wait; what is not OSC is passed over."""
        for _ in range(1000):
            try:
                data, sender = self._socket.recvfrom(LARGEST)
            except OSError:
                return
            try:
                messages = [timed.message for timed in OscPacket(data).messages]
            except Exception:  # python-osc lets several kinds through for bytes that are not OSC
                continue
            for message in messages:
                self._handle(sender, message.address, list(message.params))

    def _handle(self, sender: tuple, address: str, arguments: list[Any]) -> None:
        handler = self._handlers.get(address.removeprefix(ROOT)) if address.startswith(ROOT) else None
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

    def _ping(self, sender: tuple) -> None:
        self.send(sender, "/pong")

    def _version(self, sender: tuple) -> None:
        from bridge.server import package_version

        self.send(sender, "/version", package_version(), protocol.VERSION)

    def _status(self, sender: tuple) -> None:
        jobs = self.server.report().jobs
        self.send(sender, "/status", *(jobs.get(s, 0) for s in ("queued", "running", "done", "failed", "cancelled")))

    def _models(self, sender: tuple) -> None:
        self.send(sender, "/models", *self.server.worker.models[:20])

    def _separate(self, sender: tuple, path: str, out: str, seed: str | float = 0) -> None:
        if not (isinstance(path, str) and isinstance(out, str)):
            raise ValueError("path and outdir are texts")
        whole = int(seed) if isinstance(seed, str) and seed.strip().isdecimal() else int(float(seed))
        if self.server.full():
            self.send(sender, "/error", "limit", "Too many jobs are open; wait for one, or cancel one.")
            return
        job = self.server.submit_file(sender, path, out, {"seed": whole})
        self.send(sender, "/job/accepted", job.id)

    def _cancel(self, sender: tuple, job: str) -> None:
        found = self.server.jobs.by_id.get(job)
        if found is None or found.owner != sender:
            self.send(sender, "/job/error", str(job), "unknown_job", "There is no such job of yours.")
        else:
            self.server.cancel(found)

    def progress(self, job: "Job", fraction: float) -> None:
        self.send(job.owner, "/job/progress", job.id, float(fraction))

    def wrote(self, job: "Job", stem: str, path: str) -> None:
        self.send(job.owner, "/job/stem", job.id, stem, path)

    def ended(self, job: "Job") -> None:
        if job.error is not None:
            code, message, hint = job.error
            self.send(job.owner, "/job/error", job.id, code, f"{message} {hint}".strip())
        else:
            self.send(job.owner, f"/job/{job.state}", job.id)
        self.server.jobs.forget(job)

    def send(self, sender: tuple, address: str, *arguments: str | int | float) -> None:
        builder = OscMessageBuilder(address=ROOT + address)
        for argument in arguments:
            builder.add_arg(argument[:LONGEST_TEXT] if isinstance(argument, str) else argument)
        try:
            self._socket.sendto(builder.build().dgram, sender)
        except OSError:
            return  # nobody listens there any more, which UDP lets happen
