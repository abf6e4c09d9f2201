"""What `make demo` runs: the demo song through a real server over the wire, measured against its true stems."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
from rich.table import Table

from bridge.cli.console import err, out, progress_bar
from bridge.client import Client, find_server
from bridge.errors import BridgeError
from bridge.files import prepare
from bridge.ports import free_port
from engine.audio import read_audio, write_audio
from engine.errors import AudioError, ResourceError
from engine.request import RESIDUAL

SONG, PICTURE = "mixture.wav", "spectrograms.png"
PATIENCE = 120.0  # seconds a server may take to load the engine


def run_demo(folder: Path) -> None:
    """Write stems, mixture and spectrograms.png to `folder`, and print how good and how fast it was."""
    from engine.bench.rounds import demo_stems
    from engine.evaluation import si_sdr_improvement

    true, rate = demo_stems()
    mixture = np.sum(list(true.values()), axis=0)
    prepare(folder)
    spare_others(folder, [*true, RESIDUAL], mixture)
    with running_server() as address, Client(address) as client:
        client.separate(mixture[:, : 2 * rate], rate)  # loads the model, which is not to be counted
        with progress_bar("separating the demo song") as progress:
            started = time.perf_counter()
            stems = client.separate(mixture, rate, on_progress=progress)
            seconds = time.perf_counter() - started
    write_audio(folder / SONG, mixture, rate)
    for name, stem in stems.items():
        write_audio(folder / f"{name}.wav", stem, rate)
    table = Table("stem", "SI-SDR improvement", title="Demo song: stems against the true ones")
    gains = {name: si_sdr_improvement(stems[name], stem, mixture) for name, stem in true.items()}
    for name, gain in gains.items():
        table.add_row(name, f"{gain:+.1f} dB")
    table.add_row("mean", f"{np.mean(list(gains.values())):+.1f} dB", style="bold")
    out.print(table)
    length = mixture.shape[1] / rate
    out.print(
        f"real-time factor {seconds / length:.3f}: {length:.0f} s of stereo in {seconds:.1f} s, there and back",
        soft_wrap=True,
    )
    off = float(np.abs(sum(stems.values()) - mixture).max())
    out.print(f"stems and residual add up to the mixture within {off:.1e}", soft_wrap=True)
    draw(folder / PICTURE, true, stems, rate)
    out.print(f"listen: {', '.join(f'{name}.wav' for name in stems)} in {folder}; look: {PICTURE}", soft_wrap=True)


def spare_others(folder: Path, stems: list[str], song: np.ndarray) -> None:
    """ResourceError where what is written would replace anything but what a demo before wrote, the song first."""
    places = [folder / name for name in (SONG, *(f"{stem}.wav" for stem in stems), PICTURE)]
    if there := [place.name for place in places if place.exists()]:
        with suppress(AudioError):
            if np.array_equal(read_audio(folder / SONG).samples, song):
                return
        raise ResourceError(
            f"{folder} already holds {', '.join(there)}.", "Choose another folder for the demo: -o FOLDER."
        )


@contextmanager
def running_server() -> Iterator[str]:
    """A server of its own on a free loopback port; stopped whatever happens. Yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--osc-port", "0", "--jobs"]
    with (
        end_by_exception(),
        tempfile.TemporaryDirectory(prefix="stemweave-") as jobs,
        tempfile.TemporaryFile("w+") as said,
    ):  # a file takes any amount of log; a pipe would fill up
        process = subprocess.Popen([*command, jobs], stderr=said, text=True)
        try:
            wait_for(process, f"tcp://127.0.0.1:{port}", said)
            yield f"tcp://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(process: subprocess.Popen, address: str, said: IO[str]) -> None:
    """Until the server can take jobs. BridgeError with what it `said` when it ends or takes too long."""
    with err.status("starting the server"):
        until = time.monotonic() + PATIENCE
        while not (welcome := find_server(address)) or not welcome.presets:
            if process.poll() is not None or time.monotonic() > until:
                said.seek(0)
                raise BridgeError(f"The server did not start: {said.read().strip()}", "See: stemweave doctor")
            time.sleep(0.2)


@contextmanager
def end_by_exception() -> Iterator[None]:
    """Inside, being told to end (SIGTERM) unwinds as Ctrl-C does, so that nothing that was started is left running."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def draw(path: Path, true: dict[str, np.ndarray], found: dict[str, np.ndarray], rate: int) -> None:
    """Log-mel spectrograms, a row a source: true stem left, separated stem right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    try:
        from engine.evaluation.pictures import log_mel
    except (ImportError, OSError) as error:
        raise ResourceError(
            f"The stems are written, but no picture of them can be drawn: torchaudio fails with {error}.",
            "pip install --force-reinstall torchaudio",
        ) from error

    figure, axes = pyplot.subplots(len(true), 2, figsize=(12, 9), sharex=True, sharey=True, layout="constrained")
    for row, name in zip(axes, true, strict=True):
        for axis, stem, title in zip(row, (true[name], found[name]), ("true", "separated"), strict=True):
            picture = log_mel(stem, rate)
            extent = (0, stem.shape[1] / rate, 0, picture.shape[0])
            axis.imshow(picture, origin="lower", aspect="auto", vmin=-80, vmax=0, cmap="magma", extent=extent)
            axis.set_title(f"{name}, {title}", loc="left", fontsize=10)
            axis.set_yticks([])
    figure.supylabel("pitch, low to high (mel scale)", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
