"""The plug-in's window for tests: its host, driven line by line, and what can be seen in its pictures."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from support.servers import PATIENCE

SEPARATION = 300.0  # seconds; a guard against hanging
NO_SERVER = "tcp://127.0.0.1:9"
WIDTH, HEIGHT = 720, 520  # points
PROGRESS = (24, 128, 118)
BAR = slice(16, 704)  # the progress bar, its top row above all letters
BAR_TOP = 442
HEADER = (slice(0, 44), slice(404, 712))  # what the connection says
TROUBLE = (slice(470, 510), slice(16, 704))
FILES = (slice(396, 430), slice(592, 704))  # the button, lit when there are any
DIAGNOSIS = (slice(52, 92), slice(170, 704))  # of the doctor's page
GOOD, WAITING, BAD = (88, 196, 124), (230, 170, 62), (240, 110, 116)
GRID = (slice(226, 376), slice(216, 704))
STEMS = (slice(204, 432), slice(0, 720))
TRACKS = (slice(74, 194), slice(216, 704))
OPEN, DONE, CANCELLED = (1, 2, 3), 4, 5  # of the parameter Job
SEPARATE, INFILL, REGENERATE, CANCEL, REVEAL = (60, 413), (248, 413), (338, 413), (432, 413), (648, 413)
DOCTOR, WANT_BASS = (298, 22), (30, 240)
PRESET, REDO = (112, 385), (648, 490)
RULER, LANES = 214, (216, 704)
BASS, DRUMS, GUITAR, PIANO, RESIDUAL = range(5)  # rows of stems


class Plugin:
    """The CLAP in a host that can show its window."""

    def __init__(self, program: Path, clap: Path, folder: Path, **environment: str):
        self.folder = folder
        command = [str(program), str(clap)]
        pipe = subprocess.PIPE
        env = {**os.environ, "STEMWEAVE_TAKES": str(folder / "takes"), **environment}
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)

    def ask(self, command: str) -> dict:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host died at: {command}"
        return json.loads(line)

    def get(self, parameter: str) -> float:
        return self.ask(f"get {parameter}")["value"]

    def until(self, condition: Callable[[], object], what: str) -> object:
        end = time.monotonic() + SEPARATION
        while not (value := self.ask("idle 20") == {} and condition()):
            assert time.monotonic() < end, f"waited in vain: {what}"
        return value

    def click(self, place: tuple[int, int], scale: int = 1) -> None:
        self.ask(f"click {place[0] * scale} {place[1] * scale}")

    def switch(self, place: tuple[int, int]) -> None:
        """Click it and wait until it is drawn as switched: the next click is of what is seen."""
        around = tuple(slice(at - 9, at + 9) for at in reversed(place))
        was = part(self.shot("switch"), around)
        self.click(place)
        self.until(lambda: differ(part(self.shot("switch"), around), was), "the switch")

    def kept(self, key: str) -> str:
        """What the project would keep under that name."""
        state = self.folder / "kept"
        assert self.ask(f"save {state}")["done"]
        return state.read_bytes().partition(f"\0{key}\0".encode())[2].partition(b"\0")[0].decode()

    def turn(self, place: tuple[int, int]) -> None:
        """Lock a cell, or unlock it, as soon as it can be clicked."""
        was = self.kept("locks")
        self.until(lambda: self.click(place) or self.kept("locks") != was, "a lock")

    def drag(self, start: float, stop: float) -> None:
        """Over the ruler, from one share of the timeline to another."""
        first, last = (round(LANES[0] + at * (LANES[1] - LANES[0])) for at in (start, stop))
        self.ask(f"drag {first} {RULER} {last} {RULER}")

    def takes(self) -> int:
        """How many are kept."""
        return sum(not file.parent.suffix for file in (self.folder / "takes").glob("*/recipe.txt"))

    def make(self, button: tuple[int, int]) -> None:
        """Click it as soon as it can be clicked, and wait for another take."""
        takes = self.takes()
        self.until(lambda: self.click(button) or self.get("Job") in OPEN or self.takes() > takes, "a job")
        self.until(lambda: self.takes() > takes, "another take")

    def heard(self, song: Path) -> np.ndarray:
        """(6, 2, frames): the buses, while the song plays."""
        out = self.folder / "heard.f32"
        self.ask(f"play {song} {out}")
        return np.fromfile(out, "<f4").reshape(-1, 6, 2).transpose(1, 2, 0)

    def shot(self, name: str) -> np.ndarray:
        """(height, width, 3) uint8: what the window shows."""
        path = self.folder / f"{name}.ppm"
        size = self.ask(f"shot {path}")
        pixels = np.frombuffer(path.read_bytes(), np.uint8)[-size["width"] * size["height"] * 3 :]
        pixels = pixels.reshape(size["height"], size["width"], 3)
        if folder := os.environ.get("STEMWEAVE_PICTURES"):
            imsave(Path(folder) / f"{name}.png", pixels)
        return pixels

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


def part(pixels: np.ndarray, place: tuple[slice, slice], scale: int = 1) -> np.ndarray:
    return pixels[tuple(slice(side.start * scale, side.stop * scale) for side in place)]


def lit(pixels: np.ndarray) -> float:
    """The share of pixels that stand out from the ground: letters and lines."""
    return float((pixels.max(axis=2) > 140).mean())


def bar(pixels: np.ndarray, scale: int = 1) -> float:
    """The share of the progress bar that has its colour."""
    row = pixels[BAR_TOP * scale, BAR.start * scale : BAR.stop * scale].astype(int)
    return float((np.abs(row - PROGRESS).max(axis=1) < 12).mean())


def coloured(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether something is written in that colour."""
    return bool((np.abs(pixels.astype(int) - colour).max(axis=2) < 30).mean() > 0.003)


def mute(stem: int) -> tuple[int, int]:
    return 124, 240 + 30 * stem


def solo(stem: int) -> tuple[int, int]:
    return 148, 240 + 30 * stem


def cell(stem: int, bar: int) -> tuple[int, int]:
    """The middle of one of four cells of a row."""
    return LANES[0] + (LANES[1] - LANES[0]) * (2 * bar + 1) // 8, 240 + 30 * stem


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((np.abs(one.astype(int) - other).max(axis=2) > 40).mean() > 0.002)
