"""The guitarist: how a bar is played, one function a playing style."""

from collections.abc import Callable

from engine.data.playing import Bar, Event, Hand, chance, melody, pick, place, rhythm, uniform, voicing

STRUMS = (
    "D...D.U...U.D.U.",
    "D.D.D.D.D.D.D.D.",
    "D...D...D...D.DU",
    "D..UD..UD..UD..U",
    "D.DU.UDUD.DU.UDU",
    "....D.......D...",
    "..U...U...U...U.",
)


def _strum(hand: Hand, bar: Bar, offset: float, length: float, velocity: float, up: bool) -> list[Event]:
    """A chord whose strings sound one after another, from below or from above."""
    keys = voicing(hand, bar.chord_at(offset), hand.remember(bar, "strings", lambda: pick(hand.rng, (3, 4, 5, 6))))
    spread = uniform(hand.rng, 0.004, 0.018)
    keys = keys[::-1][:3] if up else keys
    return [
        Event(bar.start + offset, length, key, velocity * (1 - 0.03 * i), delay_s=i * spread)
        for i, key in enumerate(keys)
    ]


def strum(hand: Hand, bar: Bar) -> list[Event]:
    pattern = hand.remember(bar, "pattern", lambda: pick(hand.rng, STRUMS))
    marks = [(i / 4, pattern[i % 16]) for i in range(round(bar.beats * 4)) if pattern[i % 16] != "."]
    ends = [offset for offset, _ in marks[1:]] + [bar.beats]
    events = []
    for (offset, mark), end in zip(marks, ends, strict=True):
        if not chance(hand.rng, 0.05):
            events += _strum(
                hand,
                bar,
                offset,
                (end - offset) * uniform(hand.rng, 0.6, 1.0),
                0.9 if mark == "D" else 0.7,
                mark == "U",
            )
    return events


def power(hand: Hand, bar: Bar) -> list[Event]:
    """Palm-muted fifths."""
    step = hand.remember(bar, "chug", lambda: pick(hand.rng, (0.25, 0.5, 0.5)))
    events = []
    for i in range(round(bar.beats / step)):
        chord = bar.chord_at(i * step)
        root = place(chord.root, hand.low)
        accent = i % round(1 / step) == 0
        if accent or not chance(hand.rng, 0.12):
            length = step * (uniform(hand.rng, 0.8, 1.0) if accent else 0.5)
            keys = (root, root + chord.fifth, root + 12) if accent else (root, root + chord.fifth)
            events += [Event(bar.start + i * step, length, key, 1.0 if accent else 0.75) for key in keys]
    return events


def ringing_power(hand: Hand, bar: Bar) -> list[Event]:
    return [
        Event(bar.start + at, length * 0.98, place(chord.root, hand.low) + up, 0.95)
        for at, length, chord in bar.chords
        for up in (0, chord.fifth, 12)
    ]


def fingerpicked(hand: Hand, bar: Bar) -> list[Event]:
    order = hand.remember(bar, "fingers", lambda: [pick(hand.rng, (0, 1, 2, 3, 2, 1)) for _ in range(16)])
    step = hand.remember(bar, "rate", lambda: pick(hand.rng, (0.25, 0.5, 0.5)))
    events = []
    for i in range(round(bar.beats / step)):
        keys = voicing(hand, bar.chord_at(i * step), 4)
        events.append(
            Event(
                bar.start + i * step,
                uniform(hand.rng, 0.5, 2.0),
                keys[order[i % 16] % len(keys)],
                uniform(hand.rng, 0.6, 0.95),
            )
        )
    return events


def scratch(hand: Hand, bar: Bar) -> list[Event]:
    """Funk: short high chords on sixteenths, most of them ghosts."""
    hits = hand.remember(bar, "scratch", lambda: rhythm(hand.rng, bar.beats, 2.2, 0.9), 2)
    events = []
    for offset, _ in hits:
        events += _strum(
            hand, bar, offset, uniform(hand.rng, 0.08, 0.2), uniform(hand.rng, 0.5, 1.0), chance(hand.rng, 0.5)
        )
    return events


def lead(hand: Hand, bar: Bar) -> list[Event]:
    notes = melody(hand, bar, "lead", density=1.3, syncopation=0.4)
    gesture = lambda: pick(hand.rng, ("", "", "bend", "vibrato", "slide"))  # noqa: E731
    return [
        Event(bar.start + at, length, key, uniform(hand.rng, 0.75, 1.0), gesture=gesture()) for at, length, key in notes
    ]


def riff(hand: Hand, bar: Bar) -> list[Event]:
    notes = melody(hand, bar, "riff", density=1.8, syncopation=0.5, leap=0.15, phrase=1)
    return [
        Event(bar.start + at, min(length, 0.6), key - 12 if key - 12 >= hand.low else key, 0.95)
        for at, length, key in notes
    ]


def pad(hand: Hand, bar: Bar) -> list[Event]:
    return [
        Event(bar.start + at, length, key, 0.7)
        for at, length, _ in bar.chords
        for key in voicing(hand, bar.chord_at(at), 4)
    ]


def offbeat(hand: Hand, bar: Bar) -> list[Event]:
    return [
        event
        for i in range(round(bar.beats))
        for event in _strum(hand, bar, i + 0.5, 0.25, 0.85, chance(hand.rng, 0.5))
    ]


def double_stops(hand: Hand, bar: Bar) -> list[Event]:
    notes = melody(hand, bar, "stops", density=1.0, syncopation=0.5)
    return [
        Event(bar.start + at, length, key + up, 0.85) for at, length, key in notes for up in (0, bar.chord_at(at).third)
    ]


GUITAR: dict[str, Callable[[Hand, Bar], list[Event]]] = {
    "strum": strum, "power": power, "ringing_power": ringing_power, "fingerpicked": fingerpicked, "scratch": scratch,
    "lead": lead, "riff": riff, "pad": pad, "offbeat": offbeat, "double_stops": double_stops,
}  # fmt: skip
