"""`stemweave evaluate-generation`, `-accompaniments` and `-prompts`: what is made, measured where there is no one right answer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli.console import interrupt_flag, out, print_json, progress_bar

Tracks = Annotated[Path, typer.Option(help="folder of TrackXXXXX, which the model never saw")]
Model = Annotated[str | None, typer.Option(help="by name or folder")]
Steps = Annotated[int | None, typer.Option(help="sampler steps")]
AsJson = Annotated[bool, typer.Option("--json", help="print as JSON")]


def evaluate_accompaniments(
    tracks: Tracks,
    preset: Annotated[str, typer.Option(help="accompany, or one of your own of this task")] = "accompany",
    model: Model = None,
    steps: Steps = None,
    limit: Annotated[int, typer.Option(min=2, help="at most so many tracks")] = 10,
    seconds: Annotated[float, typer.Option(min=2.0, help="only the beginning of each track")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Whether stems made to play along do: onsets and notes in common with the given tracks, beside those of other songs' stems."""
    from engine.evaluation.accompaniments import evaluate_accompaniments
    from engine.models import load_model
    from engine.presets import load_preset

    settings = load_preset(preset, model=model, steps=steps)
    loaded = load_model(settings.model, settings.device, settings.backend)
    with progress_bar("accompanying") as progress:
        rows = evaluate_accompaniments(
            loaded, tracks, settings, limit=limit, seconds=seconds, on_track=lambda done, of: progress(done / of)
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table("source", "agreement in", "made", "own stem", "other songs'", "gain over those", "songs")
    for row in rows:
        scores = (f"{value:.2f}" for value in (row.made, row.own, row.other))
        table.add_row(row.source, row.measure, *scores, f"{row.gain:+.2f} +-{row.interval:.2f}", str(row.songs))
    out.print(table)


def evaluate_generation(
    tracks: Tracks,
    model: Model = None,
    steps: Steps = None,
    accompany: Annotated[str, typer.Option(help="preset that makes some of the sources")] = "accompany",
    generate: Annotated[str, typer.Option(help="preset that makes all of them")] = "generate",
    embedder: Annotated[
        str, typer.Option(help="mel (timbre), chroma (harmony), or passt where it is installed")
    ] = "mel",
    limit: Annotated[int, typer.Option(min=2, help="at most so many tracks")] = 10,
    seconds: Annotated[float, typer.Option(min=2.0, help="only the beginning of each track")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Sub-FAD: how far mixtures are from true ones when some of their sources, or all, were made, beside other songs' and silence.

    Every subset of the sources is made to go with the others. Distances compare within one table only: papers use other embedders.
    """
    from engine.evaluation.generation import evaluate_generation
    from engine.models import load_model
    from engine.presets import load_preset

    some, whole = (load_preset(name, model=model, steps=steps, embedder=embedder) for name in (accompany, generate))
    loaded = load_model(some.model, some.device, some.backend)
    with progress_bar("generating") as progress, interrupt_flag() as cancelled:
        rows = evaluate_generation(
            loaded, tracks, some, whole,
            embedder=embedder, limit=limit, seconds=seconds, on_progress=progress, cancelled=cancelled,
        )  # fmt: skip
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    title = (
        f"Frechet distance to the true mixtures of {rows[0].songs} songs ({embedder}: compares within this table only)"
    )
    table = Table("made, the rest given", "made", "other songs'", "silence", "ahead of other songs'", title=title)
    for row in rows:
        scores = (f"{value:.3f}" for value in (row.made, row.other, row.silence))
        table.add_row(" ".join(row.sources), *scores, f"{row.ahead:+.3f} +-{row.interval:.3f}")
    out.print(table)


def evaluate_prompts(
    stems: Annotated[Path, typer.Option(help="folder of TrackXXXXX to train the classifier on")],
    tracks: Tracks,
    model: Annotated[str, typer.Option(help="one that understands prompts, by name or folder")],
    preset: Annotated[str, typer.Option(help="generate, or one of your own of this task")] = "generate",
    steps: Steps = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often each prompt is made")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="try the classifier on at most so many tracks")] = None,
    as_json: AsJson = False,
) -> None:
    """Whether a prompt makes the source it speaks of, alone and in a band, by a small classifier trained on stems."""
    from engine.evaluation.prompts import evaluate_prompts, total
    from engine.models import load_model
    from engine.presets import load_preset

    settings = load_preset(preset, model=model, steps=steps)
    loaded = load_model(settings.model, settings.device, settings.backend)
    with progress_bar("prompting") as progress:
        rows = evaluate_prompts(
            loaded, stems, tracks, settings, rounds=rounds, limit=limit, on_clip=lambda done, of: progress(done / of)
        )
    if as_json:
        print_json(
            [
                {
                    "how": row.how,
                    "source": row.source,
                    "share": row.share,
                    "interval_95": row.interval,
                    "heard": row.heard,
                }
                for row in rows
            ]
        )
        return
    table = Table("what", "source", "clips", "called so", "95 % interval", "called")
    for row in rows:
        low, high = row.interval
        heard = ", ".join(f"{name or 'silence'} {count}" for name, count in row.heard.most_common())
        table.add_row(
            row.how, row.source, str(row.heard.total()), f"{row.share:.0%}", f"{low:.0%} to {high:.0%}", heard
        )
    out.print(table)
    for how in dict.fromkeys(row.how for row in rows):
        share, (low, high) = total(rows, how)
        out.print(f"{how}, all: {share:.0%} ({low:.0%} to {high:.0%})", soft_wrap=True)


def figures(
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for TASK.png")],
    stems: Annotated[
        list[str] | None, typer.Argument(metavar="STEMS...", help="of a song; without them the demo")
    ] = None,
    model: Model = None,
    steps: Annotated[int, typer.Option(min=1, help="sampler steps, at most")] = 8,
) -> None:
    """A small picture of every task: what is given, what comes back. For the README."""
    from bridge.files import read_parts, stem_paths
    from engine.audio import Song
    from engine.evaluation.figures import draw_tasks
    from engine.models import DEFAULT, load_model
    from presets import DEMO

    rate, parts = read_parts(stem_paths(stems or [str(DEMO)]))
    loaded = load_model(model or DEFAULT)
    audio = {name: part.samples() if isinstance(part, Song) else part for name, part in parts}
    mono = {name: samples.mean(0, keepdims=True) for name, samples in audio.items()}
    with progress_bar("drawing") as progress:
        for path in draw_tasks(output, loaded, mono, rate, steps, lambda done, of: progress(done / of)):
            out.print(str(path))
