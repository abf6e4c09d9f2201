"""The drummer: settles a kit and a groove for a song, then plays it bar by bar with variations, fills and crashes."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.data.grooves import FILLS, GROOVES, PIECES, Groove
from engine.data.playing import Bar, Event, Hand, chance, pick, uniform, weigh

KICKS = PIECES["kick"]
STRENGTHS = {"X": 1.1, "x": 0.9, "o": 0.42, "?": 0.7}
TIMEKEEPERS = {"as drawn": 6, "ride": 2, "open": 0.8, "bell": 0.3, "cowbell": 0.25, "tambourine": 0.3, "cabasa": 0.3}


def invented(rng: np.random.Generator, beats: int) -> Groove:
    """A groove nobody drew: probable places for each piece, and dice."""
    steps = 4 * beats
    heavy = [0.95 if at == 0 else 0.3 if at % 4 == 0 else 0.22 if at % 2 == 0 else 0.1 for at in range(steps)]
    back = [at for at in range(steps) if at % 8 == 4] if beats == 4 else [pick(rng, (4, 6, 8))]
    if beats == 4 and chance(rng, 0.25):
        back = [8]
    kick = "".join(
        "x" if rng.random() < p * uniform(rng, 0.7, 1.5) and at not in back else "." for at, p in enumerate(heavy)
    )
    ghosts = uniform(rng, 0, 0.25)
    snare = "".join("X" if at in back else "o" if rng.random() < ghosts else "." for at in range(steps))
    cell = pick(rng, ("x.x.", "x...", "xoxo", "..x.", "x.xx", "xxx.", "X.o."))
    lanes: dict[str, tuple[str, ...]] = {"kick": (kick,), pick(rng, ("snare", "snare", "stick", "clap")): (snare,)}
    lanes[pick(rng, ("hat", "hat", "hat", "ride", "shaker", "tambourine"))] = (cell * beats,)
    if chance(rng, 0.4):
        extra = pick(rng, ("open", "cowbell", "conga_high", "low", "block", "tambourine", "agogo"))
        lanes[extra] = ("".join("x" if rng.random() < 0.15 else "." for _ in range(steps)),)
    return Groove(lanes, beats, uniform(rng, 0.1, 0.7))


@dataclass
class Drummer:
    """One drummer of one song. kit: which key each lane strikes. `hand.memory` keeps what each section settled on."""

    hand: Hand
    grooves: dict[str, tuple[str, Groove]] = field(default_factory=dict)
    kit: dict[str, int] = field(default_factory=dict)
    crash_next: bool = False

    def __post_init__(self) -> None:
        self.kit = {lane: pick(self.hand.rng, keys) for lane, keys in PIECES.items()}
        self.fill_rate = uniform(self.hand.rng, 0.1, 0.6)

    def settle(self, section: str, names: tuple[str, ...], beats: int) -> str:
        """Choose the groove of a section; returns its name."""
        rng = self.hand.rng
        if section not in self.grooves:
            fitting = [name for name in names if GROOVES[name].beats == beats]
            if not fitting or chance(rng, 0.2):
                fitting = [name for name, groove in GROOVES.items() if groove.beats == beats]
            if self.grooves and chance(rng, 0.5):
                self.grooves[section] = next(iter(self.grooves.values()))
            elif chance(rng, 0.15):
                self.grooves[section] = ("own_groove", invented(rng, beats))
            else:
                name = pick(rng, fitting)
                self.grooves[section] = (name, GROOVES[name])
        return self.grooves[section][0]

    def _drawn(self, bar: Bar) -> list[tuple[str, float, float]]:
        """(lane, offset, strength) of a bar as the section's groove has it."""
        hand, groove = self.hand, self.grooves[bar.section][1]
        timekeeper = hand.remember(bar, "timekeeper", lambda: weigh(hand.rng, TIMEKEEPERS))
        hits = []
        for lane, patterns in groove.lanes.items():
            pattern = hand.remember(bar, lane, partial(pick, hand.rng, patterns))
            steps = 4 * groove.beats
            if len(pattern) > steps:
                pattern = pattern[:steps] if bar.index % 2 == 0 else pattern[steps:]
            if lane == "hat" and timekeeper != "as drawn":
                lane = timekeeper
            for step, mark in enumerate(pattern):
                if mark == "." or (mark == "?" and chance(hand.rng, 0.6)):
                    continue
                hits.append((lane, step * bar.beats / steps, STRENGTHS[mark]))
        return hits

    def _varied(self, bar: Bar, hits: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
        rng, loose = self.hand.rng, self.grooves[bar.section][1].loose
        kept = []
        for lane, offset, strength in hits:
            weak = offset % 1 != 0
            if weak and chance(rng, 0.12 * loose):
                continue
            if lane in ("kick", "snare") and weak and chance(rng, 0.06 * loose):
                offset += pick(rng, (-0.25, 0.25))
            if lane == "hat" and offset == bar.beats - 0.5 and chance(rng, 0.15 * loose + 0.05):
                lane = "open"
            kept.append((lane, offset % bar.beats, strength))
            if lane == "hat" and chance(rng, 0.03 * loose):  # a roll of thirty-seconds
                kept += [(lane, offset + 0.125, strength * 0.75)]
        if chance(rng, 0.3 * loose):
            kept.append(("kick", 0.25 * int(rng.integers(1, round(4 * bar.beats))), 0.82))
        if chance(rng, 0.5 * loose):
            kept.append(("snare", 0.25 * int(rng.integers(1, round(4 * bar.beats))), 0.38))
        return kept

    def _fill(self, bar: Bar, hits: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
        rng = self.hand.rng
        beats = min(bar.beats, pick(rng, (0.5, 1, 1, 2, 2, 3, 4)))
        begin = bar.beats - beats
        names, drawing = pick(rng, FILLS)
        lanes = names.split()
        kept = [hit for hit in hits if hit[1] < begin]
        struck = 0
        total = max(1, round(beats * len(drawing)))
        for step in range(total):
            mark = drawing[step % len(drawing)]
            if mark == ".":
                continue
            # Around the kit once over the fill if it is long, else lane by lane.
            lane = lanes[struck % len(lanes)] if beats <= 1 else lanes[min(len(lanes) - 1, step * len(lanes) // total)]
            kept.append((lane, begin + step / len(drawing), STRENGTHS[mark] * (0.8 + 0.25 * step / total)))
            struck += 1
        self.crash_next = chance(rng, 0.75)
        return kept

    def play(self, bar: Bar) -> list[Event]:
        """The bar's strokes; settle() must have named the section's groove."""
        rng = self.hand.rng
        hits = self._varied(bar, self._drawn(bar))
        if self.crash_next:
            hits.append((pick(rng, ("crash", "crash", "crash", "splash", "china")), 0.0, 1.05))
            self.crash_next = False
        if chance(rng, 0.8 if bar.last else self.fill_rate * (0.5 if bar.index % 4 == 3 else 0.08)):
            hits = self._fill(bar, hits)
        events = []
        for lane, offset, strength in hits:
            key = self.kit[lane]
            if lane in ("low", "mid", "high") and chance(rng, 0.3):
                key = pick(rng, PIECES[lane])
            if 0 <= offset < bar.beats:
                events.append(Event(bar.start + offset, 0.22, key, strength))
                if lane == "snare" and strength > 0.85 and chance(rng, 0.03):  # flam
                    events.append(Event(bar.start + offset, 0.05, key, strength * 0.5, delay_s=-0.028))
        return events
