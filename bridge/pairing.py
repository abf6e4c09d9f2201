"""Pairing: two machines get each other's public keys, and a short code, read off one and typed on the other, vouches for both.

The server opens a door of its own for it, at its port + 2, for a few minutes. That door is under CURVE too, and its key pair is
made from the code: by scrypt, so that a guess costs 32 MiB and a tenth of a second. CURVE then does the rest. A client that has
the code has the door's public key, which is never sent, and cannot speak to it without; a door that has the code has the secret
key, and nobody else can answer for it. Inside, the client has proved its own lasting key, which the server allows, and is told
the server's.

What that is worth: a code has 50 bits, so five tries have a chance of 2**-47; tries made at once, before they are counted, add
little to that. Who records the handshake can try codes on it at home, 2**49 of them on average. Finding the right one helps only
while the code is good: it opens a door that closes after one client, and what was said inside is under keys that both sides
forget. Who can do 10**12 scrypts a second is beyond this fence.
"""

import hashlib
import secrets
import socket
import time
from contextlib import suppress

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from bridge import keys, protocol
from bridge.doors import guard, knock, lock
from bridge.errors import BridgeError, ProtocolError
from bridge.protocol import Bye, Pair, Paired

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
LENGTH = 10
GOOD_FOR = 300.0  # seconds
TRIES = 5
OFFSET = 2  # from the server's port to the one for pairing
LAST_WORD = 2000  # milliseconds
LONGEST_NAME = 40
WRONG_KEY = 0x11000001  # libzmq's ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC, which pyzmq has no name for
FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED


def new_code() -> str:
    """For example K7QM2-9XD4T."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


def keys_of(code: str) -> keys.KeyPair:
    """The pair of the door that a code opens, however the code was typed. BridgeError for what cannot be one."""
    letters = code.upper().translate(str.maketrans("OIL", "011", "- "))
    if len(letters) != LENGTH or not set(letters) <= set(LETTERS):
        raise BridgeError(f"'{code}' is not a code.", "It has ten letters and digits, for example K7QM2-9XD4T.")
    secret = hashlib.scrypt(letters.encode(), salt=b"stemweave pairing", n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    return keys.KeyPair.of(z85.encode(secret).decode())


class Anybody:
    """Whoever knows the code may come in: see the module's text."""

    def callback(self, domain: str, key: bytes) -> bool:
        return True


class Offer:
    """A new code and, in a `with`, the open door behind which it is good. port: of the server it is for."""

    def __init__(self, port: int, good_for: float = GOOD_FOR):
        self.code, self._end, self._tries = new_code(), time.monotonic() + good_for, TRIES
        self._context = zmq.Context()
        self._guard = guard(self._context, Anybody())
        self._door = self._context.socket(zmq.ROUTER)
        self._door.linger = 0
        lock(self._door, keys_of(self.code))
        self._failures = self._door.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        try:
            self._door.bind(f"tcp://0.0.0.0:{port + OFFSET}")
        except zmq.ZMQError as error:
            self.close()
            raise BridgeError(
                f"Cannot listen on port {port + OFFSET}: {error}.", "Perhaps another `stemweave pair` runs."
            ) from error

    def __enter__(self) -> "Offer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._door.disable_monitor()
        self._failures.close()
        self._door.close()
        self._guard.stop()
        self._context.term()

    def wait(self) -> str:
        """Allow the one client that has the code; returns its name. BridgeError when the time or the tries are up."""
        poller = zmq.Poller()
        poller.register(self._door, zmq.POLLIN)
        poller.register(self._failures, zmq.POLLIN)
        while (left := self._end - time.monotonic()) > 0:
            ready = dict(poller.poll(int(left * 1000) + 1))
            if self._failures in ready and recv_monitor_message(self._failures)["value"] == WRONG_KEY:
                self._tries -= 1
                if not self._tries:
                    raise BridgeError(
                        f"{TRIES} wrong codes were tried; this one is good no more.", "For a new one: stemweave pair"
                    )
            if self._door in ready and (name := self._answer()):
                return name
        raise BridgeError("Nobody came in time; the code is good no more.", "For a new one: stemweave pair")

    def _answer(self) -> str:
        """Read one message; the client's name when it was the one to come."""
        identity, *frames = self._door.recv_multipart(copy=False)
        try:
            decoded = protocol.decode([frame.bytes for frame in frames])
        except ProtocolError:
            return ""
        if decoded is None or not isinstance(decoded[0], Pair):
            return ""
        name = _allow(decoded[0].name, str(frames[0].get("User-Id")))
        paired = Paired(keys.own("server").public, socket.gethostname())
        self._door.send_multipart([identity, *protocol.encode(paired)])
        self._door.poll(LAST_WORD)  # until the client says bye: what it has not read is lost when the door closes
        return name


def _allow(name: str, key: str) -> str:
    """Put a client down under a name that no other key has; returns that."""
    known = {name: one for name, one in keys.CLIENTS.keys().items() if one != key}
    wish = "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME] or "a client"
    name, number = wish, 1
    while name in known:
        number += 1
        name = f"{wish} {number}"
    keys.CLIENTS.replace(known | {name: key})
    return name


def ask(host: str, port: int, code: str, name: str, timeout: float = 10.0) -> str:
    """Be paired with the server at HOST:PORT, where an Offer waits, as `name`. Returns the server's name. BridgeError with what
    to do when the code is another, or nobody is there."""
    with zmq.Context() as context:
        door = context.socket(zmq.DEALER)
        door.linger, door.reconnect_ivl = 500, -1  # to come back by itself would use up the tries
        knock(door, keys.own("client"), keys_of(code).public)
        link = door.get_monitor_socket(zmq.EVENT_CONNECTED | FAILED | GONE)
        try:
            door.connect(f"tcp://{host}:{port + OFFSET}")
            with suppress(zmq.Again):  # a wrong code may have been refused already
                door.send_multipart(protocol.encode(Pair(protocol.VERSION, name)), zmq.NOBLOCK)
            answer = _answer(door, link, f"{host} port {port + OFFSET}", time.monotonic() + timeout)
            door.send_multipart(protocol.encode(Bye()))
            keys.SERVERS.put(f"{host.lower()}:{port}", answer.key)
            return answer.name
        except zmq.ZMQError as error:
            raise BridgeError(f"{host}:{port} is not an address: {error}.", "Give HOST or HOST:PORT.") from error
        finally:
            door.disable_monitor()
            link.close()
            door.close()


def _answer(door: zmq.Socket, link: zmq.Socket, place: str, end: float) -> Paired:
    poller, connected = zmq.Poller(), False
    poller.register(door, zmq.POLLIN)
    poller.register(link, zmq.POLLIN)
    while (left := end - time.monotonic()) > 0:
        ready = dict(poller.poll(int(left * 1000) + 1))
        if door in ready:
            decoded = protocol.decode(door.recv_multipart())
            if decoded and isinstance(decoded[0], Paired) and keys.is_key(decoded[0].key):
                return decoded[0]
        if link in ready:
            event = recv_monitor_message(link)["event"]
            if connected and event & (FAILED | GONE):
                raise BridgeError(
                    "That is not the code that is good there now.", "Get a new one on the other machine: stemweave pair"
                )
            if event & GONE:
                raise BridgeError(f"Nobody pairs at {place}.", "Run there first: stemweave pair")
            connected |= event == zmq.EVENT_CONNECTED
    raise BridgeError(f"No answer from {place}.", "Is that its address, and does its firewall let this port through?")
