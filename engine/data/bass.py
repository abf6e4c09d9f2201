"""The bass player: how a bar is played, one function a playing style."""

from collections.abc import Callable

from engine.data.playing import Bar, Event, Hand, chance, melody, nearest, pick, place, rhythm, tones, uniform


def _root(hand: Hand, bar: Bar, offset: float) -> int:
    return place(bar.chord_at(offset).root, hand.low)


def roots(hand: Hand, bar: Bar) -> list[Event]:
    step = hand.remember(bar, "step", lambda: pick(hand.rng, (0.5, 0.5, 1.0, 2.0, bar.beats)))
    return [
        Event(
            bar.start + i * step, step * uniform(hand.rng, 0.6, 1.0), _root(hand, bar, i * step), 0.85 if i % 2 else 1.0
        )
        for i in range(round(bar.beats / step))
    ]


def with_kick(hand: Hand, bar: Bar) -> list[Event]:
    places = bar.kick or (0.0,)
    ends = (*places[1:], bar.beats)
    return [
        Event(bar.start + at, (end - at) * uniform(hand.rng, 0.5, 0.95), _root(hand, bar, at), 1.0)
        for at, end in zip(places, ends, strict=True)
    ]


def octaves(hand: Hand, bar: Bar) -> list[Event]:
    return [
        Event(bar.start + i / 2, 0.4, _root(hand, bar, i / 2) + (12 if i % 2 else 0), 0.9 - 0.15 * (i % 2))
        for i in range(round(bar.beats * 2))
        if not chance(hand.rng, 0.06)
    ]


def walking(hand: Hand, bar: Bar) -> list[Event]:
    events, last = [], hand.last or _root(hand, bar, 0)
    for beat in range(round(bar.beats)):
        chord = bar.chord_at(beat)
        if beat == 0:
            pitch = _root(hand, bar, 0)
        else:
            pool = chord.pitch_classes if chance(hand.rng, 0.6) else bar.scale
            pitch = nearest(
                [key for key in tones(pool, hand.low, hand.high) if key != last] or [last + 1],
                last + pick(hand.rng, (-3, -2, 2, 3)),
            )
        last = hand.last = pitch
        events.append(Event(bar.start + beat, 0.9, pitch, uniform(hand.rng, 0.8, 1.0)))
        if chance(hand.rng, 0.12):
            events.append(Event(bar.start + beat + 0.5, 0.3, pitch, 0.6))
    return events


def syncopated(hand: Hand, bar: Bar) -> list[Event]:
    """Slap and pop: dead short notes off the beat, octaves popped."""
    events = []
    for offset, length in hand.remember(bar, "slap", lambda: rhythm(hand.rng, bar.beats, 1.6, 0.8), 2):
        up = 12 if chance(hand.rng, 0.3) else pick(hand.rng, (0, 0, 0, bar.chord_at(offset).fifth, -2))
        events.append(
            Event(bar.start + offset, min(length, 0.4), _root(hand, bar, offset) + up, uniform(hand.rng, 0.6, 1.0))
        )
    return events


def arpeggio(hand: Hand, bar: Bar) -> list[Event]:
    shape = hand.remember(bar, "shape", lambda: [pick(hand.rng, (0, 1, 2, 3, 2)) for _ in range(8)])
    events = []
    for i in range(round(bar.beats * 2)):
        keys = tones(bar.chord_at(i / 2).pitch_classes, _root(hand, bar, i / 2), hand.high + 7)
        events.append(
            Event(bar.start + i / 2, 0.5, keys[min(shape[i % 8], len(keys) - 1)], uniform(hand.rng, 0.75, 1.0))
        )
    return events


def pedal(hand: Hand, bar: Bar) -> list[Event]:
    key = place(bar.scale[0], hand.low)
    step = hand.remember(bar, "pedal", lambda: pick(hand.rng, (0.25, 0.5, 0.5, 1.0)))
    return [
        Event(bar.start + i * step, step * 0.8, key, 1.0 if i % 4 == 0 else 0.75)
        for i in range(round(bar.beats / step))
    ]


def riff(hand: Hand, bar: Bar) -> list[Event]:
    notes = melody(hand, bar, "riff", density=1.5, syncopation=0.5, leap=0.2)
    return [
        Event(bar.start + at, length, key, uniform(hand.rng, 0.75, 1.0), gesture=pick(hand.rng, ("", "", "", "slide")))
        for at, length, key in notes
    ]


def long(hand: Hand, bar: Bar) -> list[Event]:
    return [Event(bar.start + at, length * 0.98, place(chord.root, hand.low), 0.9) for at, length, chord in bar.chords]


def two_feel(hand: Hand, bar: Bar) -> list[Event]:
    half = bar.beats / 2
    return [
        Event(
            bar.start + i * half,
            half * 0.8,
            _root(hand, bar, i * half) + (bar.chord_at(i * half).fifth if i else 0),
            0.9,
        )
        for i in range(2)
    ]


BASS: dict[str, Callable[[Hand, Bar], list[Event]]] = {
    "roots": roots, "with_kick": with_kick, "octaves": octaves, "walking": walking, "syncopated": syncopated,
    "arpeggio": arpeggio, "pedal": pedal, "riff": riff, "long": long, "two_feel": two_feel,
}  # fmt: skip
