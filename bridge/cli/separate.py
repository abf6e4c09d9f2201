"""`stemweave separate` and the demo."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli import results
from bridge.client import ADDRESS
from bridge.files import prepare, read_parts, stem_paths
from bridge.play import check_stem, play
from engine.audio import open_audio, read_audio
from engine.errors import PresetError
from engine.recipe import recipe_of
from engine.request import MIXTURE, RESIDUAL, Request

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


def separate(
    song: Annotated[Path, typer.Argument(help="audio file: WAV, AIFF, FLAC, OGG or MP3, mono or stereo, 8 to 192 kHz")],
    output: Output,
    preset: PresetName = "separate",
    known: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="a stem of the song that you have already; may be repeated"),
    ] = None,
    want: Annotated[
        list[str] | None,
        typer.Option(
            help="a stem to write, all others stay in residual.wav; may be repeated. By default all are written"
        ),
    ] = None,
    model: ModelName = None,
    likelihood: Annotated[str | None, typer.Option(help="conditional, dirac, gaussian or gaussian-textbook")] = None,
    steps: Steps = None,
    seed: Seed = None,
    backend: Backend = None,
    device: Device = None,
    prompt: Prompt = None,
    mixture_prompt: MixturePrompt = None,
    server: Server = None,
    play_stem: Annotated[
        str | None, typer.Option("--play", metavar="STEM", help="play this stem when it is done")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Separate a song into stems: by a running server, else in this process."""
    overrides = results.overrides_of(
        model=model, likelihood=likelihood, steps=steps, seed=seed, backend=backend, device=device
    )
    paths = {role: path.resolve() for role, path in ({MIXTURE: song} | stem_paths(known or [])).items()}
    for _ in open_audio(song).blocks():  # its faults come first, whatever else is wrong
        pass
    settings, card = checked(preset, overrides)
    from engine.prompting import told_card
    from engine.tasks import check

    rate, parts = read_parts(paths)
    request = Request.of(rate, parts, wanted=tuple(want or ()), **prompts_of(prompt, mixture_prompt))
    spec = told_card(card, request).spec
    check(settings, spec, request)
    names = [*(request.wanted or spec.sources), RESIDUAL]
    if play_stem:
        check_stem(play_stem, names)
    prepare(output)
    results.spare(list(paths.values()), output, names, overwrite)
    server = results.found(server)
    settings, overrides = results.with_backend(settings, card, overrides, server)
    stretches = results.only(request.wanted, results.run(request, preset, overrides, server, "separating", output))
    recipe = recipe_of(request, paths, settings.as_dict(), card.name, card.digest())
    written = results.write(output, stretches, request, recipe, list(paths.values()), overwrite, as_json)
    if play_stem:
        play(read_audio(written[play_stem]).samples, rate)


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


def checked(preset: str, overrides: dict[str, Any]) -> tuple[Any, Any]:
    """The preset with its overrides and the card of its model, all of it checked before anything is read or made."""
    from engine.cards import read_card
    from engine.models import find_model
    from engine.presets import load_preset
    from engine.tasks import check

    settings = load_preset(preset, **overrides)
    card = read_card(find_model(settings.model))
    check(settings, card.spec)
    return settings, card


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the results")] = Path("demo-output"),
) -> None:
    """Separate the demo song through a real server, and measure it against its true stems."""
    from bridge.demo import run_demo

    run_demo(output)
