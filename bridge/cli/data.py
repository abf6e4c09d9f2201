"""`stemweave data`, `train`, `evaluate`, `evaluate-gaps`, `posteriors` and `bench`: making models and measuring them."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bridge.cli.console import err, out, print_json, progress_bar
from engine.errors import PresetError

if TYPE_CHECKING:  # the engine is heavy, and loaded by the commands that need it
    from engine.evaluation import Report

data = typer.Typer(help="Data: compose and render songs with their stems.", no_args_is_help=True)
FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


@data.command("render")
def render(
    folder: Annotated[Path, typer.Argument(help="where TrackXXXXX folders go")],
    split: Annotated[str, typer.Option(help="train, validation, heldout or demo: no song is in two of them")] = "train",
    songs: Annotated[int, typer.Option(min=1)] = 100,
    seconds: Annotated[float, typer.Option(min=1.0, help="of each song")] = 24.0,
    font: Annotated[
        list[Path] | None,
        typer.Option(
            help="sound font, .sf2 or .sf3; repeat it, and the first that has an instrument plays it",
            show_default=FONT.name,
        ),
    ] = None,
    rate: Annotated[int, typer.Option(min=8000, max=192000, help="Hz")] = 44100,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    first: Annotated[int, typer.Option(min=0, help="number of the first song")] = 0,
) -> None:
    """Compose songs and render their stems through FluidSynth. Tracks that are there already are left as they are."""
    from engine.data.dataset import render_dataset

    with progress_bar(f"rendering {split}") as progress:
        render_dataset(
            folder,
            split,
            songs,
            seconds,
            font or [FONT],
            rate,
            jobs,
            first,
            lambda done, of: progress(done / max(1, of)),
        )
    out.print(f"{songs} tracks in {folder}", soft_wrap=True)


@data.command("font")
def font(
    file: Annotated[Path, typer.Argument(help="the sound font to make, .sf2")],
    instruments: Annotated[
        list[str],
        typer.Argument(
            help="FOLDER=PROGRAMS: of recordings named by their keys, such as A3.wav or Cs4.mp3, and what plays them"
        ),
    ],
) -> None:
    """Make a sound font of recordings of single notes: stemweave data font piano.sf2 grand/=0,1,3"""
    from engine.data.recorded import Instrument, make_font

    parsed = []
    for text in instruments:
        folder, _, programs = text.rpartition("=")
        numbers = programs.split(",")
        if not folder or not all(number.isdecimal() and int(number) < 128 for number in numbers):
            raise typer.BadParameter(
                f"'{text}' is not of the form FOLDER=PROGRAMS, such as grand/=0,1,3 (General MIDI, 0-127)"
            )
        parsed.append(Instrument(Path(folder), tuple(map(int, numbers))))
    make_font(file, parsed)
    out.print(f"{file}", soft_wrap=True)


@data.command("in-common")
def in_common(
    font: Annotated[Path, typer.Argument(help="sound font, .sf2")],
    other: Annotated[Path, typer.Argument(help="another")],
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Which recordings of a sound font another has as well: what a model learnt from one is then not foreign to the other."""
    from engine.data.fonts import in_common

    shared, of = in_common(font, other)
    if json_:
        print_json({"shared": shared, "of": of})
    else:
        out.print(f"{other.name} has {len(shared)} of the {of} recordings in {font.name}", soft_wrap=True)


def train(
    config: Annotated[Path, typer.Argument(help="TOML; see presets/training/default.toml")],
    run: Annotated[Path, typer.Option(help="folder of the run: checkpoint, curves, model")],
) -> None:
    """Train a model, or go on with a run that was stopped. Ctrl-C loses at most the steps since the last checkpoint."""
    from engine.training import train

    first = os.environ.get("RANK", "0") == "0"  # of the processes torch's launcher started, which all come here
    with progress_bar("training", first) as progress:

        def step(state: dict) -> None:
            progress(state["step"] / state["steps"])
            if state["step"] % 10 == 0:
                err.print(f"step {state['step']}/{state['steps']} loss {state['loss']:.4f}")

        try:
            folder = train(config, run, step)
        except KeyboardInterrupt:
            if first:
                err.print("Stopped. The same command goes on from the last checkpoint.")
            raise
    if first:
        out.print(f"model: {folder}", soft_wrap=True)


def evaluate(
    tracks: Annotated[Path, typer.Option(help="folder of TrackXXXXX: Slakh2100's, or what `data render` made")],
    model: Annotated[str | None, typer.Option(help="by name or folder")] = None,
    preset: Annotated[str, typer.Option()] = "separate",
    likelihood: Annotated[str | None, typer.Option()] = None,
    steps: Annotated[list[int] | None, typer.Option(help="repeat it for a curve of quality against steps")] = None,
    resamples: Annotated[int | None, typer.Option(help="1: without correction")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many tracks")] = None,
    seconds: Annotated[float | None, typer.Option(min=1.0, help="only the beginning of each track")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="also write the report here")] = None,
    plot: Annotated[Path | None, typer.Option(help="also draw it here, a .png or .svg")] = None,
) -> None:
    """SI-SDR improvement by the protocol of MSDM's authors, with and without windows whose target is silent."""
    from engine.evaluation import evaluate
    from engine.evaluation.plots import draw_reports
    from engine.models import load_model
    from engine.presets import load_preset

    counts: list[int | None] = [*steps] if steps else [None]
    settings = [
        load_preset(preset, model=model, likelihood=likelihood, steps=count, resamples=resamples) for count in counts
    ]
    for path in filter(None, (as_json, plot)):
        open(path, "a").close()  # an evaluation may take hours: what cannot be written shall fail before them
    loaded = load_model(settings[0].model, settings[0].device, settings[0].backend)
    reports: list[Report] = []
    with progress_bar("evaluating") as progress:

        def on_track(done: int, of: int) -> None:
            progress((len(reports) + done / of) / len(settings))

        for chosen in settings:
            reports.append(evaluate(loaded, tracks, chosen, limit=limit, seconds=seconds, on_track=on_track))
    summaries = [report.as_dict() for report in reports]
    out.print(_report(reports[0]) if len(reports) == 1 else _curve(reports))
    out.print(
        f"{summaries[0]['tracks']} tracks, {summaries[0]['windows']} windows (intervals are over tracks, silent targets left out)"
        + (f", real-time factor {summaries[0]['real_time_factor']}" if len(reports) == 1 else ""),
        soft_wrap=True,
    )
    if as_json:
        as_json.write_text(json.dumps(summaries if len(summaries) > 1 else summaries[0], indent=1))
    if plot:
        draw_reports(plot, reports)


def _report(report: "Report") -> Table:
    summary = report.as_dict()
    title = f"{report.settings['name']}: {report.calls} network calls"
    table = Table("SI-SDR improvement, dB", *report.sources, "all", title=title)
    for name, row in summary["si_sdr_improvement_db"].items():
        table.add_row(name.replace("_", " "), *(f"{value:.2f}" for value in row.values()))
    table.add_row("95 % interval", *(f"+-{value:.2f}" for value in summary["interval_95_db"].values()))
    return table


def _curve(reports: "list[Report]") -> Table:
    """A row a number of steps, each beside the last one on the same tracks."""
    table = Table("calls", *reports[0].sources, "all", "over the last row", "seconds a second")
    for report in reports:
        ahead, width = report.over(reports[-1])
        values = [report.improvement(source, with_silent=False) for source in report.sources]
        table.add_row(
            str(report.calls),
            *(f"{value:.2f}" for value in [*values, report.mean(with_silent=False)]),
            "" if report is reports[-1] else f"{ahead:+.2f} +-{width:.2f}",
            f"{report.real_time_factor:.2f}",
        )
    return table


def evaluate_gaps(
    tracks: Annotated[Path, typer.Option(help="folder of TrackXXXXX")],
    preset: Annotated[str, typer.Option(help="infill or continue, or one of your own of these tasks")] = "infill",
    model: Annotated[str | None, typer.Option(help="by name or folder")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many tracks")] = 10,
    steps: Annotated[int | None, typer.Option()] = None,
    seconds: Annotated[float, typer.Option(min=4.0, help="only the beginning of each track; 2 of them are made")] = 8.0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Infill or continuation, measured inside the gap and at its seams, beside silence, a crossfade and plain replacement."""
    from dataclasses import asdict

    from engine.evaluation.gaps import evaluate_gaps
    from engine.models import load_model
    from engine.presets import load_preset

    settings = load_preset(preset, model=model, steps=steps)
    with progress_bar(preset) as progress:
        loaded = load_model(settings.model, settings.device, settings.backend)
        rows = evaluate_gaps(
            loaded, tracks, settings, limit=limit, seconds=seconds, on_track=lambda done, of: progress(done / of)
        )
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("mel distance in the gap, dB", "farther by", "step at the seams (1: the music's own)", "rougher by")
    table = Table("gap made by", *columns, title=f"{rows[0].songs} songs")
    for row in rows:
        behind = (row.mel_behind, row.seam_behind) if row is not rows[0] else (None, None)
        cells = [
            f"{value[0]:.2f} +-{value[1]:.2f}" if value else "" for value in (row.mel, behind[0], row.seam, behind[1])
        ]
        table.add_row(row.method, *cells)
    out.print(table)


def posteriors(
    observations: Annotated[int, typer.Option(min=1, help="things seen, to average over")] = 8,
    samples: Annotated[int, typer.Option(min=10, help="drawn for each")] = 200,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """How far each likelihood's samples are from posteriors known in closed form: bias, variance and distance (0 is exact)."""
    from dataclasses import asdict

    from engine.evaluation.posteriors import infill_table, separation_table

    with err.status("sampling"):
        rows = [*separation_table(samples), *infill_table(observations, samples)]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table("prior", "likelihood", "bias (1 = posterior's deviation)", "variance (1 = posterior's)", "distance")
    for row in rows:
        table.add_row(row.prior, row.method, f"{row.bias:.3f}", f"{row.variance:.3f}", f"{row.distance:.3f}")
    out.print(table)


SUITES = {
    "separate": {
        "preset": "preset", "back end": "backend", "steps": "steps", "calls": "calls",
        "real-time factor (median)": "real_time_factor", "times one call": "ratio",
    },
    "denoiser": {
        "device": "device", "back end": "backend", "": "found", "ms": "milliseconds", "x eager torch": "ratio",
        "network alone": "network_ratio", "of ceiling": "ceiling",
        "calls agree, dB": "agreement_db", "stems agree, dB": "stems_db", "stems lose, dB": "loss_db",
    },
    "bridge": {"what": "what", "found": "value", "unit": "unit", "beside": "beside", "ratio": "ratio", "aim": "aim", "met": "met"},
    "scale": {
        "minutes": "minutes", "batch": "batch", "back end": "backend", "s a second of song": "wall",
        "of the processor": "processor", "x the first": "ratio", "first stems after, s": "first_stem",
        "largest memory, MB": "peak_mb",
    },
    "guidance": {"way": "way", "ms": "milliseconds", "x autograd": "ratio", "relative error": "error"},
    "gpu": {
        "device": "device", "way": "way", "precision": "precision", "": "found", "ms": "milliseconds", "of ceiling": "ceiling",
        "x eager fp32, or theirs": "ratio", "calls agree, dB": "agreement_db",
    },
    "peers": {
        "way": "way", "": "found", "ms a chunk and call": "milliseconds", "calls agree, dB": "agreement_db", "s a song": "seconds",
        "real-time factor": "real_time_factor", "x the first of its kind": "ratio",
    },
}  # fmt: skip
"""What `bench` measures, and the columns of its tables: heading to key of a row."""


def bench(
    suite: Annotated[
        str, typer.Argument(help="separate, denoiser (by back end), guidance, scale, bridge, peers or gpu")
    ] = "separate",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    model: Annotated[str, typer.Option(help="by name or folder; of the suites denoiser, guidance, scale and peers")] = "default",
    minutes: Annotated[list[float] | None, typer.Option(min=0.01, help="lengths of the suite scale")] = None,
) -> None:  # fmt: skip
    """How fast it is here, rounds taking turns: `separate`, seconds of work a second of the demo song costs (below 1 is faster than
    real time); `denoiser`, one network call by every back end, against torch and against the largest matrix product; `guidance`,
    its gradient by autograd and by a graph; `scale`, time and memory of whole songs of several lengths (an hour among them) and
    batches; `bridge`, what the way to a server and back costs beside bare pyzmq, and how it treats 64 clients; `peers`, the paper's
    network and sampler by their package, beside ours, and the demo song by Demucs, by Open-Unmix and by ours; `gpu`, the paper's
    network in its full size, every way and precision a GPU has, and a small one on the processor where there is none."""
    from bridge.bench.rates import bench_bridge
    from bridge.bench.scale import MINUTES, bench_scale
    from engine.bench.authors import bench_peers
    from engine.bench.denoiser import bench_denoiser
    from engine.bench.gpu import bench_gpu
    from engine.bench.guidance import bench_guidance
    from engine.bench.separation import bench_separate
    from engine.bench.separators import bench_separators

    if suite not in SUITES:
        raise PresetError(f"There is no suite called '{suite}'.", f"Suites: {', '.join(SUITES)}.")
    with err.status("measuring"):
        if suite == "denoiser":
            rows = bench_denoiser(model, rounds)
        elif suite == "guidance":
            rows = bench_guidance(model, rounds)
        elif suite == "scale":
            rows = [_told(row, SUITES[suite]) for row in bench_scale(model, minutes or MINUTES)]
        elif suite == "peers":
            rows = bench_peers(rounds) + bench_separators(rounds, model)
        else:
            rows = {"separate": bench_separate, "bridge": bench_bridge, "gpu": bench_gpu}[suite](rounds)
    if as_json:
        print_json(rows)
        return
    table = Table(*SUITES[suite])
    for row in rows:
        table.add_row(*(_shown(row.get(key)) for key in SUITES[suite].values()))
    out.print(table)


def _told(row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """The row, said on stderr as soon as it is there: of an hour of song the next one takes minutes."""
    err.print(", ".join(f"{heading} {_shown(row.get(key))}" for heading, key in columns.items()), soft_wrap=True)
    return row


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 20 else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no minus before nothing
