"""Sentences about recordings: what a listener might call a line-up, in many words or few."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.song import PROGRAMS
from engine.data.tracks import ABOUT
from engine.errors import DataError

NICKNAMES = {
    "bass": ("bass", "bass guitar", "bassline"),
    "drums": ("drums", "drum kit", "beat"),
    "guitar": ("guitar", "guitars", "guitar part"),
    "piano": ("piano", "keyboard", "keys"),
}
"""What a source is called by someone who does not care which one it is."""
SHORT, STYLED, TIMED = 0.5, 0.4, 0.3  # how often a player is named by a nickname; the style and the tempo are told


def about_track(folder: Path) -> dict[str, Any]:
    """track.json of a rendered track. DataError without one: there is nothing to make a sentence of."""
    path = Path(folder) / ABOUT
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read, so nothing is known of what plays: {error}.",
            "Text models are trained on tracks of `stemweave data render`.",
        ) from error


def sentence(about: dict[str, Any], playing: Sequence[str], rng: np.random.Generator) -> str:
    """A sentence about the sources `playing` of a track. about: its track.json; rng: how it is put."""
    players = [_player(about, source, rng) for source in playing]
    words = [", ".join(players)]
    if len(players) == 1 and rng.random() < 0.3:
        words = [f"solo {players[0]}"]
    if rng.random() < STYLED:
        words.append(about["style"])
    if rng.random() < TIMED:
        words.append(f"{about['tempo_bpm']:.0f} bpm")
    return ", ".join(words)


def _player(about: dict[str, Any], source: str, rng: np.random.Generator) -> str:
    known = PROGRAMS.get(source, {}).get(about.get("programs", {}).get(source))
    if known is None or rng.random() < SHORT:
        return str(rng.choice(NICKNAMES.get(source, (source,))))
    return known
