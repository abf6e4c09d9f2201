"""Keys, modes, chords and progressions: tables of the common ones, and a small grammar for others.

A progression is written as bars of roman numerals over the *major* scale of the key: "vi" is a minor triad on the sixth,
"bVII7" a dominant seventh on the flat seventh, "|" ends a bar, and a bar may hold two chords.
"""

import re
from dataclasses import dataclass

import numpy as np

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}

PENTATONIC = {
    "major": (0, 2, 4, 7, 9),
    "minor": (0, 3, 5, 7, 10),
    "dorian": (0, 3, 5, 7, 10),
    "mixolydian": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 7, 10),
    "lydian": (0, 2, 4, 7, 9),
    "phrygian": (0, 3, 5, 7, 10),
}

PROGRESSIONS = {
    "major": (
        "I|V|vi|IV",
        "vi|IV|I|V",
        "I|vi|IV|V",
        "I|IV|V|IV",
        "I|iii|IV|V",
        "IV|V|iii|vi",
        "I|V|vi|iii|IV|I|IV|V",
        "ii7|V7|Imaj7|Imaj7",
        "ii7|V7|iii7|vi7",
        "Imaj7 vi7|ii7 V7",
        "I|I7|IV|iv",
        "I|bVII|IV|I",
        "I|II7|IV|I",
        "I|IV|I|V",
        "I|I|IV|I|V|IV|I|V",
        "IVmaj7|iii7|ii7|Imaj7",
        "I|III7|vi|IV",
        "I V|vi IV",
        "I|Isus4|I|IVadd9",
        "vi|ii|V|I",
        "IV|I|V|vi",
        "I|#idim7|ii7|V7",
        "Imaj7|IVmaj7",
        "I|V|ii|IV",
    ),
    "minor": (
        "i|bVI|bIII|bVII",
        "i|bVII|bVI|bVII",
        "i|bVII|bVI|V7",
        "i|iv|v|i",
        "i|iv|V7|i",
        "i|bVI|iv|V",
        "iim7b5|V7|i7|i7",
        "i|bIII|bVII|iv",
        "i7|iv7|bVII7|bIIImaj7|bVImaj7|iim7b5|V7|i7",
        "bVI|bVII|i|i",
        "i|i|bVI|bVI",
        "i|v|bVI|iv",
        "i bVII|bVI bVII",
        "i9|iv9",
        "i|bII|V7|i",
    ),
    "dorian": (
        "i7|IV7",
        "i|IV|i|bVII",
        "i9|IV9|i9|ii7",
        "i|bVII|IV|i",
        "i7|ii7|bIIImaj7|ii7",
        "i|i|IV|IV",
        "i|bIII|IV|i",
    ),
    "mixolydian": ("I|bVII|IV|I", "I7|I7|bVII|IV", "I|v|bVII|IV", "I7|IV7", "I|bVII", "I|IV|bVII|I", "I9|v7|IV9|I9"),
    "blues": (
        "I7|I7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7",
        "I7|IV7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7",
        "I7|IV7|I7|VI7|IV7|#ivdim7|I7|VI7|ii7|V7|I7 VI7|ii7 V7",
        "I7|I7|IV7|IV7|V7|IV7|I7|I7",
        "i7|i7|i7|i7|iv7|iv7|i7|i7|bVI7|V7|i7|V7",
        "I7|IV7|I7|V7",
        "I7|bIII7|IV7|I7",
    ),
    "lydian": ("I|II|I|II", "Imaj7|II|vii|Imaj7", "I|II|vi|I"),
    "phrygian": ("i|bII|i|bII", "i|bII|bIII|bII", "i|bvii|bII|i"),
}

BLUES_CHORDS = ("I7", "I7", "IV7", "IV7", "V7", "bVII7", "bIII7", "I9", "IV9")

DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
ROMANS = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")

QUALITIES = {
    "": ((0, 4, 7), (0, 3, 7)),
    "5": ((0, 7), (0, 7)),
    "6": ((0, 4, 7, 9), (0, 3, 7, 9)),
    "7": ((0, 4, 7, 10), (0, 3, 7, 10)),
    "maj7": ((0, 4, 7, 11), (0, 3, 7, 11)),
    "9": ((0, 4, 7, 10, 14), (0, 3, 7, 10, 14)),
    "maj9": ((0, 4, 7, 11, 14), (0, 3, 7, 11, 14)),
    "11": ((0, 7, 10, 14, 17), (0, 3, 7, 10, 17)),
    "13": ((0, 4, 10, 14, 21), (0, 3, 10, 14, 21)),
    "add9": ((0, 4, 7, 14), (0, 3, 7, 14)),
    "sus2": ((0, 2, 7), (0, 2, 7)),
    "sus4": ((0, 5, 7), (0, 5, 7)),
    "7sus4": ((0, 5, 7, 10), (0, 5, 7, 10)),
    "dim": ((0, 3, 6), (0, 3, 6)),
    "dim7": ((0, 3, 6, 9), (0, 3, 6, 9)),
    "m7b5": ((0, 3, 6, 10), (0, 3, 6, 10)),
    "aug": ((0, 4, 8), (0, 4, 8)),
}
"""Suffix of a numeral -> semitones above the root, for an upper-case and for a lower-case numeral."""


@dataclass(frozen=True)
class Chord:
    """root: pitch class, 0 is C. intervals: semitones above the root, ascending, the first 0."""

    root: int
    intervals: tuple[int, ...]
    name: str

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def fifth(self) -> int:
        """Semitones from the root to the chord's fifth, perfect if the chord has none."""
        return next((interval for interval in self.intervals if interval in (6, 7, 8)), 7)

    @property
    def third(self) -> int:
        """Semitones from the root to the third, or to what is suspended in its place."""
        return next((interval for interval in self.intervals if 2 <= interval <= 5), 12)


def numeral(text: str, tonic: int) -> Chord:
    """The chord of a roman numeral in a key. tonic: pitch class."""
    match = re.fullmatch(r"([b#]?)([IV]+|[iv]+)(.*)", text)
    if match is None or match[3] not in QUALITIES:
        raise ValueError(f"Not a chord: {text!r}.")
    root = tonic + DEGREES[match[2].lower()] + {"": 0, "b": -1, "#": 1}[match[1]]
    return Chord(root % 12, QUALITIES[match[3]][match[2].islower()], text)


def _coloured(text: str, tonic: int, scale: tuple[int, ...], rng: np.random.Generator) -> str:
    """A plain triad's numeral with a seventh, ninth, sixth or suspension, if all its notes stay in the scale."""
    options = []
    for suffix in ("7", "maj7", "9", "maj9", "add9", "6", "sus4", "sus2", "7sus4", "11"):
        chord = numeral(text + suffix, tonic)
        if all((pitch - tonic) % 12 in scale for pitch in chord.pitch_classes):
            options.append(text + suffix)
    return options[int(rng.integers(len(options)))] if options else text


def _functional(mode: str, rng: np.random.Generator) -> list[list[str]]:
    """Four or eight bars that leave the tonic, wander among the scale's own triads and lean back home."""
    bars = int(rng.choice((4, 4, 8)))
    if mode == "blues":
        return [["I7"]] + [[BLUES_CHORDS[int(rng.integers(len(BLUES_CHORDS)))]] for _ in range(bars - 1)]
    scale = SCALES[mode]
    triads = []
    for degree, pitch in enumerate(scale):
        third, fifth = ((scale[(degree + up) % 7] - pitch) % 12 for up in (2, 4))
        roman = ROMANS[pitch] if third == 4 else ROMANS[pitch].lower().replace("B", "b")
        triads.append(roman + ("dim" if fifth == 6 else ""))
    weights = np.array([2.0, 1.6, 1.0, 2.4, 2.0, 1.8, 0.9])
    weights *= [0.25 if triad.endswith("dim") else 1.0 for triad in triads]
    result, last = [], -1
    for bar in range(bars):
        here = weights.copy()
        if last >= 0:
            here[last] *= 0.2
        if bar == 0:
            here *= [3, 0.5, 0.5, 1, 0.5, 1.5, 0.2]
        elif bar == bars - 1:
            here *= [0.5, 1, 0.3, 2, 3, 0.5, 1.5]
        chords = []
        for _ in range(2 if rng.random() < 0.18 else 1):
            last = int(rng.choice(7, p=here / here.sum()))
            chords.append(triads[last])
        result.append(chords)
    return result


def progression(tonic: int, mode: str, colour: float, rng: np.random.Generator) -> list[list[Chord]]:
    """Bars of one or two chords. tonic: pitch class. colour 0-1: how often a triad gains a seventh, ninth or suspension."""
    if rng.random() < 0.3:
        bars = _functional(mode, rng)
    else:
        table = PROGRESSIONS[mode]
        bars = [bar.split() for bar in table[int(rng.integers(len(table)))].split("|")]
    if mode != "blues" and rng.random() < 0.12:  # slow harmony: every chord for two bars
        bars = [bar for bar in bars for _ in range(2)]
    seen: dict[str, str] = {}
    for bar in bars:
        for text in bar:
            if text not in seen:
                plain = text.lstrip("b#").upper().rstrip("IV") == ""
                seen[text] = _coloured(text, tonic, SCALES[mode], rng) if plain and rng.random() < colour else text
    return [[numeral(seen[text], tonic) for text in bar] for bar in bars]
