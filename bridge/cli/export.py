"""`stemweave export`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli.console import err, out, print_json


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the files; made if it is not there")],
    format: Annotated[str, typer.Option(help="onnx, torchscript or aoti (needs a C++ compiler)")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or bf16 (not for onnx)")] = "fp32",
    model: Annotated[str, typer.Option(help="by name or folder; see: stemweave models list")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Write a model's network for other programs, read it back and compare it with torch. Any batch, any length."""
    from engine.cards import read_card
    from engine.export import LOSS, export
    from engine.models import find_model

    card = read_card(find_model(model))
    with err.status(f"exporting '{card.name}'"):
        report = export(card, format, precision, output)
    if as_json:
        about = {key: value for key, value in report.about.items() if key not in ("mean_power", "band_widths")}
        print_json(asdict(report) | {"about": about})  # without what only programs read, in thousands of lines
        return
    table = Table("compared with torch", "found", "at most", title=f"'{card.name}' as {format}, {precision}")
    for shape, error in report.errors.items():
        table.add_row(f"relative error, x of {shape}", f"{error:.1e}", f"{report.tolerance:.0e}")
    table.add_row("difference of the denoised stems", f"-{report.stems_db:.0f} dB", "")
    table.add_row("what the worst of them loses", f"{report.loss_db:+.3f} dB", f"{LOSS} dB")
    out.print(table)
    for path in report.files:
        out.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", soft_wrap=True)
