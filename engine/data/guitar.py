"""The guitarist: how a bar is played, one function a playing style, and the table of them."""

from collections.abc import Callable

from engine.data.harmony import Chord
from engine.data.playing import Bar, Event, Hand, chance, melody, nearest, pick, place, rhythm, tones, uniform, voicing

STRINGS = (40, 45, 50, 55, 59, 64)
REACH = 4  # frets under one position of the hand

STRUMS = (
    "D...D.U...U.D.U.",
    "D.D.D.D.D.D.D.D.",
    "D...D...D...D.DU",
    "D..UD..UD..UD..U",
    "D.DU.UDUD.DU.UDU",
    "D...D.U.D...D.U.",
    "D.......D..U..U.",
    "D.UDD.UDD.UDD.UD",
    "D...............",
)
CHUGS = ("XxxxXxxx", "X.xxX.xx", "X.x.X.x.", "XxxXxxXx", "X..xX..x", "X.xxX.X.", "x.x.X.x.", "XxxxX...")


def _shape(hand: Hand, chord: Chord) -> list[int]:
    """Keys under the fingers: on each string the first chord tone within reach of the song's position, root lowest."""
    position = hand.memory.setdefault(("position",), pick(hand.rng, (0, 0, 0, 2, 3, 5, 7, 9)))
    wanted = chord.pitch_classes
    keys = []
    for string in STRINGS:
        fret = next((fret for fret in range(position, position + REACH + 1) if (string + fret) % 12 in wanted), None)
        if fret is not None:
            keys.append(string + fret)
    roots = [at for at, key in enumerate(keys) if key % 12 == chord.root]
    if roots and roots[0] <= len(keys) - 3:
        keys = keys[roots[0] :]
    return keys or [place(chord.root, 40)]


def _stroke(hand: Hand, bar: Bar, offset: float, length: float, strength: float, up: bool = False) -> list[Event]:
    """A chord whose strings sound one after another: from below, or the top ones from above."""
    keys = _shape(hand, bar.chord_at(offset))
    keys = keys[::-1][: pick(hand.rng, (3, 3, 4))] if up else keys[: pick(hand.rng, (4, 5, 6, 6))]
    spread = uniform(hand.rng, 0.003, 0.016)
    return [
        Event(bar.start + offset, length, key, strength * uniform(hand.rng, 0.85, 1.05), delay_s=at * spread)
        for at, key in enumerate(keys)
    ]


def _high(hand: Hand, bar: Bar, offset: float, length: float, strength: float, size: int = 3) -> list[Event]:
    """A small chord on the upper strings."""
    keys = voicing(hand, bar.chord_at(offset), size, max(50, hand.low), max(50, hand.low) + 22)
    spread = uniform(hand.rng, 0.001, 0.008)
    return [Event(bar.start + offset, length, key, strength, delay_s=at * spread) for at, key in enumerate(keys)]


def strum(hand: Hand, bar: Bar) -> list[Event]:
    """Down and up strokes through open or barred chords."""
    pattern = hand.remember(bar, "pattern", lambda: pick(hand.rng, STRUMS))
    ring = hand.remember(bar, "ring", lambda: uniform(hand.rng, 0.4, 1.0))
    marks = [(at / 4, pattern[at % 16]) for at in range(round(bar.beats * 4)) if pattern[at % 16] != "."]
    starts = {offset for offset, _ in marks} | {offset for offset, _, _ in bar.chords}
    marks = [(offset, dict(marks).get(offset, "D")) for offset in sorted(starts)]
    events = []
    for (offset, mark), end in zip(marks, [offset for offset, _ in marks[1:]] + [bar.beats], strict=True):
        if offset == 0 or not chance(hand.rng, 0.06):
            strength = (1.0 if offset % bar.pulse == 0 else 0.85) * (0.8 if mark == "U" else 1.0)
            events += _stroke(hand, bar, offset, (end - offset) * ring, strength, mark == "U")
    return events


def palm_mute(hand: Hand, bar: Bar) -> list[Event]:
    """Chugging muted fifths between accents that ring."""
    drawing = hand.remember(bar, "chug", lambda: pick(hand.rng, CHUGS))
    step = hand.remember(bar, "rate", lambda: 0.25 if hand.tempo_bpm < 140 and chance(hand.rng, 0.5) else 0.5)
    events = []
    for at in range(round(bar.beats / step)):
        mark = drawing[at % len(drawing)]
        if mark == ".":
            continue
        chord = bar.chord_at(at * step)
        root = place(chord.root, 40)
        intervals = (0, chord.fifth, 12) if mark == "X" else (0, chord.fifth) if chance(hand.rng, 0.7) else (0,)
        length = step * (1.3 if mark == "X" else 0.45)
        events += [Event(bar.start + at * step, length, root + up, 1.05 if mark == "X" else 0.75) for up in intervals]
    return events


def power_chords(hand: Hand, bar: Bar) -> list[Event]:
    """Ringing fifths, struck with the chords or on a rhythm of their own."""
    often = hand.remember(bar, "often", lambda: chance(hand.rng, 0.6))
    hits = hand.remember(bar, "hits", lambda: rhythm(hand.rng, bar.beats, 0.9, 0.4, 0.5), 2) if often else []
    hits = hits or [(offset, length) for offset, length, _ in bar.chords]
    return [
        Event(bar.start + offset, length * 0.96, place(bar.chord_at(offset).root, 40) + up, 1.0, delay_s=0.004 * at)
        for offset, length in hits
        for at, up in enumerate((0, bar.chord_at(offset).fifth, 12))
    ]


def arpeggio(hand: Hand, bar: Bar) -> list[Event]:
    """The chord's strings one at a time, left to ring."""
    order = hand.remember(bar, "order", lambda: [0] + [int(hand.rng.integers(6)) for _ in range(15)])
    step = hand.remember(bar, "rate", lambda: pick(hand.rng, (0.25, 0.5, 0.5)))
    events = []
    for at in range(round(bar.beats / step)):
        keys = _shape(hand, bar.chord_at(at * step))
        left = max(step, min(2.0, bar.beats - at * step))
        events.append(
            Event(bar.start + at * step, left, keys[order[at % 16] % len(keys)], uniform(hand.rng, 0.65, 0.95))
        )
    return events


def fingerpicked(hand: Hand, bar: Bar) -> list[Event]:
    """The thumb keeps a bass going in quarters, fingers pluck above it."""
    plucks = hand.remember(bar, "plucks", lambda: [chance(hand.rng, 0.6) for _ in range(8)])
    events = []
    for at in range(round(bar.beats * 2)):
        keys = _shape(hand, bar.chord_at(at / 2))
        if at % 2 == 0:
            events.append(Event(bar.start + at / 2, 0.95, keys[0 if at % 4 == 0 else min(1, len(keys) - 1)], 0.85))
        if plucks[at % 8]:
            for key in keys[2:][-1 - at % 3 :][: pick(hand.rng, (1, 1, 2))]:
                events.append(Event(bar.start + at / 2, 1.0, key, uniform(hand.rng, 0.6, 0.95)))
    return events


def scratch(hand: Hand, bar: Bar) -> list[Event]:
    """Funk: short high chords among dead strokes, in sixteenths."""

    def strokes() -> list[str]:
        return [pick(hand.rng, "X..g" if at % 4 == 0 else "Xgg..") for at in range(round(bar.beats * 4))]

    events = []
    for at, mark in enumerate(hand.remember(bar, "scratch", strokes, 2)):
        if mark == "X":
            events += _high(hand, bar, at / 4, pick(hand.rng, (0.15, 0.2, 0.35)), uniform(hand.rng, 0.85, 1.05))
        elif mark == "g" and chance(hand.rng, 0.8):
            events += _high(hand, bar, at / 4, 0.04, uniform(hand.rng, 0.3, 0.5), 2)
    return events


def lead(hand: Hand, bar: Bar) -> list[Event]:
    """A sung line with bends, slides and vibrato."""
    density = hand.remember(bar, "density", lambda: uniform(hand.rng, 0.8, 2.4))
    events = []
    for offset, length, key in melody(hand, bar, "lead", density, 0.45):
        gesture = "vibrato" if length > 0.8 and chance(hand.rng, 0.5) else pick(hand.rng, ("", "", "", "bend", "slide"))
        events.append(Event(bar.start + offset, length * 0.97, key, uniform(hand.rng, 0.8, 1.1), gesture=gesture))
    return events


def riff(hand: Hand, bar: Bar) -> list[Event]:
    """A figure on the low strings, the same every bar or two."""

    def figure() -> list[tuple[float, float, int]]:
        steps = pick(
            hand.rng, ((0, 3, 5, 7, 10), (0, 7, 12), (0, 2, 3, 7), (0, 1, 0, 3), (0, 5, 7, 10, 12), (0, 4, 7, 9))
        )
        notes = rhythm(hand.rng, bar.beats, uniform(hand.rng, 1.2, 3.0), uniform(hand.rng, 0.1, 0.8))
        return [(offset, length, pick(hand.rng, steps) if at else 0) for at, (offset, length) in enumerate(notes)]

    follow = hand.remember(bar, "follow", lambda: chance(hand.rng, 0.6))
    scale = tones((*bar.scale, *bar.chords[0][2].pitch_classes), 38, 76)
    events = []
    for offset, length, interval in hand.remember(bar, "riff", figure, 2):
        root = place(bar.chord_at(offset).root if follow else bar.scale[0], 40)
        key = root + interval if interval in (0, 7, 12) else nearest(scale, root + interval)
        gesture = "bend" if chance(hand.rng, 0.04) else ""
        events.append(Event(bar.start + offset, min(length, 1.0) * 0.85, key, 0.95, gesture=gesture))
    return events


def pad(hand: Hand, bar: Bar) -> list[Event]:
    """Held chords, at times swelling in from nothing."""
    swell = hand.remember(bar, "swell", lambda: chance(hand.rng, 0.4))
    events = []
    for offset, length, _ in bar.chords:
        chord = _high(hand, bar, offset, length * 0.98, 0.8, 4)
        if swell:
            chord[0].gesture = "swell"
        events += chord
    return events


def feedback(hand: Hand, bar: Bar) -> list[Event]:
    """One or two long, high, trembling notes."""
    keys = tones(bar.chord_at(0).pitch_classes, max(60, hand.low), max(60, hand.low) + 20)
    key = nearest(keys, hand.last or 70)
    hand.last = key
    gesture = pick(hand.rng, ("vibrato", "vibrato", "bend", "swell"))
    events = [Event(bar.start, bar.beats * 0.98, key, 0.95, gesture=gesture)]
    if chance(hand.rng, 0.3):
        events.append(Event(bar.start, bar.beats * 0.98, key + bar.chord_at(0).fifth - 12, 0.8))
    return events


def skank(hand: Hand, bar: Bar) -> list[Event]:
    """Short chords off the beat, or on two and four."""
    places = hand.remember(bar, "skank", lambda: pick(hand.rng, ("off", "off", "back", "double")))
    offsets = {
        "off": [at + 0.5 for at in range(round(bar.beats))],
        "back": [at + 1.0 for at in range(0, round(bar.beats) - 1, 2)],
        "double": [at + up for at in range(round(bar.beats)) for up in (0.5, 0.75)],
    }[places]
    length = hand.remember(bar, "short", lambda: uniform(hand.rng, 0.12, 0.4))
    return [event for at in offsets for event in _high(hand, bar, at, length, uniform(hand.rng, 0.8, 1.0))]


def double_stops(hand: Hand, bar: Bar) -> list[Event]:
    """A tune in thirds or sixths of the scale."""
    scale = tones(bar.scale, hand.low, hand.high + 12)
    distance = hand.remember(bar, "apart", lambda: pick(hand.rng, (2, 2, 5)))
    events = []
    for offset, length, key in melody(hand, bar, "stops", 1.0, 0.5):
        at = scale.index(nearest(scale, key))
        for note in {key, scale[min(len(scale) - 1, at + distance)]}:
            events.append(Event(bar.start + offset, length * 0.9, note, 0.85))
    return events


def bossa(hand: Hand, bar: Bar) -> list[Event]:
    """Thumb on the strong beats, chords plucked around them."""
    hits = hand.remember(bar, "bossa", lambda: rhythm(hand.rng, bar.beats, 1.2, 0.8, 0.5), 2)
    events = []
    for at in range(0, round(bar.beats), 2):
        root = place(bar.chord_at(at).root, 40)
        events.append(Event(bar.start + at, 1.6, root + (bar.chord_at(at).fifth if at else 0), 0.85))
    for offset, length in hits:
        events += _high(hand, bar, offset, min(0.7, length), uniform(hand.rng, 0.7, 0.95))
    return events


def stabs(hand: Hand, bar: Bar) -> list[Event]:
    """Few chords, hard and short, on a figure."""
    hits = hand.remember(bar, "stabs", lambda: rhythm(hand.rng, bar.beats, 0.8, 0.9), 2)
    return [
        event
        for offset, length in hits
        for event in _stroke(
            hand, bar, offset, min(length, pick(hand.rng, (0.2, 0.4, 1.0))), 1.05, chance(hand.rng, 0.3)
        )
    ]


def tremolo(hand: Hand, bar: Bar) -> list[Event]:
    """A tune in fast repeated notes."""
    step = 0.125 if hand.tempo_bpm < 100 else 0.25
    events = []
    for offset, length, key in melody(hand, bar, "tremolo", 0.8, 0.2):
        for at in range(max(1, round(length / step))):
            events.append(Event(bar.start + offset + at * step, step * 0.8, key, uniform(hand.rng, 0.6, 0.9)))
    return events


def chop(hand: Hand, bar: Bar) -> list[Event]:
    """A chord every quarter, cut short, as in a swing band."""
    length = hand.remember(bar, "cut", lambda: uniform(hand.rng, 0.25, 0.7))
    return [
        event
        for at in range(round(bar.beats))
        for event in _stroke(hand, bar, at, length, 0.95 if at % 2 else 0.78)[: pick(hand.rng, (3, 4))]
    ]


GUITAR: dict[str, Callable[[Hand, Bar], list[Event]]] = {
    "strum": strum,
    "palm_mute": palm_mute,
    "power_chords": power_chords,
    "arpeggio": arpeggio,
    "fingerpicked": fingerpicked,
    "scratch": scratch,
    "lead": lead,
    "riff": riff,
    "pad": pad,
    "feedback": feedback,
    "skank": skank,
    "double_stops": double_stops,
    "bossa": bossa,
    "stabs": stabs,
    "tremolo": tremolo,
    "chop": chop,
}
