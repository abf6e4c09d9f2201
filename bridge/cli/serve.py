"""`stemweave serve`."""

import logging
from typing import Annotated

import typer

from bridge import protocol
from bridge.cli.console import err


def serve(
    host: Annotated[str, typer.Option(help="address to listen on; only this machine's own for now")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = protocol.DEFAULT_PORT,
    osc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="for OSC; 0 leaves it out")
    ] = protocol.DEFAULT_OSC_PORT,
) -> None:
    """Serve separation over ZeroMQ, and OSC, until Ctrl-C."""
    from bridge.server import Server

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    server = Server(host, port, osc_port or None)
    server.stop_on_signals()
    err.print(f"stemweave serves at tcp://{host}:{port}" + (f", OSC at port {osc_port}" if osc_port else ""))
    err.print("loading the engine ... (Ctrl-C stops the server)", style="dim")
    server.run(lambda: err.print(f"ready; models: {', '.join(server.worker.models) or 'none'}", style="green"))
    err.print("stopped", style="dim")
