"""The pianist: how a bar is played, one function a playing style, and the table of them; two hands in most."""

from collections.abc import Callable

from engine.data.playing import Bar, Event, Hand, chance, melody, nearest, pick, place, rhythm, tones, uniform, voicing


def _left(hand: Hand, bar: Bar, offset: float, length: float, strength: float = 0.8, intervals=(0,)) -> list[Event]:
    """Notes above the chord's root, two octaves or so below the right hand."""
    root = place(bar.chord_at(offset).root, max(31, hand.low - 21))
    return [Event(bar.start + offset, length, root + interval, strength) for interval in intervals]


def _right(hand: Hand, bar: Bar, offset: float, length: float, strength: float, size: int = 3) -> list[Event]:
    keys = voicing(hand, bar.chord_at(offset), size)
    spread = uniform(hand.rng, 0, 0.006)
    return [
        Event(bar.start + offset, length, key, strength * uniform(hand.rng, 0.9, 1.05), delay_s=at * spread)
        for at, key in enumerate(keys)
    ]


def _press(hand: Hand, bar: Bar) -> None:
    """The pedal down for each chord, changed with it."""
    hand.pedals += [(bar.start + at + 0.05, bar.start + at + length - 0.05) for at, length, _ in bar.chords]


def blocks(hand: Hand, bar: Bar) -> list[Event]:
    """Chords on the beats over held octaves."""
    step = hand.remember(bar, "step", lambda: pick(hand.rng, (0.5, 1.0, 1.0, 2.0)))
    size = hand.remember(bar, "size", lambda: pick(hand.rng, (3, 3, 4)))
    short = hand.remember(bar, "short", lambda: uniform(hand.rng, 0.4, 0.97))
    octave = hand.remember(bar, "octave", lambda: pick(hand.rng, ((0,), (0, 12), (0, 7), ())))
    events = [e for at, length, _ in bar.chords for e in _left(hand, bar, at, length * 0.95, 0.85, octave)]
    for at in range(max(1, round(bar.beats / step))):
        events += _right(hand, bar, at * step, step * short, 0.95 if at * step % bar.pulse == 0 else 0.8, size)
    return events


def comping(hand: Hand, bar: Bar) -> list[Event]:
    """Syncopated chords, never quite the same."""
    size = hand.remember(bar, "size", lambda: pick(hand.rng, (2, 3, 4)))
    hits = hand.remember(bar, "comp", lambda: rhythm(hand.rng, bar.beats, 1.0, 0.9, 0.5), 2)
    if chance(hand.rng, 0.25):
        hits = rhythm(hand.rng, bar.beats, 0.8, 0.9, 0.5)
    events = (
        _left(hand, bar, 0, 1.5, 0.7, (0, 10) if 10 in bar.chord_at(0).intervals else (0, 7))
        if chance(hand.rng, 0.3)
        else []
    )
    for offset, length in hits:
        events += _right(
            hand, bar, offset, min(length, pick(hand.rng, (0.25, 0.5, 1.2))), uniform(hand.rng, 0.65, 1.0), size
        )
    return events


def arpeggios(hand: Hand, bar: Bar) -> list[Event]:
    """Broken chords, the pedal down."""
    step = hand.remember(bar, "rate", lambda: pick(hand.rng, (0.25, 0.5, 0.5)))
    orders = ((0, 1, 2, 3), (0, 2, 1, 2), (3, 2, 1, 0), (0, 1, 2, 3, 2, 1), (0, 2, 4, 2), (0, 1, 2, 3, 4, 3, 2, 1))
    order = hand.remember(bar, "order", lambda: pick(hand.rng, orders))
    events = _left(hand, bar, 0, bar.beats * 0.95) if chance(hand.rng, 0.7) else []
    for at in range(round(bar.beats / step)):
        keys = voicing(hand, bar.chord_at(at * step), 5)
        key = keys[order[at % len(order)] % len(keys)]
        events.append(Event(bar.start + at * step, step * 1.2, key, uniform(hand.rng, 0.7, 0.95)))
    if hand.remember(bar, "pedal", lambda: chance(hand.rng, 0.7)):
        _press(hand, bar)
    return events


def ballad(hand: Hand, bar: Bar) -> list[Event]:
    """Root and fifth below, soft chords above, the pedal changed with the harmony."""
    events = []
    for offset, length, _ in bar.chords:
        events += _left(hand, bar, offset, length, 0.75, (0, 12) if chance(hand.rng, 0.5) else (0, 7))
        events += _right(hand, bar, offset, length, 0.75, 4)
        for at in range(1, round(length)):
            if chance(hand.rng, 0.6):
                events += _right(hand, bar, offset + at, 1.0, 0.6, pick(hand.rng, (1, 2, 3)))
    _press(hand, bar)
    return events


def broken_octaves(hand: Hand, bar: Bar) -> list[Event]:
    """Octaves rocking low, chords off the beat high."""
    chords = hand.remember(bar, "chords", lambda: chance(hand.rng, 0.7))
    events = []
    for at in range(round(bar.beats * 2)):
        events += _left(hand, bar, at / 2, 0.45, 0.85, (12 * (at % 2),))
        if chords and at % 2 and chance(hand.rng, 0.7):
            events += _right(hand, bar, at / 2, 0.4, 0.8)
    return events


def stride(hand: Hand, bar: Bar) -> list[Event]:
    """Bass note, chord, bass note, chord; a tune above when the hand is free."""
    tune = hand.remember(bar, "tune", lambda: chance(hand.rng, 0.6))
    events = []
    for at in range(round(bar.beats)):
        low = at % 2 == 0 if bar.beats == 4 else at == 0
        fifth = bar.chord_at(at).fifth - 12 if at == 2 and chance(hand.rng, 0.5) else 0
        middle = voicing(hand, bar.chord_at(at), 3, 50, 66)
        if low:
            events += _left(hand, bar, at, 0.8, 0.95, (fifth,))
        else:
            events += [Event(bar.start + at, 0.4, key, 0.72) for key in middle]
    if tune:
        events += [
            Event(bar.start + at, length, key, 0.95) for at, length, key in melody(hand, bar, "stride", 1.4, 0.5)
        ]
    return events


def boogie(hand: Hand, bar: Bar) -> list[Event]:
    """A rolling figure in the left hand, chords or licks in the right."""
    figures = (
        (0, 4, 7, 9, 10, 9, 7, 4),
        (0, 0, 7, 7, 9, 9, 7, 7),
        (0, 12, 4, 12, 7, 12, 9, 12),
        (0, 7, 9, 7, 0, 7, 9, 7),
    )
    figure = hand.remember(bar, "figure", lambda: pick(hand.rng, figures))
    events = []
    for at in range(round(bar.beats * 2)):
        third = bar.chord_at(at / 2).third
        interval = third if figure[at % 8] == 4 else figure[at % 8]
        events += _left(hand, bar, at / 2, 0.45, 0.9 if at % 2 == 0 else 0.75, (interval,))
    for offset, length in hand.remember(bar, "licks", lambda: rhythm(hand.rng, bar.beats, 1.0, 0.6), 2):
        events += _right(hand, bar, offset, min(length, 0.4), uniform(hand.rng, 0.7, 1.0), pick(hand.rng, (1, 2, 3)))
    return events


def ostinato(hand: Hand, bar: Bar) -> list[Event]:
    """One short figure over and over."""
    notes = melody(hand, bar, "ostinato", density=2.2, syncopation=0.6, leap=0.35, phrase=1)
    return [Event(bar.start + at, min(length, 0.6), key, uniform(hand.rng, 0.75, 0.95)) for at, length, key in notes]


def tune(hand: Hand, bar: Bar) -> list[Event]:
    """A melody over held or pulsing chords."""
    lift = hand.remember(bar, "lift", lambda: pick(hand.rng, (0, 0, 12)))
    density = hand.remember(bar, "density", lambda: uniform(hand.rng, 0.8, 1.8))
    notes = melody(hand, bar, "tune", density, 0.3)
    events = [Event(bar.start + at, length, min(key + lift, 100), 1.0) for at, length, key in notes]
    if lift and chance(hand.rng, 0.3):
        events += [Event(event.beat, event.length, event.pitch - 12, 0.85) for event in events]
    for offset, length, chord in bar.chords:
        low = voicing(Hand(hand.rng, 45, 62, hand.tempo_bpm), chord, 3)
        events += [Event(bar.start + offset, length * 0.95, key, 0.65) for key in low]
        events += _left(hand, bar, offset, length * 0.95, 0.7)
    return events


def electric_comp(hand: Hand, bar: Bar) -> list[Event]:
    """Wide soft chords a little before the beat, answered by small ones."""
    hits = hand.remember(
        bar, "hits", lambda: pick(hand.rng, ((0.0, 1.5), (0.0, 2.5), (0.0, 1.5, 2.75), (0.5, 2.0), (0.0,))), 2
    )
    events = []
    for at, offset in enumerate(offset for offset in hits if offset < bar.beats):
        length = 1.4 if at == 0 else 0.6
        events += _right(hand, bar, offset, length, 0.85 - 0.1 * at, 4)
        if at == 0:
            events += _left(hand, bar, offset, length, 0.75, (0, bar.chord_at(offset).fifth))
    if chance(hand.rng, 0.3):
        key = nearest(tones(bar.scale, hand.low, hand.high), hand.last + pick(hand.rng, (3, 5, 7)))
        events.append(Event(bar.start + bar.beats - 0.5, 0.4, key, 0.8))
    return events


def clav(hand: Hand, bar: Bar) -> list[Event]:
    """Short syncopated pairs, both hands in turn."""
    events = []
    for at, (offset, _) in enumerate(hand.remember(bar, "clav", lambda: rhythm(hand.rng, bar.beats, 2.4, 0.8), 2)):
        if at % 3 == 0:
            events += _left(hand, bar, offset, 0.18, 0.85, (12,))
        else:
            events += _right(hand, bar, offset, 0.12, uniform(hand.rng, 0.55, 1.0), 2)
    return events


def montuno(hand: Hand, bar: Bar) -> list[Event]:
    """Octaves and inner notes in turn, always ahead of the beat."""
    drawing = hand.remember(
        bar, "montuno", lambda: pick(hand.rng, ("oio.oioioioioio.", "o.io.io.io.io.io", "oo.o.oo.oo.o.oo.")), 1
    )
    events = []
    for at in range(round(bar.beats * 2)):
        keys = voicing(hand, bar.chord_at(at / 2), 3)
        mark = drawing[(at + bar.index % 2 * 8) % 16]
        if mark == "o":
            events += [Event(bar.start + at / 2, 0.4, key, 0.9) for key in (keys[0], keys[0] + 12)]
        elif mark == "i":
            events += [Event(bar.start + at / 2, 0.35, key, 0.78) for key in keys[1:]]
    return events


def stabs(hand: Hand, bar: Bar) -> list[Event]:
    """The same chord shape on a figure, as if sampled."""
    figures = ((0, 0.75, 1.5, 2.5, 3.25), (0.5, 1.5, 2.5, 3.5), (0, 1.5, 3), (0, 0.75, 2, 2.75), (0.75, 1.5, 3.25))
    figure = hand.remember(bar, "figure", lambda: pick(hand.rng, figures))
    length = hand.remember(bar, "length", lambda: uniform(hand.rng, 0.12, 0.5))
    return [e for at in figure if at < bar.beats for e in _right(hand, bar, at, length, 0.95, 4)]


def pads(hand: Hand, bar: Bar) -> list[Event]:
    """Nothing but long chords."""
    size = hand.remember(bar, "size", lambda: pick(hand.rng, (2, 3, 4, 5)))
    return [e for at, length, _ in bar.chords for e in _right(hand, bar, at, length * 0.98, 0.75, size)]


def octave_tune(hand: Hand, bar: Bar) -> list[Event]:
    """A melody in bare octaves."""
    notes = melody(hand, bar, "octaves", 1.4, 0.4)
    return [Event(bar.start + at, length * 0.9, key + up, 0.95) for at, length, key in notes for up in (0, 12)]


def runs(hand: Hand, bar: Bar) -> list[Event]:
    """Scales up and down between held chords."""
    events = _right(hand, bar, 0, bar.beats / 2, 0.8)
    scale = tones(bar.scale, hand.low, hand.high + 12)
    at = scale.index(nearest(scale, hand.last))
    way = pick(hand.rng, (-1, 1))
    for step in range(round(bar.beats * 2)):
        at += way if chance(hand.rng, 0.85) else -way
        if not 0 <= at < len(scale):
            way, at = -way, max(0, min(len(scale) - 1, at))
        beat = bar.start + bar.beats / 2 + step / 4
        events.append(Event(beat, 0.3, scale[at], uniform(hand.rng, 0.7, 0.95)))
    return events


def tremolo(hand: Hand, bar: Bar) -> list[Event]:
    """A chord shaken between thumb and fingers."""
    events = []
    for at in range(round(bar.beats * 4)):
        keys = voicing(hand, bar.chord_at(at / 4), 3)
        events += [Event(bar.start + at / 4, 0.24, key, 0.7) for key in (keys[:1] if at % 2 else keys[1:])]
    return events


def sparse(hand: Hand, bar: Bar) -> list[Event]:
    """A note here and there, ringing."""
    notes = melody(hand, bar, "sparse", 0.5, 0.5, 0.5)
    hand.pedals.append((bar.start + 0.05, bar.start + bar.beats - 0.05))
    return [Event(bar.start + at, length, key, uniform(hand.rng, 0.6, 0.9)) for at, length, key in notes]


PIANO: dict[str, Callable[[Hand, Bar], list[Event]]] = {
    "blocks": blocks,
    "comping": comping,
    "arpeggios": arpeggios,
    "ballad": ballad,
    "broken_octaves": broken_octaves,
    "stride": stride,
    "boogie": boogie,
    "ostinato": ostinato,
    "tune": tune,
    "electric_comp": electric_comp,
    "clav": clav,
    "montuno": montuno,
    "stabs": stabs,
    "pads": pads,
    "octave_tune": octave_tune,
    "runs": runs,
    "tremolo": tremolo,
    "sparse": sparse,
}
