"""`stemweave doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from bridge import protocol
from bridge.cli.console import out, print_json

STYLE = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    port: Annotated[int, typer.Option(min=1, max=65535, help="of the server to look for")] = protocol.DEFAULT_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Versions, devices, back ends, models, the server's port and sound: what is well, and what to do where it is not."""
    from bridge.doctor import examine, verdict

    findings = examine(port)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table("check", "", "found", "what to do")
        for finding in findings:
            table.add_row(finding.check, f"[{STYLE[finding.outcome]}]{finding.outcome}", finding.found, finding.remedy)
        out.print(table)
    raise typer.Exit(verdict(findings))
