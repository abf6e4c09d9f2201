"""The composer: a seed becomes a song. Pure and deterministic; everything random comes from one generator."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.data.bass import BASS
from engine.data.drums import FOUR, SIX, THREE, kicks, play_drums
from engine.data.guitar import GUITAR
from engine.data.harmony import SCALES, Chord, progression
from engine.data.piano import PIANO
from engine.data.playing import Bar, Event, Hand, chance, pick, uniform, weigh
from engine.data.song import KEYS, PROGRAMS, SOURCES, ChordSpan, Control, Note, Part, Song

ABSENT = 0.08  # how often a source does not play in a song at all
MODES = {"major": 5, "minor": 5, "dorian": 2, "mixolydian": 2, "blues": 2, "lydian": 0.5, "phrygian": 0.5}


@dataclass(frozen=True)
class Style:
    """tempo: bpm, low and high. swing: how often it swings. colour: how rich the chords are. Playing styles and grooves the
    players prefer; what is not listed is still played now and then."""

    tempo: tuple[float, float]
    swing: float
    colour: float
    grooves: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]


STYLES = {
    "pop": Style(
        (84, 132),
        0.1,
        0.2,
        ("straight_eight", "sixteens", "tambourine"),
        ("roots", "with_kick"),
        ("strum", "fingerpicked"),
        ("blocks", "arpeggios", "tune"),
    ),
    "rock": Style(
        (96, 168),
        0.05,
        0.05,
        ("rock", "rock_ride", "half_time"),
        ("roots", "pedal", "with_kick"),
        ("power", "ringing_power", "lead", "riff"),
        ("blocks", "octaves"),
    ),
    "punk": Style(
        (140, 180), 0.0, 0.0, ("punk", "rock"), ("roots", "pedal"), ("power", "ringing_power"), ("blocks", "tremolo")
    ),
    "funk": Style(
        (86, 122),
        0.3,
        0.6,
        ("funk", "funk_open", "breakbeat"),
        ("syncopated", "octaves", "riff"),
        ("scratch", "double_stops"),
        ("clav", "comping"),
    ),
    "disco": Style(
        (108, 130),
        0.05,
        0.4,
        ("disco", "four_on_floor"),
        ("octaves", "syncopated"),
        ("scratch", "offbeat"),
        ("comping", "octaves"),
    ),
    "house": Style(
        (115, 135),
        0.1,
        0.5,
        ("four_on_floor", "electro"),
        ("with_kick", "octaves", "riff"),
        ("scratch", "pad"),
        ("comping", "ostinato", "blocks"),
    ),
    "soul": Style(
        (64, 110),
        0.4,
        0.6,
        ("sixteens", "half_time", "tambourine"),
        ("with_kick", "arpeggio", "riff"),
        ("double_stops", "offbeat"),
        ("comping", "blocks", "ballad"),
    ),
    "jazz": Style(
        (80, 180),
        0.9,
        0.95,
        ("swing", "brushes"),
        ("walking", "two_feel"),
        ("lead", "offbeat", "pad"),
        ("comping", "stride", "tune"),
    ),
    "bossa": Style(
        (100, 150),
        0.0,
        0.9,
        ("bossa", "brushes"),
        ("two_feel", "with_kick"),
        ("fingerpicked", "strum"),
        ("comping", "tune"),
    ),
    "latin": Style(
        (90, 130),
        0.0,
        0.4,
        ("latin", "bossa"),
        ("syncopated", "arpeggio"),
        ("strum", "double_stops"),
        ("ostinato", "octaves"),
    ),
    "blues": Style(
        (60, 130),
        0.8,
        0.2,
        ("shuffle", "swing", "rock"),
        ("walking", "riff", "roots"),
        ("lead", "double_stops", "riff"),
        ("stride", "comping", "tremolo"),
    ),
    "country": Style(
        (90, 170),
        0.3,
        0.1,
        ("train", "straight_eight"),
        ("two_feel", "walking"),
        ("fingerpicked", "strum", "lead"),
        ("stride", "blocks"),
    ),
    "reggae": Style(
        (66, 96), 0.4, 0.2, ("reggae", "half_time"), ("riff", "syncopated"), ("offbeat",), ("comping", "blocks")
    ),
    "ballad": Style(
        (60, 84),
        0.2,
        0.4,
        ("ballad", "half_time"),
        ("long", "roots"),
        ("fingerpicked", "pad", "lead"),
        ("ballad", "arpeggios", "tune"),
    ),
    "hip hop": Style(
        (70, 100),
        0.4,
        0.6,
        ("trap", "breakbeat", "half_time"),
        ("with_kick", "long", "riff"),
        ("pad", "riff", "fingerpicked"),
        ("comping", "ostinato", "ballad"),
    ),
    "electronic": Style(
        (90, 150),
        0.05,
        0.2,
        ("electro", "four_on_floor", "trap"),
        ("pedal", "octaves", "with_kick"),
        ("riff", "pad"),
        ("ostinato", "arpeggios"),
    ),
    "folk": Style(
        (72, 140),
        0.2,
        0.1,
        ("march", "tambourine", "brushes"),
        ("two_feel", "roots"),
        ("strum", "fingerpicked"),
        ("arpeggios", "blocks"),
    ),
    "progressive": Style(
        (76, 150),
        0.0,
        0.5,
        ("toms", "rock_ride", "breakbeat"),
        ("riff", "arpeggio", "pedal"),
        ("riff", "lead", "fingerpicked"),
        ("ostinato", "arpeggios", "tremolo"),
    ),
}

REGISTERS = {"bass": (28, 45), "guitar": (40, 76), "piano": (48, 84)}
"""Lowest and highest key a player's hand may be set up around; guitar and piano share most of theirs."""

TABLES: dict[str, dict[str, Callable[[Hand, Bar], list[Event]]]] = {"bass": BASS, "guitar": GUITAR, "piano": PIANO}


def compose(seed: int, seconds: float) -> Song:
    """A song of `seconds`. Any seed; the same one gives the same song."""
    rng = np.random.default_rng(seed)
    name = pick(rng, tuple(STYLES))
    style = STYLES[name]
    tempo = uniform(rng, *style.tempo)
    mode = "blues" if name == "blues" and chance(rng, 0.6) else weigh(rng, MODES)
    tonic = int(rng.integers(12))
    meter = weigh(rng, {"4/4": 0.84, "3/4": 0.08, "6/8": 0.08})
    swing, unit = (uniform(rng, 0.56, 0.67), pick(rng, (1.0, 1.0, 0.5))) if chance(rng, style.swing) else (0.5, 1.0)
    playing = [source for source in SOURCES if not chance(rng, ABSENT)]
    if len(playing) < 2:
        playing = list(SOURCES)
    bars = _bars(rng, style, tonic, mode, meter, seconds * tempo / 60)
    clock = _Clock(60 / tempo, swing, unit)
    parts = {source: _part(rng, source, style, meter, bars, clock, tempo, seconds) for source in playing}
    chords = tuple(
        ChordSpan(clock(bar.start + at), chord.name, chord.pitch_classes)
        for bar, _ in bars
        for at, _, chord in bar.chords
    )
    parts = {source: part for source, part in parts.items() if part.notes}
    return Song(seed, tempo, KEYS[tonic], mode, name, meter, swing, unit, seconds, parts, chords)


@dataclass(frozen=True)
class _Clock:
    """Beats to seconds, the second half of each `unit` delayed by swing."""

    beat_s: float
    swing: float
    unit: float

    def __call__(self, beat: float) -> float:
        whole, part = divmod(beat / self.unit, 1.0)
        part = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return (whole + part) * self.unit * self.beat_s


def _bars(rng, style: Style, tonic: int, mode: str, meter: str, beats: float) -> list[tuple[Bar, frozenset[str]]]:
    """The song's bars until `beats` are filled, each with the sources that rest in it."""
    length, pulse = {"4/4": (4.0, 1.0), "3/4": (3.0, 1.0), "6/8": (3.0, 1.5)}[meter]
    groove_names = {"4/4": (*style.grooves, pick(rng, FOUR)), "3/4": THREE, "6/8": SIX}[meter]
    scale = tuple((tonic + step) % 12 for step in SCALES[mode])
    forms: dict[str, list[list[Chord]]] = {}
    bars: list[tuple[Bar, frozenset[str]]] = []
    start = 0.0
    while start < beats:
        section = weigh(rng, {"intro": 1, "verse": 3, "chorus": 3, "bridge": 1, "break": 1})
        form = forms.setdefault(section, progression(tonic, mode, style.colour, rng))
        groove = pick(rng, groove_names)
        intensity = {"intro": 0.5, "verse": 0.6, "chorus": 0.95, "bridge": 0.7, "break": 0.4}[section] * uniform(
            rng, 0.85, 1.1
        )
        quiet = {"intro": 0.35, "verse": 0.14, "chorus": 0.06, "bridge": 0.2, "break": 0.45}[section]
        rests = frozenset(source for source in SOURCES if chance(rng, quiet))
        rests = rests if len(rests) < 3 else frozenset(list(rests)[:0])
        count = pick(rng, (2, 4, 4, 4, 8))
        for index in range(count):
            chords = form[index % len(form)]
            share = length / len(chords)
            placed = tuple((i * share, share, chord) for i, chord in enumerate(chords))
            bar = Bar(
                start,
                length,
                pulse,
                placed,
                scale,
                f"{section}:{groove}",
                index,
                index == count - 1,
                intensity,
                kicks(groove, length),
            )
            drop = frozenset(source for source in SOURCES if chance(rng, 0.03))
            bars.append((bar, rests | drop))
            start += length
    return bars


def _part(rng, source: str, style: Style, meter: str, bars, clock: _Clock, tempo: float, seconds: float) -> Part:
    """What one player plays, in seconds: humanised, cut at the song's end."""
    program = pick(rng, tuple(PROGRAMS[source]))
    low, high = _register(rng, source)
    hand = Hand(np.random.default_rng(rng.integers(2**63)), low, high, tempo)
    timing, lag, strength = uniform(rng, 0.0, 0.012), uniform(rng, -0.012, 0.015), uniform(rng, 70, 112)
    events: list[Event] = []
    used: dict[str, str] = {}
    for bar, rests in bars:
        if source in rests:
            continue
        section, groove = bar.section.split(":")
        if source == "drums":
            used.setdefault(section, groove)
            events += play_drums(groove, hand, bar)
        else:
            if section not in used:
                prefer = getattr(style, source)
                used[section] = (
                    pick(hand.rng, prefer) if chance(hand.rng, 0.7) else pick(hand.rng, tuple(TABLES[source]))
                )
            events += TABLES[source][used[section]](hand, bar)
    notes, controls = [], []
    for event in events:
        at = max(0.0, clock(event.beat) + event.delay_s + lag + hand.rng.normal(0, 1) * timing)
        end = min(max(at + 0.03, clock(event.beat + event.length) + event.delay_s + lag), seconds)
        if at < seconds - 0.02:
            velocity = int(np.clip(round(strength * event.velocity + hand.rng.normal(0, 6)), 10, 127))
            notes.append(Note(at, end - at, int(np.clip(event.pitch, 0, 127)), velocity))
            controls += _gesture(event.gesture, at, end - at)
    for down, up in hand.pedals:
        if clock(up) < seconds:
            controls += [Control(clock(down), "pedal", 1.0), Control(clock(up), "pedal", 0.0)]
    notes.sort(key=lambda note: (note.start_s, note.pitch))
    controls.sort(key=lambda control: control.time_s)
    return Part(program, tuple(notes), tuple(controls), tuple(dict.fromkeys(used.values())))


def _register(rng, source: str) -> tuple[int, int]:
    """Lowest and highest key of a hand: a window somewhere in the source's range."""
    if source == "drums":
        return 35, 81
    low, high = REGISTERS[source]
    span = {"bass": 14, "guitar": 20, "piano": 20}[source]
    bottom = int(rng.integers(low, max(low + 1, high - span)))
    return bottom, bottom + span


def _gesture(gesture: str, at: float, length: float) -> list[Control]:
    """Pitch bends of a note, ending where they began: nothing may hang over into the next."""
    if not gesture or length < 0.12:
        return []
    if gesture == "vibrato":
        times = np.arange(at + 0.1, at + length, 0.045)
        bends = [(float(t), 0.25 * float(np.sin(2 * np.pi * 5.5 * (t - at)))) for t in times]
    else:
        depth, lasts = (-2.0, 0.06) if gesture == "slide" else (-1.0, min(0.15, length / 2))
        bends = [(at + lasts * i / 8, depth * (1 - i / 8)) for i in range(9)]
    return [Control(t, "bend", value) for t, value in [*bends, (at + length, 0.0)]]
