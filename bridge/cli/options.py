"""Options that several commands share, and what is made of them."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.client import ADDRESS
from engine.errors import PresetError

Server = Annotated[
    str | None,
    typer.Option(help=f"tcp://HOST:PORT, or 'none' to work in this process; by default {ADDRESS} if one answers there"),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="folder for the stems; made if it is not there")]
PresetName = Annotated[str, typer.Option(help="by name, or a .toml file; see: stemweave presets list")]
ModelName = Annotated[str | None, typer.Option(help="by name or folder; see: stemweave models list")]
Steps = Annotated[int | None, typer.Option(help="sampler steps")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="the same seed gives the same stems")]
Backend = Annotated[str | None, typer.Option(help="what runs the model, 'auto' for the fastest; see: stemweave doctor")]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:1, mps; if nothing is said the server's, else cpu; see: stemweave doctor"),
]
Prompt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]TEXT", help="what a source is, in words, for models that understand them; may be repeated"
    ),
]
MixturePrompt = Annotated[str | None, typer.Option(help="what all sources together are, in words")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace stems that are in the folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print what was written as JSON")]


def overrides_of(**chosen: Any) -> dict[str, Any]:
    """Those that were set; a model given by its folder from the root, for a server works in another folder than the user."""
    from engine.cards import CARD

    model = chosen.get("model")
    if model and (Path(model) / CARD).is_file():
        chosen["model"] = str(Path(model).resolve())
    return {key: value for key, value in chosen.items() if value is not None}


def prompts_of(given: list[str] | None, whole: str | None) -> dict[str, Any]:
    """Fields of a Request from [NAME=]TEXT and the words for the mixture; a prompt without a name gives its source its own."""
    prompts: dict[str, str] = {}
    for told in given or []:
        name, equals, text = told.partition("=")
        if not equals:
            name, text = "-".join(re.findall(r"\w+", told.lower()))[:40], told
        if name in prompts:
            raise PresetError(f"There are two prompts for '{name}'.", "Tell them apart: --prompt NAME=TEXT.")
        prompts[name] = text
    return {"prompts": prompts, "mixture_prompt": whole or ""}
