"""The form of a song: sections, their chords, and who rests where, bar by bar."""

from dataclasses import dataclass

import numpy as np

from engine.data.harmony import PENTATONIC, SCALES, Chord, progression
from engine.data.playing import Bar, chance, pick, uniform, weigh
from engine.data.song import SOURCES

METERS = {"4/4": (4.0, 1.0), "3/4": (3.0, 1.0), "6/8": (3.0, 1.5)}
"""Beats (quarters) a bar, and beats between its strong places."""


@dataclass(frozen=True)
class Section:
    """intensity: how hard it is played. quiet: probability that a source sits it out. likely: weight among sections."""

    intensity: float
    quiet: float
    likely: float


SECTIONS = {
    "intro": Section(0.5, 0.35, 0.5),
    "verse": Section(0.6, 0.12, 3.0),
    "chorus": Section(0.95, 0.05, 3.0),
    "bridge": Section(0.7, 0.18, 1.0),
    "break": Section(0.4, 0.45, 0.8),
    "solo": Section(0.85, 0.12, 0.7),
}
BAR_REST = 0.025  # how often a source drops out of a single bar


def song_bars(
    rng: np.random.Generator, tonic: int, mode: str, meter: str, colour: float, beats: float
) -> list[tuple[Bar, frozenset[str]]]:
    """Bars until `beats` are filled, each with the sources that rest in it. tonic: pitch class."""
    length, pulse = METERS[meter]
    steps = PENTATONIC[mode] if chance(rng, 0.2) else SCALES[mode]
    scale = tuple((tonic + step) % 12 for step in steps)
    chords: dict[str, list[list[Chord]]] = {}
    bars: list[tuple[Bar, frozenset[str]]] = []
    start, name = 0.0, "intro" if chance(rng, 0.3) else "verse"
    while start < beats:
        if name not in chords:
            same = chords and chance(rng, 0.15)
            chords[name] = next(iter(chords.values())) if same else progression(tonic, mode, colour, rng)
        intensity = SECTIONS[name].intensity * uniform(rng, 0.8, 1.15)
        resting = frozenset(source for source in SOURCES if chance(rng, SECTIONS[name].quiet))
        if len(resting) == len(SOURCES):
            resting = frozenset()
        count = pick(rng, (2, 4, 4, 4, 8))
        for index in range(count):
            placed = _placed(chords[name][index % len(chords[name])], length, pulse)
            bar = Bar(start, length, pulse, placed, scale, name, index, index == count - 1, intensity)
            bars.append((bar, resting | frozenset(source for source in SOURCES if chance(rng, BAR_REST))))
            start += length
        name = weigh(
            rng, {other: section.likely for other, section in SECTIONS.items() if other not in (name, "intro")}
        )
    return bars


def _placed(chords: list[Chord], length: float, pulse: float) -> tuple[tuple[float, float, Chord], ...]:
    """The bar's chords at their offsets: two share it evenly, or two beats and one."""
    if len(chords) == 1:
        return ((0.0, length, chords[0]),)
    first = 2.0 if length == 3.0 and pulse == 1.0 else length / 2
    return ((0.0, first, chords[0]), (first, length - first, chords[1]))
