"""Tasks on files of this machine, for the command line and OSC: stems by name or by folder in, stems and their recipe out."""

from pathlib import Path

import numpy as np

from engine.audio import read_audio, write_audio
from engine.errors import AudioError, PresetError
from engine.recipe import NAME, Recipe
from engine.request import AFTER

SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")
NO_STEMS = ("residual", "mixture")  # what `separate` and the demo write beside stems


def stem_paths(given: list[str], role: str = "") -> dict[str, Path]:
    """NAME=FILE, or a folder whose files are called after their sources: {role + name: path}. "after:FOLDER" for another role."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if text.startswith(AFTER) and not equals:
            found |= stem_paths([text.removeprefix(AFTER)], AFTER)
        elif equals:
            found[role + name] = Path(path)
        elif Path(text).is_dir():
            files = [f for f in sorted(Path(text).iterdir()) if f.suffix.lower() in SUFFIXES and f.stem not in NO_STEMS]
            if not files:
                raise AudioError(
                    f"There is no audio in the folder {text}.", "Its files are to be called bass.wav and so on."
                )
            found |= {role + file.stem: file for file in files}
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
