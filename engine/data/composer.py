"""The composer: a seed becomes a song. Pure and deterministic; everything random comes from the seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.data.bass import BASS
from engine.data.drums import KICKS, Drummer
from engine.data.form import METERS, song_bars
from engine.data.guitar import GUITAR
from engine.data.performance import Clock, Performer
from engine.data.piano import PIANO
from engine.data.playing import Bar, Event, Hand, chance, pick, uniform, weigh
from engine.data.song import KEYS, PROGRAMS, SOURCES, ChordSpan, Part, Song
from engine.data.styles import STYLES, Style

COMPOSER = 2
"""Version of the music a seed gives: raise it when a change to the composer changes songs."""

ABSENT = 0.08  # how often a source does not play in a song at all
OWN_WAY = 0.3  # how often a player ignores the style of the song
MODES = {"major": 5, "minor": 5, "dorian": 2, "mixolydian": 2, "blues": 1.5, "lydian": 0.7, "phrygian": 0.7}

PLAYING: dict[str, dict[str, Callable[[Hand, Bar], list[Event]]]] = {"bass": BASS, "guitar": GUITAR, "piano": PIANO}
REGISTERS = {"bass": (28, 33, 15, 20), "guitar": (45, 64, 14, 24), "piano": (48, 68, 15, 26)}
"""Lowest and highest bottom key of a hand's window, then its least and greatest width: guitar and piano share theirs."""


@dataclass(frozen=True)
class _Frame:
    """What every player of a song must know."""

    seed: int
    style: Style
    meter: str
    tempo_bpm: float
    seconds: float
    clock: Clock


def compose(seed: int, seconds: float) -> Song:
    """A song of `seconds`. seed: any integer from 0; the same one gives the same song."""
    rng = np.random.default_rng([seed, 0])
    name = pick(rng, tuple(STYLES))
    style = STYLES[name]
    tempo = uniform(rng, *style.tempo) if chance(rng, 0.85) else uniform(rng, 60, 180)
    mode = pick(rng, style.modes) if style.modes and chance(rng, 0.6) else weigh(rng, MODES)
    tonic = int(rng.integers(12))
    meter = weigh(rng, {"4/4": 0.84, "3/4": 0.08, "6/8": 0.08})
    swing, unit = 0.5, 1.0
    if meter != "6/8" and chance(rng, style.swing):
        swing, unit = uniform(rng, 0.56, 0.67), 1.0 if chance(rng, 0.75) else 0.5
    playing = [source for source in SOURCES if not chance(rng, ABSENT)]
    playing = playing if len(playing) > 1 else list(SOURCES)

    bars = song_bars(rng, tonic, mode, meter, style.colour, seconds * tempo / 60)
    clock = Clock(60 / tempo, swing, unit)
    frame = _Frame(seed, style, meter, tempo, seconds, clock)
    bars = _nobody_forgotten(bars, playing, clock, seconds)
    drums, bars = _drums(frame, bars)
    parts = {source: drums if source == "drums" else _part(frame, source, bars) for source in playing}
    chords = tuple(
        ChordSpan(clock(bar.start + at), chord.name, chord.pitch_classes)
        for bar, _ in bars
        for at, _, chord in bar.chords
        if clock(bar.start + at) < seconds
    )
    parts = {source: part for source, part in parts.items() if part.notes}
    return Song(seed, tempo, KEYS[tonic], mode, name, meter, swing, unit, seconds, parts, chords)


def _nobody_forgotten(bars, playing: list[str], clock: Clock, seconds: float):
    """Give a source that would rest to the song's end half of it."""
    heard = [resting for bar, resting in bars if clock(bar.start + bar.beats) <= seconds]
    for source in playing:
        if all(source in resting for resting in heard):
            half = len(heard) // 2
            bars = [(bar, resting - {source} if at >= half else resting) for at, (bar, resting) in enumerate(bars)]
    return bars


def _drums(frame: _Frame, bars) -> tuple[Part, list[tuple[Bar, frozenset[str]]]]:
    """The drum part, and the bars again with what the bass drum does in them, for the others to lean on."""
    rng = np.random.default_rng([frame.seed, 1 + SOURCES.index("drums")])
    program = pick(rng, tuple(PROGRAMS["drums"]))
    drummer = Drummer(Hand(rng, 35, 81, frame.tempo_bpm))
    performer = Performer(rng, frame.clock, frame.seconds, single=False, strict=True)
    heard: list[tuple[Bar, frozenset[str]]] = []
    used: dict[str, None] = {}
    for bar, resting in bars:
        name = drummer.settle(bar.section, frame.style.drums, round(METERS[frame.meter][0]))
        events = drummer.play(bar)
        kick = sorted({event.beat - bar.start for event in events if event.pitch in KICKS})
        heard.append((replace(bar, kick=tuple(kick)), resting))
        if "drums" not in resting:
            used[name] = None
            performer.play(bar, events)
    return Part(program, *performer.result([]), tuple(used)), heard


def _part(frame: _Frame, source: str, bars) -> Part:
    """What the bassist, guitarist or pianist plays: a playing style a section, kept when the section comes back."""
    rng = np.random.default_rng([frame.seed, 1 + SOURCES.index(source)])
    program = pick(rng, tuple(PROGRAMS[source]))
    lowest, highest, narrow, wide = REGISTERS[source]
    low = int(rng.integers(lowest, highest + 1))
    hand = Hand(rng, low, low + int(rng.integers(narrow, wide + 1)), frame.tempo_bpm)
    performer = Performer(rng, frame.clock, frame.seconds, single=source == "bass", strict=False)
    used: dict[str, str] = {}
    for bar, resting in bars:
        if source in resting:
            continue
        if bar.section not in used:
            own_way = chance(rng, OWN_WAY)
            used[bar.section] = pick(rng, tuple(PLAYING[source]) if own_way else getattr(frame.style, source))
        performer.play(bar, PLAYING[source][used[bar.section]](hand, bar))
    return Part(program, *performer.result(hand.pedals), tuple(dict.fromkeys(used.values())))
