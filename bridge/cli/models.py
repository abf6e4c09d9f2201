"""`stemweave models ...` and `stemweave presets ...`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli.console import err, out, print_json

models = typer.Typer(help="Models: what there is, and importing published checkpoints.", no_args_is_help=True)
presets = typer.Typer(help="Presets: named settings of a task.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="print as JSON")]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Models found in $STEMWEAVE_MODELS, the user's data folder and the package."""
    from engine.errors import ModelError
    from engine.models import list_models

    damaged: list[ModelError] = []
    cards = list_models(damaged)
    for error in damaged:
        err.print(f"{error.message} {error.hint}", style="yellow", soft_wrap=True, markup=False)
    if as_json:
        print_json(
            [
                {
                    "name": c.name,
                    "folder": c.folder,
                    "sources": c.spec.sources,
                    "sample_rate": c.spec.sample_rate,
                    "about": c.about,
                }
                for c in cards
            ]
        )
        return
    table = Table("name", "sources", "rate", "what")
    for card in cards:
        table.add_row(
            card.name, " ".join(card.spec.sources), f"{card.spec.sample_rate} Hz", str(card.about.get("title", ""))
        )
    out.print(table)


@models.command("import")
def import_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="a Lightning checkpoint of MSDM's authors (.ckpt)")],
    name: Annotated[str | None, typer.Option(help="of the model here; by default the file's")] = None,
    sources: Annotated[str | None, typer.Option(help="for a single-source network: which source it is")] = None,
) -> None:
    """Convert a published checkpoint into a model folder. Nothing that is pickled in the file is run."""
    from engine.checkpoint_import import import_msdm_checkpoint
    from engine.models import user_models

    chosen = tuple(sources.split(",")) if sources else None
    with err.status("reading, checking and converting"):
        folder = import_msdm_checkpoint(checkpoint, user_models(), name, chosen)
    out.print(f"{folder.name}: {folder}", soft_wrap=True)


@models.command("combine")
def combine(
    name: Annotated[str, typer.Argument(help="of the new model")],
    parts: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="models of one source each, by name or folder")
    ],
) -> None:
    """Put single-source models side by side as one, as MSDM's weakly supervised separators are."""
    from engine.cards import read_card
    from engine.models import combine_models, find_model, user_models

    folder = combine_models([read_card(find_model(part)) for part in parts], user_models() / name)
    out.print(f"{folder.name}: {folder}", soft_wrap=True)


@presets.command("list")
def list_presets(as_json: AsJson = False) -> None:
    """All presets, by name."""
    from engine.presets import list_presets

    found = list_presets()
    if as_json:
        print_json([preset.as_dict() for preset in found])
        return
    table = Table("name", "task", "likelihood", "steps", "calls", "what")
    for preset in found:
        table.add_row(preset.name, preset.task, preset.likelihood, str(preset.steps), str(preset.calls), preset.title)
    out.print(table)


@presets.command("show")
def show_preset(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """Every setting of one preset."""
    from engine.presets import load_preset

    settings = load_preset(name).as_dict()
    if as_json:
        print_json(settings)
        return
    table = Table("key", "value")
    for key, value in settings.items():
        table.add_row(key, str(value))
    out.print(table)
