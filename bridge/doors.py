"""The sockets of server and client: plain on this machine, under CURVE and for paired clients only from any other."""

import hmac
import ipaddress
import logging
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import zmq
from zmq.auth.thread import ThreadAuthenticator

from bridge import keys, protocol
from bridge.errors import BridgeError
from bridge.ports import LOOPBACK, addresses, owner, refuse_ipv6

log = logging.getLogger("stemweave")

DOMAIN = "stemweave"
EVERY_ADDRESS = ("0.0.0.0", "*")
AT_ONCE = 1000  # messages taken from one door before the next has its turn
LOOK_EVERY = 5.0  # seconds
SHAKE_HANDS = 5000  # milliseconds a peer has to show that it is a client
STILL_THERE = {"tcp_keepalive": 1, "tcp_keepalive_idle": 60, "tcp_keepalive_intvl": 15, "tcp_keepalive_cnt": 4}
"""When a quiet connection is asked, and how often, before it is closed: a machine that vanished does not close its own."""


class Doors:
    """A server's way to its clients, whichever door they came by. A client is called by bytes that no other has.

    host: an address of this machine, or 0.0.0.0 for all it has, also later (`look_again`). Where that is not loopback, there is a
    second door at it, under CURVE. The first one is always at 127.0.0.1. port: of both; 0 lets the system choose. BridgeError where
    they cannot be had.
    outside: addresses of the second, as clients of other machines write them.
    """

    def __init__(self, host: str, port: int):
        found = outside(host)
        self._context = zmq.Context()
        self._guard: ThreadAuthenticator | None = None
        self.sockets: list[zmq.Socket] = []
        try:
            self.port = self._open(["127.0.0.1"], port)
            self.outside = [self._place(address) for address in found]
            self._everywhere, self._looked = host in EVERY_ADDRESS, time.monotonic()
            self._failed: set[str] = set()  # addresses at which there was no place, told of once
            if found or self._everywhere:
                self._guard = guard(self._context, Paired())
                self._open(found, self.port, keys.own("server"))
        except BaseException:
            self.close()
            raise

    def _open(self, hosts: list[str], port: int, pair: keys.KeyPair | None = None) -> int:
        door = self._context.socket(zmq.ROUTER)
        self.sockets.append(door)
        door.linger = 0
        door.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_PAYLOAD)
        door.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that comes back after a cut takes its place again
        door.setsockopt(zmq.SNDHWM, 4096)  # ROUTER drops what is beyond, unsaid: credit has to keep the audio far below
        # More than a client has credit for, and no flood of messages fills memory. A single one whose frames never end does, until
        # its sender hangs up: ZeroMQ holds them back for the last, and has a limit for each alone (MAXMSGSIZE). Only programs of
        # this machine, and paired ones, can send it.
        door.setsockopt(zmq.RCVHWM, 8 * protocol.CREDIT)
        for option, value in STILL_THERE.items():
            setattr(door, option, value)
        if pair:
            lock(door, pair)
        for host in hosts:
            _bind(door, host, port)
        return int(door.getsockopt_string(zmq.LAST_ENDPOINT).rsplit(":", 1)[1]) if hosts else port

    def _place(self, address: str) -> str:
        return f"tcp://{address}:{self.port}"

    def look_again(self) -> None:
        """Now and then, where the second door is to be at all addresses: at those that came since, as with a network that was not
        up yet. One that is gone comes back by itself."""
        if not self._everywhere or time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        try:
            found = addresses()
        except OSError:  # too many files are open
            return
        for address in found:
            if self._place(address) in self.outside:
                continue
            try:
                _bind(self.sockets[1], address, self.port)
            except BridgeError as error:
                if address not in self._failed:
                    log.warning("%s", error)
                self._failed.add(address)
                continue
            self.outside.append(self._place(address))
            log.info("other machines are served at %s too", self._place(address))

    def waiting(self) -> Iterator[tuple[bytes, list[bytes | memoryview]]]:
        """Messages that have come, each with its client. What follows the header lies where it came in."""
        for number, door in enumerate(self.sockets):
            for _ in range(AT_ONCE):
                try:
                    identity, *frames = door.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    break
                yield bytes([number]) + identity.bytes, in_place(frames)

    def send(self, client: bytes, frames: list) -> None:
        """frames: bytes that stay as they are: large ones are sent from where they lie."""
        self.sockets[client[0]].send_multipart([client[1:], *frames], copy=False)

    def close(self, linger: int = 0) -> None:
        """linger: milliseconds for what was said last to go out."""
        for door in self.sockets:
            door.close(linger)
        if self._guard:
            self._guard.stop()
        self._context.term()


class Paired:
    """What the guard asks: only who has been paired comes in. Any fault in finding that out keeps the door shut."""

    def callback(self, domain: str, key: bytes) -> bool:
        try:
            known = keys.CLIENTS.keys().values()
        except (BridgeError, OSError) as error:
            log.warning("nobody is let in: %s", error)
            return False
        return any(hmac.compare_digest(key, one.encode()) for one in known)


def guard(context: zmq.Context, judge: object) -> ThreadAuthenticator:
    """Ask judge.callback(domain, key) about every client of the context's locked sockets."""
    found = ThreadAuthenticator(context)
    found.start()
    found.configure_curve_callback(DOMAIN, judge)
    return found


def lock(door: zmq.Socket, pair: keys.KeyPair) -> None:
    """Put a server's socket under CURVE. Without a guard in its context nobody comes in, rather than everybody."""
    door.curve_server = True
    door.curve_publickey, door.curve_secretkey = pair.public.encode(), pair.secret.encode()
    door.zap_domain = DOMAIN.encode()
    door.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    door.setsockopt(zmq.HANDSHAKE_IVL, SHAKE_HANDS)


def in_place(frames: list[zmq.Frame]) -> list[bytes | memoryview]:
    """Frames of a message as protocol.decode takes them, without another copy of audio."""
    return [frame.bytes if number == 0 else frame.buffer for number, frame in enumerate(frames)]


def knock(door: zmq.Socket, pair: keys.KeyPair, server: str) -> None:
    """Put a client's socket under CURVE. server: its public key."""
    door.curve_publickey, door.curve_secretkey = pair.public.encode(), pair.secret.encode()
    door.curve_serverkey = server.encode()


def approach(door: zmq.Socket, address: str) -> None:
    """Make a client's socket ready for tcp://HOST:PORT: with the key of the server it was paired with there, else plain.
    BridgeError for a machine that this one was not paired with, so that nothing leaves it in the clear."""
    url = urlsplit(address)
    try:
        place = f"{url.hostname}:{url.port}"
    except ValueError as error:  # ZeroMQ knows other forms, which would get past what follows
        raise BridgeError(f"{address} is not an address.", "Give tcp://HOST:PORT.") from error
    if url.scheme != "tcp" or not url.hostname:
        raise BridgeError(f"{address} is not an address.", "Give tcp://HOST:PORT.")
    refuse_ipv6(url.hostname)
    if is_loopback(url.hostname):
        return
    server = keys.SERVERS.keys().get(place)
    if server:
        knock(door, keys.own("client"), server)
    else:
        raise BridgeError(
            f"This machine was not paired with {place}.",
            f"Run there: stemweave pair. And here what it then shows: stemweave pair {place} CODE",
        )


def is_local(client: object) -> bool:
    """Whether a client came by the first door, that of this machine."""
    return isinstance(client, bytes) and client[:1] == b"\0"


def is_loopback(host: str) -> bool:
    """Whether this is one of the names and addresses by which a machine speaks with itself."""
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def outside(host: str) -> list[str]:
    """The addresses meant by `host` that other machines can reach."""
    if host in EVERY_ADDRESS:
        return addresses()
    refuse_ipv6(host)
    if is_loopback(host):
        return []
    try:
        found = socket.gethostbyname(host)
    except OSError as error:
        raise BridgeError(f"There is no address called {host}.", "Name one of this machine's, or 0.0.0.0.") from error
    if is_loopback(found):  # Debian puts the machine's own name down so, in /etc/hosts
        mine = ", ".join(addresses()) or "none, now"
        raise BridgeError(
            f"{host} is {found} here, where no other machine comes in.",
            f"Name an address ({mine}), or 0.0.0.0 for all.",
        )
    return [found]


def _bind(door: zmq.Socket, host: str, port: int) -> None:
    try:
        door.bind(f"tcp://{host}:{port}")
    except zmq.ZMQError as error:
        if error.errno != zmq.EADDRINUSE:
            mine = ", ".join(["127.0.0.1", *addresses()])
            raise BridgeError(
                f"Cannot listen on {host} port {port}: {error}.", f"Choose another. This machine's addresses: {mine}."
            ) from error
        who = owner(port) or "another program"
        raise BridgeError(
            f"Port {port} is already in use by {who}.",
            f"Stop it, or use another port: stemweave serve --port {port + 10}",
        ) from error
