"""What a composed song is: notes and controllers for up to four sources, on a clock of seconds.

Nothing here makes music; the composer writes these and the renderer reads them.
"""

from dataclasses import dataclass, field

SOURCES = ("bass", "drums", "guitar", "piano")

KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

PROGRAMS = {
    "piano": {
        0: "grand piano",
        1: "bright piano",
        2: "electric grand piano",
        3: "honky-tonk piano",
        4: "tine electric piano",
        5: "FM electric piano",
        6: "harpsichord",
        7: "clavinet",
    },
    "guitar": {
        24: "nylon guitar",
        25: "steel-string guitar",
        26: "jazz guitar",
        27: "clean electric guitar",
        28: "muted electric guitar",
        29: "overdriven guitar",
        30: "distorted guitar",
        31: "guitar harmonics",
    },
    "bass": {
        32: "acoustic bass",
        33: "fingered bass",
        34: "picked bass",
        35: "fretless bass",
        36: "slap bass",
        37: "popped slap bass",
        38: "synth bass",
        39: "rubber synth bass",
    },
    "drums": {
        0: "standard drum kit",
        8: "room drum kit",
        16: "power drum kit",
        24: "electronic drum kit",
        25: "analogue drum machine",
        32: "jazz drum kit",
        40: "brush drum kit",
        48: "orchestral percussion",
    },
}
"""General MIDI programs of each source, and the words a prompt uses for them. Drums: the kit on channel 10."""


@dataclass(frozen=True)
class Note:
    """start_s, duration_s: seconds. pitch: MIDI key 0-127 (drums: the piece). velocity: 1-127."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True)
class Control:
    """kind: "bend" (value in semitones, -2 to 2), "pedal" (0 or 1) or "expression" (0 to 1), from time_s (seconds) on."""

    time_s: float
    kind: str
    value: float


@dataclass(frozen=True)
class Part:
    """program: General MIDI, 0-127. playing: the playing styles used, in order of appearance. Both sorted by time."""

    program: int
    notes: tuple[Note, ...]
    controls: tuple[Control, ...] = ()
    playing: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChordSpan:
    """A chord sounding from start_s (seconds) until the next one. pitch_classes: 0 is C."""

    start_s: float
    name: str
    pitch_classes: tuple[int, ...]


@dataclass(frozen=True)
class Song:
    """parts: one entry a source that plays; an absent source has none. tempo_bpm counts quarter notes.

    swing: where the second half of a beat falls, 0.5 (straight) to 0.67 (triplet); swing_unit: that beat, in quarters.
    """

    seed: int
    tempo_bpm: float
    key: str
    mode: str
    style: str
    meter: str
    swing: float
    swing_unit: float
    seconds: float
    parts: dict[str, Part] = field(hash=False)
    chords: tuple[ChordSpan, ...] = ()

    def describe(self) -> str:
        """One sentence a listener might write, usable as a text prompt."""
        players = []
        for source in SOURCES:
            part = self.parts.get(source)
            if part is not None:
                playing = f" ({part.playing[0].replace('_', ' ')})" if part.playing else ""
                players.append(PROGRAMS[source][part.program] + playing)
        feel = "swung " if self.swing > 0.55 else ""
        return f"{feel}{self.style} in {self.meter} at {self.tempo_bpm:.0f} bpm, {self.key} {self.mode}: {', '.join(players)}"
