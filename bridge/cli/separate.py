"""`stemweave separate` and the demo."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bridge.cli.console import err, interrupt_flag, out, print_json, progress_bar
from bridge.client import ADDRESS, Client, find_server
from bridge.play import check_stem, play
from engine.audio import read_audio, write_audio
from engine.errors import ResourceError


def separate(
    song: Annotated[Path, typer.Argument(help="audio file: WAV, AIFF, FLAC, OGG or MP3, mono or stereo, 8 to 192 kHz")],
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the stems; made if it is not there")],
    preset: Annotated[str, typer.Option(help="see: stemweave presets list")] = "separate",
    model: Annotated[str | None, typer.Option(help="see: stemweave models list")] = None,
    likelihood: Annotated[str | None, typer.Option(help="conditional, dirac, gaussian or gaussian-textbook")] = None,
    steps: Annotated[int | None, typer.Option(help="sampler steps")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="the same seed gives the same stems")] = None,
    backend: Annotated[str | None, typer.Option(help="what runs the model; see: stemweave doctor")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps")] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help=f"tcp://HOST:PORT, or 'none' to work in this process; by default {ADDRESS} if one answers there"
        ),
    ] = None,
    play_stem: Annotated[
        str | None, typer.Option("--play", metavar="STEM", help="play this stem when it is done")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace stems that are in the folder")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print what was written as JSON")] = False,
) -> None:
    """Separate a song into stems: by a running server, else in this process."""
    chosen = {
        "model": _whole_path(model),
        "likelihood": likelihood,
        "steps": steps,
        "seed": seed,
        "backend": backend,
        "device": device,
    }
    overrides = {key: value for key, value in chosen.items() if value is not None}
    audio = read_audio(song)
    names = _names_of(preset, overrides)
    if play_stem:
        check_stem(play_stem, names)
    _prepare(output)
    _spare(song, output, names, overwrite)
    stems = _run(audio.samples, audio.sample_rate, preset, overrides, server)
    _spare(
        song, output, list(stems), overwrite
    )  # a server may have another model under the same name, with other sources
    paths = {name: write_audio(output / f"{name}.wav", stem, audio.sample_rate) for name, stem in stems.items()}
    if as_json:
        print_json({"stems": paths, "sample_rate": audio.sample_rate, "frames": audio.samples.shape[1]})
    else:
        for path in paths.values():
            out.print(str(path), soft_wrap=True)
    if play_stem:
        play(stems[play_stem], audio.sample_rate)


def _whole_path(model: str | None) -> str | None:
    """A model given by its folder: from the root, for a server works in another folder than the user."""
    from engine.cards import CARD

    return str(Path(model).resolve()) if model and (Path(model) / CARD).is_file() else model


def _names_of(preset: str, overrides: dict[str, Any]) -> list[str]:
    """Stems a preset will write, all of its settings checked on the way."""
    from engine.cards import read_card
    from engine.models import find_model
    from engine.pipeline import RESIDUAL
    from engine.presets import load_preset
    from engine.tasks import check

    settings = load_preset(preset, **overrides)
    spec = read_card(find_model(settings.model)).spec
    check(settings, spec)
    return [*spec.sources, RESIDUAL]


def _prepare(folder: Path) -> None:
    """Make the folder and see that it can be written, before any work is done."""
    if folder.exists() and not folder.is_dir():
        raise ResourceError(f"{folder} is a file, not a folder for stems.", "Choose another folder with -o.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".stemweave-probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ResourceError(f"Cannot write in {folder}: {error.strerror}.", "Choose another folder with -o.") from error


def _spare(song: Path, folder: Path, names: list[str], overwrite: bool) -> None:
    """Nothing the user has is replaced unasked; the song itself never is."""
    places = [folder / f"{name}.wav" for name in names]
    if any(place.exists() and place.samefile(song) for place in places):
        raise ResourceError(
            f"A stem called {song.name} would replace the song itself.", "Choose another folder with -o."
        )
    there = [place.name for place in places if place.exists()]
    if there and not overwrite:
        raise ResourceError(
            f"{folder} already holds {', '.join(there)}.", "Choose another folder, or add --overwrite to replace them."
        )


def _run(
    samples: np.ndarray, rate: int, preset: str, overrides: dict[str, Any], server: str | None
) -> dict[str, np.ndarray]:
    """On the server that is named; where none is, on the one that answers at the usual address, else here."""
    with progress_bar("separating") as progress, interrupt_flag() as cancelled:
        if server is None:
            server = ADDRESS if find_server(ADDRESS) else "none"
        if server != "none":
            err.print(f"by the server at {server}", style="dim")
            with Client(server) as client:
                return client.separate(samples, rate, preset, overrides, on_progress=progress, cancelled=cancelled)
        from engine.models import load_model
        from engine.pipeline import separate as run
        from engine.presets import load_preset

        settings = load_preset(preset, **overrides)
        model = load_model(settings.model, settings.device, settings.backend)
        return run(model, samples, rate, settings, on_progress=progress, cancelled=cancelled)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for the results")] = Path("demo-output"),
) -> None:
    """Separate the demo song through a real server, and measure it against its true stems."""
    from bridge.demo import run_demo

    run_demo(output)
