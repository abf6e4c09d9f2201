"""Addresses and ports of this machine, and who holds them, as far as the system tells."""

import ipaddress
import random
import socket

import psutil

from bridge.errors import BridgeError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORTS = range(
    10_000, 27_000
)  # below what systems take for outgoing connections (Linux: 32768 on) and the usual ones of ours

_chance = random.SystemRandom()  # not the seeded one: programs that start together would all try the same
_given: set[int] = set()


def owner(port: int, kind: str = "tcp") -> str | None:
    """ "python (process 4242)" where the system tells it to us, else None."""
    try:
        for found in psutil.net_connections(kind):
            listens = kind == "udp" or found.status == psutil.CONN_LISTEN
            if listens and found.pid and found.laddr and found.laddr.port == port:
                return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    except (psutil.Error, OSError):
        pass  # another user's, ended meanwhile, or none of our business on this system
    return None


def refuse_ipv6(place: str) -> None:
    """BridgeError where this is an IPv6 address, with a port or without."""
    if place.count(":") > 1:
        raise BridgeError(
            f"{place} is an IPv6 address, and stemweave speaks over IPv4 only.",
            "Give the machine's name or its IPv4 address, for example 127.0.0.1.",
        )


def addresses() -> list[str]:
    """IPv4 addresses at which other machines may reach this one."""
    found = [
        address.address
        for card in psutil.net_if_addrs().values()
        for address in card
        if address.family == socket.AF_INET
    ]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a TCP server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def udp_is_free(port: int) -> bool:
    """Whether datagrams could be heard there now, on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port for a server that is to start: nobody holds it or the two after it (for OSC and pairing), over TCP or UDP. The system
    gives those in PORTS to no socket by itself, so none that connects meanwhile takes it; no other call here gives it again."""
    while True:
        port = _chance.choice(PORTS)
        if port not in _given and all(is_free(port + more) and udp_is_free(port + more) for more in range(3)):
            _given.update(range(port, port + 3))
            return port
