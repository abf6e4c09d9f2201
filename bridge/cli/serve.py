"""`stemweave serve`."""

from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from bridge import logs, protocol
from bridge.cli.console import err
from bridge.jobs import QUOTA


def serve(
    host: Annotated[
        str,
        typer.Option(help="address to serve other machines at too, which have to be paired; 0.0.0.0: all there are"),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = protocol.DEFAULT_PORT,
    osc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="for OSC; 0 leaves it out")
    ] = protocol.DEFAULT_OSC_PORT,
    osc_host: Annotated[
        str, typer.Option(help="address to hear OSC of other machines at, which may ask and listen but name no files")
    ] = "127.0.0.1",
    osc_query: Annotated[
        bool,
        typer.Option(help="let programs list the OSC addresses (OSCQuery), and find them where --osc-host opens them"),
    ] = True,
    jobs: Annotated[
        Path | None,
        typer.Option(help="where jobs outlive the server; by default with the user's data, one folder a port"),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="what clients may name files in; repeatable; default: your home and this folder",
        ),
    ] = None,
    metrics: Annotated[
        int | None,
        typer.Option(min=1, max=65535, metavar="PORT", help="of HTTP on this machine, for Prometheus; default: none"),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(help="where jobs run: local, or ray (the cluster RAY_ADDRESS names, else one on this machine)"),
    ] = "local",
    device: Annotated[
        str, typer.Option(help="computes jobs that name no device: cpu, cuda, cuda:1, mps; see: stemweave doctor")
    ] = "cpu",
    log_json: Annotated[bool, typer.Option("--log-json", help="write the log as JSON, one object a line")] = False,
    quota: Annotated[
        float, typer.Option(min=0, help="gigabytes that finished jobs and uploaded audio may take")
    ] = QUOTA / 1e9,
) -> None:
    """Serve every task over ZeroMQ and OSC, until Ctrl-C."""
    from bridge.doors import EVERY_ADDRESS
    from bridge.server import Server

    if device != "cpu" and workers == "local":  # a cluster has others than this machine
        from engine.devices import check_device

        check_device(device)
    logs.write(log_json)
    spool = (jobs or platformdirs.user_data_path("stemweave") / "jobs" / str(port)).resolve()
    server = Server(
        host,
        port,
        osc_port or None,
        folder=spool,
        quota=int(quota * 1e9),
        folders=folder or (),
        metrics_port=metrics,
        workers=workers,
        osc_host=osc_host,
        advertise=osc_query,
        device=device,
    )
    server.stop_on_signals()
    err.print(f"stemweave serves at tcp://127.0.0.1:{port}" + (f", OSC at port {osc_port}" if osc_port else ""))
    for address in server.outside:
        err.print(f"and at {address} to machines that were paired with this one (stemweave pair)", soft_wrap=True)
    if host in EVERY_ADDRESS and not server.outside:
        err.print(
            "no network yet: machines that were paired are served as soon as there is one",
            style="yellow",
            soft_wrap=True,
        )
    for address in server.osc_outside:
        err.print(f"and OSC at {address} to other machines, which may ask and listen but name no files", soft_wrap=True)
    if moved := sorted({*server.query_ports} - {osc_port}):
        err.print(f"OSC addresses are listed at TCP port {', '.join(map(str, moved))} instead", soft_wrap=True)
    err.print(f"files only in {server.folders}", style="dim", soft_wrap=True)
    err.print("loading the engine ... (Ctrl-C stops the server)", style="dim")
    server.run(lambda: err.print(f"ready; models: {', '.join(server.worker.models) or 'none'}", style="green"))
    err.print("stopped", style="dim")
