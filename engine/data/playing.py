"""What the four players share: the bar in front of them, their hands and memory, chance, rhythm, melody and voicing.

Positions and lengths are in beats (quarter notes), before swing; the composer turns them into seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from engine.data.harmony import Chord

Item = TypeVar("Item")


@dataclass
class Event:
    """A note on the way: beat from the song's start, length in beats, delay_s in seconds (strums, flams).

    strength: 1 is the player's usual. gesture: "", "bend" (scoop up into the pitch), "slide" (from far below), "vibrato"
    or "swell" (in from nothing).
    """

    beat: float
    length: float
    pitch: int
    strength: float
    delay_s: float = 0.0
    gesture: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar as a player sees it. chords: (offset in beats, length in beats, chord). kick: offsets of the bass drum."""

    start: float
    beats: float
    pulse: float
    chords: tuple[tuple[float, float, Chord], ...]
    scale: tuple[int, ...]
    section: str
    index: int
    last: bool
    intensity: float
    kick: tuple[float, ...] = ()

    def chord_at(self, offset: float) -> Chord:
        found = self.chords[0][2]
        for begin, _, chord in self.chords:
            if begin <= offset + 1e-6:
                found = chord
        return found


@dataclass
class Hand:
    """A player: register (MIDI keys), dice, what they remember of each section, and where their hand last was."""

    rng: np.random.Generator
    low: int
    high: int
    tempo_bpm: float
    memory: dict[tuple, Any] = field(default_factory=dict)
    pedals: list[tuple[float, float]] = field(default_factory=list)
    last: int = 0

    @property
    def centre(self) -> float:
        return (self.low + self.high) / 2

    def remember(self, bar: Bar, name: str, make: Callable[[], Item], every: int = 1) -> Item:
        """The same thing again in every bar of a section (or every `every` bars), and when the section comes back."""
        key = (bar.section, name, bar.index % every)
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]


def weigh(rng: np.random.Generator, weights: Mapping[Item, float]) -> Item:
    """One key, with probability in proportion to its weight."""
    left = rng.random() * sum(weights.values())
    for item, weight in weights.items():
        left -= weight
        if left < 0:
            return item
    return item


def chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(low + (high - low) * rng.random())


def rhythm(
    rng: np.random.Generator, beats: float, density: float, syncopation: float, grid: float = 0.25
) -> list[tuple[float, float]]:
    """(offset, length) of notes in a bar. density: notes a beat. syncopation 0-1: how much weak places
    draw. grid: 0.25 or 0.5 beats."""
    strong, half, weak = 1.0 - 0.45 * syncopation, 0.45 + 0.5 * syncopation, 0.12 + 0.5 * syncopation
    beat = [strong, half] if grid == 0.5 else [strong, weak, half, weak]
    steps = round(beats / grid)
    hits = [at * grid for at in range(steps) if rng.random() < min(0.97, density * beat[at % len(beat)] / sum(beat))]
    if not hits:
        hits = [0.0 if rng.random() < 0.7 else grid * int(rng.integers(steps))]
    ends = [*hits[1:], beats]
    return [(offset, end - offset) for offset, end in zip(hits, ends, strict=True)]


def tones(pitch_classes: Sequence[int], low: int, high: int) -> list[int]:
    """All keys in low..high (both included) whose pitch class is among those given, ascending; never empty."""
    wanted = set(pitch_classes)
    found = [pitch for pitch in range(low, high + 1) if pitch % 12 in wanted]
    return found or [low + (min(wanted) - low) % 12]


def nearest(pitches: Sequence[int], target: float) -> int:
    return min(pitches, key=lambda pitch: (abs(pitch - target), pitch))


def place(pitch_class: int, low: int, target: float | None = None) -> int:
    """The key of that pitch class at or above low, or the one nearest a target key that is not below low."""
    pitch = low + (pitch_class - low) % 12
    if target is not None:
        while target - pitch > 6:
            pitch += 12
    return pitch


def voicing(hand: Hand, chord: Chord, size: int, low: int | None = None, high: int | None = None) -> list[int]:
    """`size` chord tones close together, near where the hand last was, so that voices move little."""
    low, high = hand.low if low is None else low, hand.high if high is None else high
    available = tones(chord.pitch_classes, low, high)
    size = min(size, len(available))
    target = hand.last if low <= hand.last <= high else (low + high) / 2
    stacks = [available[at : at + size] for at in range(len(available) - size + 1)]
    stack = min(stacks, key=lambda keys: abs(sum(keys) / size - target))
    hand.last = round(sum(stack) / size)
    return stack


def melody(
    hand: Hand, bar: Bar, name: str, density: float = 1.2, syncopation: float = 0.4, leap: float = 0.25, phrase: int = 2
) -> list[tuple[float, float, int]]:
    """(offset, length, pitch) of a tune: a motif of steps on the scale, kept over the section, bent to each chord.

    leap: probability of a jump instead of a step. phrase: the motif's bars before it comes back.
    """
    rng = hand.rng

    def motif() -> list[tuple[float, float, int]]:
        notes = rhythm(rng, bar.beats, density * uniform(rng, 0.6, 1.4), syncopation, pick(rng, (0.25, 0.5, 0.5)))
        if chance(rng, 0.3) and len(notes) > 2:
            notes = notes[: max(2, len(notes) // 2)]
        jump = lambda: pick(rng, (-4, -3, 3, 4, 5)) if chance(rng, leap) else pick(rng, (-2, -1, -1, 0, 1, 1, 2))  # noqa: E731
        return [(offset, min(length, 2.0) * uniform(rng, 0.5, 1.0), jump()) for offset, length in notes]

    scale = tones(bar.scale, hand.low, hand.high)
    if not hand.low <= hand.last <= hand.high:
        hand.last = round(hand.centre)
    at = scale.index(nearest(scale, 0.5 * (hand.last + hand.centre)))
    notes = []
    for offset, length, step in hand.remember(bar, name, motif, phrase):
        if chance(rng, 0.07):  # the small liberties of a second time round
            step += pick(rng, (-1, 1))
        at += step
        if not 0 <= at < len(scale):
            at = max(0, min(len(scale) - 1, at - 2 * step))
        pitch = scale[at]
        if offset % bar.pulse == 0:
            pitch = nearest(tones(bar.chord_at(offset).pitch_classes, hand.low, hand.high), pitch)
        notes.append((offset, length, pitch))
        hand.last = pitch
    return notes
