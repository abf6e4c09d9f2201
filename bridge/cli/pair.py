"""`stemweave pair`: let another machine use this one's server, or use another's."""

import socket
from typing import Annotated

import typer

from bridge import keys, pairing, protocol
from bridge.cli.console import err, out
from bridge.doors import is_loopback
from bridge.errors import BridgeError
from bridge.ports import addresses, refuse_ipv6


def pair(
    server: Annotated[
        str | None,
        typer.Argument(metavar="HOST[:PORT]", help="the server to be paired with; without it, this machine is one"),
    ] = None,
    code: Annotated[str | None, typer.Argument(help="what `stemweave pair` shows on the server")] = None,
    port: Annotated[int, typer.Option(min=1, max=65533, help="of the server on this machine")] = protocol.DEFAULT_PORT,
    listed: Annotated[
        bool, typer.Option("--list", help="show who may use this machine's server, and whom it may use")
    ] = False,
    forget: Annotated[str | None, typer.Option(metavar="NAME", help="let this client in no more")] = None,
) -> None:
    """Pair two machines: on the server without arguments, then on the other with the address and the code that are shown."""
    if listed:
        for title, book in (("client", keys.CLIENTS), ("server", keys.SERVERS)):
            for name, key in book.keys().items():
                out.print(f"{title} {name} {key}", soft_wrap=True)
    elif forget is not None:
        _forget(forget)
    elif server is None:
        _offer(port)
    else:
        place = server.removeprefix("tcp://")
        refuse_ipv6(place)
        host, _, number = place.partition(":")
        if number and not number.isdecimal():
            raise BridgeError(f"'{server}' is not an address.", "Give HOST or HOST:PORT.")
        if is_loopback(host):
            raise BridgeError("Programs of one machine need no pairing.", "Give the address of the other machine.")
        at = int(number or protocol.DEFAULT_PORT)
        found = pairing.ask(host, at, code or typer.prompt("Code"), socket.gethostname())
        out.print(f"paired with {found or host}; use it with: --server tcp://{host}:{at}", soft_wrap=True)


def _offer(port: int) -> None:
    mine = addresses()
    if not mine:
        raise BridgeError("This machine has no address that others could reach.", "Connect it to a network.")
    place = mine[0] if port == protocol.DEFAULT_PORT else f"{mine[0]}:{port}"
    with pairing.Offer(port) as offer:
        minutes = f"{pairing.GOOD_FOR / 60:.0f} minutes"
        out.print(f"On the other machine, within {minutes}: stemweave pair {place} {offer.code}", soft_wrap=True)
        if mine[1:]:
            err.print(f"(other addresses of this one: {', '.join(mine[1:])})", style="dim", soft_wrap=True)
        name = offer.wait()
    out.print(f"{name} was paired and may use the server at once: stemweave serve --host {mine[0]}", soft_wrap=True)


def _forget(name: str) -> None:
    if not keys.CLIENTS.drop(name):
        known = ", ".join(keys.CLIENTS.keys()) or "none"
        raise BridgeError(f"No client called {name} was paired.", f"Those that were: {known}.")
    out.print(f"{name} is let in no more; what it has open stays so until the server is started again", soft_wrap=True)
