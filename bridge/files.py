"""Tasks on files of this machine, for the command line and OSC: stems by name or by folder in, stems and their recipe out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.audio import read_audio, write_audio
from engine.errors import AudioError, PresetError
from engine.recipe import NAME, Recipe
from engine.request import AFTER

SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")
NO_STEMS = ("residual", "mixture")  # what `separate` and the demo write beside stems


def path_in(text: str) -> str:
    """The path in one of the texts that `stem_paths` reads."""
    return text.partition("=")[2] if "=" in text else text.removeprefix(AFTER)


def stem_paths(given: list[str], role: str = "", found_at: Callable[[str | Path], Path] = Path) -> dict[str, Path]:
    """NAME=FILE, or a folder whose files are called after their sources: {role + name: path}. "after:FOLDER" for another role.

    found_at: gives the path to use for one that was given or found in a folder, or raises.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, _ = text.partition("=")
        if text.startswith(AFTER) and not equals:
            found |= stem_paths([path_in(text)], AFTER, found_at)
        elif equals:
            found[role + name] = found_at(path_in(text))
        elif (folder := found_at(text)).is_dir():
            files = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in SUFFIXES and f.stem not in NO_STEMS]
            if not files:
                raise AudioError(
                    f"There is no audio in the folder {text}.", "Its files are to be called bass.wav and so on."
                )
            found |= {role + file.stem: found_at(file) for file in files}
        else:
            raise PresetError(
                f"'{text}' is not a stem.", "Give NAME=FILE, for example bass=take3.wav, or a folder of stems."
            )
    return found


def read_parts(paths: dict[str, Path]) -> tuple[int, list[tuple[str, np.ndarray]]]:
    """Sample rate and audio by role. AudioError where files differ in their rate."""
    audio = {role: read_audio(path) for role, path in paths.items()}
    rates = {a.sample_rate for a in audio.values()}
    if len(rates) > 1:
        told = ", ".join(f"{paths[role].name} {a.sample_rate} Hz" for role, a in audio.items())
        raise AudioError(f"The files differ in sample rate: {told}.", "Export them at one rate.")
    return rates.pop(), [(role, a.samples) for role, a in audio.items()]


def write_stems(folder: Path, stems: dict[str, np.ndarray], rate: int, recipe: Recipe) -> dict[str, Path]:
    """Each as WAV with the recipe in it, and the recipe beside them; the paths by name."""
    text = recipe.text()
    paths = {name: write_audio(folder / f"{name}.wav", stem, rate, text) for name, stem in stems.items()}
    (folder / NAME).write_text(text + "\n")
    return paths
