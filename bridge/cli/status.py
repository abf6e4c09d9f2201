"""`stemweave status`: what a running server does, once or as it goes on."""

import json
import time
from contextlib import suppress
from typing import Annotated

import typer
from msgspec.structs import asdict
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.cli.console import out, print_json
from bridge.client import ADDRESS, Client
from bridge.protocol import Report

EVERY = 1.0  # seconds


def status(
    server: Annotated[str, typer.Option(help="tcp://HOST:PORT")] = ADDRESS,
    watch: Annotated[bool, typer.Option("--watch", help="go on until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON; with --watch one line a second")] = False,
) -> None:
    """Show the jobs of a running server: what runs, what waits, what ended."""
    with Client(server) as client:
        if not watch:
            report = client.status()
            print_json(_document(report)) if as_json else out.print(_view(report))
            return
        with suppress(KeyboardInterrupt):
            _watch(client, as_json)


def _document(report: Report) -> dict:
    return asdict(report) | {"lines": [asdict(line) for line in report.lines]}


def _watch(client: Client, as_json: bool) -> None:
    if as_json:
        while True:
            print(json.dumps(_document(client.status())), flush=True)
            time.sleep(EVERY)
    with Live(_view(client.status()), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY)
            live.update(_view(client.status()), refresh=True)


def _view(report: Report) -> Group:
    hours, seconds = divmod(int(report.uptime), 3600)
    doing = "is being stopped" if report.closing else "ready" if report.worker else "loading the engine"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(report.jobs.items())) or "no jobs"
    title = Text(f"{doing}; up {hours}:{seconds // 60:02}:{seconds % 60:02}; {counts}")
    if not report.lines:
        return Group(title)
    table = Table("job", "state", "preset", "done", "audio", "client")
    for line in report.lines:
        done = f"{100 * line.fraction:.0f} %" if line.state in ("uploading", "running") else ""
        audio = f"{line.seconds:.1f} s" if line.seconds else ""
        words = line.job, line.state, line.preset, done, audio, "here" if line.here else "gone"
        table.add_row(*map(Text, words))
    return Group(title, table)
