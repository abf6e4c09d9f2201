"""What is given to a task on the command line: stems by name, a folder of them, clips."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.audio import read_audio
from engine.errors import AudioError, PresetError

SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")
NO_STEMS = ("residual", "mixture")  # what `separate` and the demo write beside stems


def stem_paths(given: list[str], role: str = "") -> dict[str, Path]:
    """NAME=FILE, or a folder whose files are called after their sources: {role + name: path}."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if equals:
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


def overrides_of(**chosen: Any) -> dict[str, Any]:
    """Those that were set; a model given by its folder from the root, for a server works in another folder than the user."""
    from engine.cards import CARD

    model = chosen.get("model")
    if model and (Path(model) / CARD).is_file():
        chosen["model"] = str(Path(model).resolve())
    return {key: value for key, value in chosen.items() if value is not None}
