"""`stemweave separate` and the demo."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.making import make
from bridge.cli.options import (
    AsJson,
    Backend,
    Device,
    MixturePrompt,
    ModelName,
    Output,
    Overwrite,
    PresetName,
    Prompt,
    Seed,
    Server,
    Steps,
    overrides_of,
    prompts_of,
)  # fmt: skip
from bridge.files import stem_paths
from engine.audio import open_audio
from engine.request import MIXTURE


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
    overrides = overrides_of(model=model, likelihood=likelihood, steps=steps, seed=seed, backend=backend, device=device)
    paths = {MIXTURE: song} | stem_paths(known or [])
    for _ in open_audio(song).blocks():  # its faults come first, whatever else is wrong
        pass
    request = {"wanted": tuple(want or ())} | prompts_of(prompt, mixture_prompt)
    make(paths, request, preset, overrides, output, server, overwrite, as_json, play_stem)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the results")] = Path("demo-output"),
) -> None:
    """Separate the demo song through a real server, and measure it against its true stems."""
    from bridge.demo import run_demo

    run_demo(output)
