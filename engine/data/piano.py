"""The pianist: how a bar is played, one function a playing style; two hands in most."""

from collections.abc import Callable

from engine.data.playing import Bar, Event, Hand, chance, melody, pick, place, rhythm, uniform, voicing


def _left(
    hand: Hand, bar: Bar, offset: float, length: float, velocity: float = 0.8, octave: bool = False
) -> list[Event]:
    root = place(bar.chord_at(offset).root, max(33, hand.low - 19))
    return [Event(bar.start + offset, length, key, velocity) for key in ((root, root + 12) if octave else (root,))]


def _right(hand: Hand, bar: Bar, offset: float, length: float, velocity: float, size: int = 3) -> list[Event]:
    keys = voicing(hand, bar.chord_at(offset), size)
    return [Event(bar.start + offset, length, key, velocity, delay_s=uniform(hand.rng, 0, 0.008)) for key in keys]


def blocks(hand: Hand, bar: Bar) -> list[Event]:
    step = hand.remember(bar, "step", lambda: pick(hand.rng, (0.5, 1.0, 1.0, 2.0)))
    events = _left(hand, bar, 0, bar.beats * 0.95, octave=chance(hand.rng, 0.4))
    for i in range(round(bar.beats / step)):
        events += _right(hand, bar, i * step, step * uniform(hand.rng, 0.6, 0.95), 0.9 if i % 2 == 0 else 0.75)
    return events


def comping(hand: Hand, bar: Bar) -> list[Event]:
    size = hand.remember(bar, "size", lambda: pick(hand.rng, (2, 3, 4)))
    hits = hand.remember(bar, "comp", lambda: rhythm(hand.rng, bar.beats, 1.0, 0.9, 0.5), 2)
    events = _left(hand, bar, 0, 1.5) if chance(hand.rng, 0.4) else []
    for offset, length in hits:
        events += _right(
            hand, bar, offset, min(length, pick(hand.rng, (0.3, 0.5, 1.0))), uniform(hand.rng, 0.6, 0.95), size
        )
    return events


def arpeggios(hand: Hand, bar: Bar) -> list[Event]:
    step = hand.remember(bar, "rate", lambda: pick(hand.rng, (0.25, 0.5, 0.5, 1 / 3)))
    shape = hand.remember(
        bar, "shape", lambda: pick(hand.rng, ((0, 1, 2, 3), (0, 2, 1, 2), (3, 2, 1, 0), (0, 1, 2, 3, 2, 1)))
    )
    events = _left(hand, bar, 0, bar.beats)
    for i in range(round(bar.beats / step)):
        keys = voicing(hand, bar.chord_at(i * step), 4)
        events.append(
            Event(
                bar.start + i * step, step * 1.5, keys[shape[i % len(shape)] % len(keys)], uniform(hand.rng, 0.65, 0.9)
            )
        )
    _press(hand, bar)
    return events


def ballad(hand: Hand, bar: Bar) -> list[Event]:
    events = []
    for at, length, _ in bar.chords:
        events += _left(hand, bar, at, length, 0.7) + _right(hand, bar, at, length, 0.7, 4)
        if length >= 2:
            events += _right(hand, bar, at + length / 2, length / 2, 0.55, 2)
    _press(hand, bar)
    return events


def octaves(hand: Hand, bar: Bar) -> list[Event]:
    """Broken octaves low, off-beat chords high."""
    events = []
    for i in range(round(bar.beats * 2)):
        root = place(bar.chord_at(i / 2).root, max(33, hand.low - 19))
        events.append(Event(bar.start + i / 2, 0.45, root + 12 * (i % 2), 0.8))
        if i % 2 and chance(hand.rng, 0.6):
            events += _right(hand, bar, i / 2, 0.4, 0.75)
    return events


def stride(hand: Hand, bar: Bar) -> list[Event]:
    events = []
    for i in range(round(bar.beats)):
        events += _left(hand, bar, i, 0.7, 0.9) if i % 2 == 0 else _right(hand, bar, i, 0.4, 0.7)
    return events + [
        Event(bar.start + at, length, key, 0.85) for at, length, key in melody(hand, bar, "stride", 1.2, 0.5)
    ]


def ostinato(hand: Hand, bar: Bar) -> list[Event]:
    notes = melody(hand, bar, "ostinato", density=2.0, syncopation=0.6, leap=0.35, phrase=1)
    return [Event(bar.start + at, min(length, 0.5), key, uniform(hand.rng, 0.7, 0.9)) for at, length, key in notes]


def tune(hand: Hand, bar: Bar) -> list[Event]:
    """Melody over held chords."""
    events = [
        Event(bar.start + at, length, min(key + 7, 96), 0.95) for at, length, key in melody(hand, bar, "tune", 1.1, 0.3)
    ]
    for at, length, _ in bar.chords:
        events += _right(hand, bar, at, length * 0.95, 0.6) + _left(hand, bar, at, length, 0.65)
    return events


def clav(hand: Hand, bar: Bar) -> list[Event]:
    """Short syncopated pairs, both hands in turn."""
    events = []
    for i, (offset, _) in enumerate(hand.remember(bar, "clav", lambda: rhythm(hand.rng, bar.beats, 2.0, 0.8), 2)):
        events += (
            _left(hand, bar, offset, 0.2, 0.75)
            if i % 3 == 0
            else _right(hand, bar, offset, 0.15, uniform(hand.rng, 0.6, 1.0), 2)
        )
    return events


def tremolo(hand: Hand, bar: Bar) -> list[Event]:
    events = []
    for i in range(round(bar.beats * 4)):
        keys = voicing(hand, bar.chord_at(i / 4), 3)
        events += [Event(bar.start + i / 4, 0.24, key, 0.65) for key in (keys[:1] if i % 2 else keys[1:])]
    return events


def _press(hand: Hand, bar: Bar) -> None:
    """The pedal down for each chord, changed with it."""
    hand.pedals += [(bar.start + at + 0.05, bar.start + at + length - 0.05) for at, length, _ in bar.chords]


PIANO: dict[str, Callable[[Hand, Bar], list[Event]]] = {
    "blocks": blocks, "comping": comping, "arpeggios": arpeggios, "ballad": ballad, "octaves": octaves, "stride": stride,
    "ostinato": ostinato, "tune": tune, "clav": clav, "tremolo": tremolo,
}  # fmt: skip
