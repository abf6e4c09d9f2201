"""A session on a JACK server without sound hardware, around a host that plays the LV2 (jalv) or the JACK standalone.

    jack_session.py jalv|standalone FORMATS SONG RESULT

The song is played once by the JACK transport and separated; then it is started, sought, looped and bounced, all in freewheel:
offline, as fast as the machine goes. RESULT: frames (blocks,), where the transport was; out (blocks, 12, block), what the host
sent in that block; stems (5, 2, frames) and track as the plug-in kept them.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jack
import numpy as np
import soundfile

RATE = 44100
BLOCK = 256
PATIENCE = 600.0
NAMES = ("bass", "drums", "guitar", "piano", "residual")
SEPARATE_CC = 21


def until(condition: Callable[[], object], what: str) -> object:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(jack.JackError):
            if value := condition():
                return value
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


@contextlib.contextmanager
def process(command: list[str], folder: Path) -> Iterator[subprocess.Popen]:
    with (folder / f"{Path(command[0]).name}.log").open("w") as log:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


class Rig:
    """Two JACK clients around the host: one plays the song where the transport is, one keeps what comes out and where that was."""

    def __init__(self, song: np.ndarray):
        self.song = song
        self.player, self.recorder = jack.Client("player"), jack.Client("recorder")
        self.sends = [self.player.outports.register(f"out_{side}") for side in "lr"]
        self.midi = self.player.midi_outports.register("midi")
        self.hears = [self.recorder.inports.register(f"in_{i}") for i in range(12)]
        self.control: list[bytes] = []
        self.blocks: list[tuple[int, np.ndarray]] = []
        self.passed: list[int] = []  # where the transport was, block by block
        self.keeps = False
        self.stops_at: int | None = None  # or the machine would go on until this program looks again
        self.player.set_process_callback(self.play)
        self.recorder.set_process_callback(self.record)
        self.player.activate()
        self.recorder.activate()

    def play(self, frames: int) -> None:
        state, position = self.player.transport_query_struct()
        self.midi.clear_buffer()
        if self.control:
            self.midi.write_midi_event(0, self.control.pop(0))
        start = position.frame if state == jack.ROLLING else self.song.shape[1]
        for port, channel in zip(self.sends, self.song, strict=True):
            piece = channel[start : start + frames]
            out = port.get_array()
            out[:] = 0
            out[: len(piece)] = piece

    def record(self, frames: int) -> None:
        state, position = self.recorder.transport_query_struct()
        if state != jack.ROLLING:
            return
        self.passed.append(position.frame)
        if self.stops_at is not None and position.frame >= self.stops_at:
            self.recorder.transport_stop()
        if self.keeps and position.frame + frames <= self.song.shape[1]:
            self.blocks.append((position.frame, np.stack([port.get_array().copy() for port in self.hears])))

    def connect(self, host: str) -> None:
        def ports(**kind: bool) -> list[jack.Port]:
            return self.player.get_ports(f"^{host}:", is_audio=True, **kind)

        until(lambda: (len(ports(is_input=True)), len(ports(is_output=True))) == (2, 12), f"the ports of {host}")
        ins, outs = ports(is_input=True), ports(is_output=True)
        # Its ports are there a moment before it is active; till then nothing can be connected to them.
        until(lambda: self.player.connect(self.sends[0], ins[0]) is None, f"{host} to be active")
        self.player.connect(self.sends[1], ins[1])
        for theirs, ours in zip(outs, self.hears, strict=True):
            self.recorder.connect(theirs, ours)
        for port in self.player.get_ports(f"^{host}:", is_midi=True, is_input=True):
            self.player.connect(self.midi, port)

    def roll(self, start: int, frames: int) -> None:
        """Seek, rolling or not, and play at least so many frames from there."""
        before = len(self.passed)
        self.player.transport_frame = start
        self.player.transport_start()
        until(
            lambda: start in self.passed[before:] and self.passed[-1] >= start + frames, f"{frames} frames from {start}"
        )


def main(kind: str, formats: str, song_file: str, result: str) -> None:
    song = np.load(song_file)
    frames = song.shape[1]
    takes = Path(os.environ["STEMWEAVE_TAKES"])
    folder = Path(tempfile.mkdtemp())
    os.environ["JACK_DEFAULT_SERVER"] = f"stemweave-{os.getpid()}"
    os.environ["LV2_PATH"] = str(folder / "lv2")
    (folder / "lv2").mkdir()
    (folder / "lv2" / "stemweave.lv2").symlink_to(Path(formats) / "stemweave.lv2")
    server = ["jackd", "-n", os.environ["JACK_DEFAULT_SERVER"], "--no-realtime", "-t", "60000"]
    host = ["jalv", "-n", "stemweave", "urn:stemweave:plugin"] if kind == "jalv" else [str(Path(formats) / "stemweave")]
    with process([*server, "-d", "dummy", "-r", str(RATE), "-p", str(BLOCK)], folder):
        until(lambda: jack.Client("probe", no_start_server=True).close() is None, "a JACK server")
        with process(host, folder) as running:
            rig = Rig(song)
            rig.connect("stemweave")
            rig.player.set_freewheel(True)
            rig.stops_at = frames
            rig.roll(0, frames)
            rig.stops_at = None
            if kind == "jalv":
                running.stdin.write("set separate 1\n")
                running.stdin.flush()
            else:
                rig.control.append(bytes([0xB0, SEPARATE_CC, 127]))
            until(lambda: list(takes.glob("*/recipe.txt")) and not list(takes.glob("*.part")), "a finished take")
            rig.keeps = True
            for start, length in (
                (0, frames),
                (123_457, 20_000),
                (1_001, 30_000),
                (0, frames),
            ):  # start, seek, loop back, bounce
                rig.roll(start, length)
            rig.player.transport_stop()
            time.sleep(0.3)
            rig.keeps = False
            rig.player.set_freewheel(False)
            rig.player.deactivate()
            rig.recorder.deactivate()
    (take,) = takes.iterdir()
    kept = [soundfile.read(take / f"{name}.wav", dtype="float32")[0].T for name in ("track", *NAMES)]
    np.savez(
        result,
        frames=[frame for frame, _ in rig.blocks],
        out=np.stack([out for _, out in rig.blocks]),
        track=kept[0],
        stems=np.stack(kept[1:]),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
