"""`stemweave doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bridge import protocol
from bridge.cli.console import out, print_json

STYLE = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    port: Annotated[int, typer.Option(min=1, max=65535, help="of the server to look for")] = protocol.DEFAULT_PORT,
    osc_port: Annotated[int, typer.Option(min=1, max=65535, help="the server's, for OSC")] = protocol.DEFAULT_OSC_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Versions, devices, back ends, models, the server's ports and sound: what is well, and what to do where it is not."""
    from bridge.doctor import examine, verdict

    findings = examine(port, osc_port)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table("check", "", "found", "what to do")
        for finding in findings:
            table.add_row(finding.check, Text(finding.outcome, STYLE[finding.outcome]), finding.found, finding.remedy)
        out.print(table)
    raise typer.Exit(verdict(findings))
