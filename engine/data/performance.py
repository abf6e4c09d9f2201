"""From beats to seconds: swing, human timing and touch, and the gestures of strings."""

from dataclasses import dataclass

import numpy as np

from engine.data.playing import Bar, Event, chance, uniform
from engine.data.song import Control, Note

SHORTEST_S = 0.03
END_S = 0.03  # no note begins this near the song's end


@dataclass(frozen=True)
class Clock:
    """Beats to seconds; the second half of each `unit` (beats) begins at `swing` of it, 0.5 being straight."""

    beat_s: float
    swing: float
    unit: float

    def __call__(self, beat: float) -> float:
        whole, part = divmod(beat / self.unit, 1.0)
        part = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return (whole + part) * self.unit * self.beat_s


class Performer:
    """Plays one part's events with one person's touch: early or late, loose or tight, hard or soft.

    single: one note at a time, a bass mostly; strict: tight as a machine at times, as drums are.
    """

    def __init__(self, rng: np.random.Generator, clock: Clock, seconds: float, single: bool, strict: bool):
        self.rng, self.clock, self.seconds = rng, clock, seconds
        self.single = single and chance(rng, 0.85)
        machine = chance(rng, 0.25 if strict else 0.12)
        self.lag_s = 0.0 if machine else uniform(rng, -0.012, 0.016)
        self.loose_s = 0.0 if machine else uniform(rng, 0.001, 0.011)
        self.velocity, self.uneven = uniform(rng, 72, 108), 2.0 if machine else uniform(rng, 3, 9)
        self.notes: list[Note] = []
        self.gestures: list[tuple[float, float, str]] = []

    def play(self, bar: Bar, events: list[Event]) -> None:
        """Add a bar's events; the bar's intensity makes them softer or louder."""
        loud = self.velocity * (0.72 + 0.33 * bar.intensity)
        timing = self.rng.standard_normal(len(events)) * self.loose_s + self.lag_s
        touch = self.rng.standard_normal(len(events)) * self.uneven
        for event, late, harder in zip(events, timing.tolist(), touch.tolist(), strict=True):
            start = max(0.0, self.clock(event.beat) + event.delay_s + late)
            if start > self.seconds - END_S:
                continue
            end = max(start + SHORTEST_S, self.clock(event.beat + event.length) + event.delay_s + late)
            velocity = min(127, max(8, round(loud * event.strength + harder)))
            self.notes.append(Note(start, min(end, self.seconds) - start, event.pitch, velocity))
            if event.gesture:
                self.gestures.append((start, end - start, event.gesture))

    def result(self, pedals: list[tuple[float, float]]) -> tuple[tuple[Note, ...], tuple[Control, ...]]:
        """Notes and controllers in order of time. pedals: (down, up), beats."""
        controls = [
            control for start, length, gesture in sorted(self.gestures) for control in _gesture(gesture, start, length)
        ]
        for down, up in pedals:
            controls += [Control(self.clock(down), "pedal", 1.0), Control(self.clock(up), "pedal", 0.0)]
        controls = sorted((c for c in controls if 0 <= c.time_s < self.seconds), key=lambda c: c.time_s)
        return tuple(_apart(self.notes, self.single)), tuple(controls)


def _apart(notes: list[Note], single: bool) -> list[Note]:
    """In order, and none sounding on into the next of its pitch (or any, for a single voice): its note-off would cut that."""
    notes = sorted(notes, key=lambda note: (note.start_s, note.pitch))
    following: dict[int, float] = {}
    kept = []
    for note in reversed(notes):
        voice = 0 if single else note.pitch
        free = following.get(voice, np.inf) - note.start_s
        if free >= SHORTEST_S:
            kept.append(note if free >= note.duration_s else Note(note.start_s, free, note.pitch, note.velocity))
            following[voice] = note.start_s
    return kept[::-1]


def _gesture(gesture: str, start: float, length: float) -> list[Control]:
    """Controllers of one note, ending where they began: nothing may hang over into the next."""
    if length < 0.12:
        return []
    if gesture == "swell":
        rise = min(length, 1.5)
        steps = [Control(start + rise * at / 20, "expression", 0.1 + 0.9 * at / 20) for at in range(21)]
        return [*steps, Control(start + length, "expression", 1.0)]
    if gesture == "vibrato":
        times = np.arange(0.1, length, 0.03).tolist()
        bends = [(start + t, min(1.0, 2 * t) * 0.3 * float(np.sin(2 * np.pi * 5.5 * (t - 0.1)))) for t in times]
    else:
        depth, lasts = (-2.0, 0.07) if gesture == "slide" else (-1.0, min(0.16, length / 2))
        bends = [(start + lasts * at / 8, depth * (1 - at / 8)) for at in range(9)]
    return [Control(t, "bend", value) for t, value in [*bends, (start + length, 0.0)]]
