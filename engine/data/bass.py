"""The bass player: how a bar is played, one function a playing style, and the table of them."""

from collections.abc import Callable

from engine.data.playing import Bar, Event, Hand, chance, melody, nearest, pick, place, rhythm, tones, uniform

Style = Callable[[Hand, Bar], list[Event]]


def _root(hand: Hand, bar: Bar, offset: float) -> int:
    """The chord's root low on the neck, near the hand's usual place."""
    chord = bar.chord_at(offset)
    shift = hand.memory.setdefault(("shift",), pick(hand.rng, (0, 0, 2, 5, 9)))
    return place(chord.root, hand.low + shift)


def _loud(accent: float = 0.0) -> float:
    """Relative strength of a note, 1 being the player's usual; accent in hundredths."""
    return 0.92 + accent / 100


def roots(hand: Hand, bar: Bar) -> list[Event]:
    """Steady eighths or quarters on the root, sometimes the octave or fifth at the end."""
    step = hand.remember(bar, "step", lambda: pick(hand.rng, (0.5, 0.5, 1.0)))
    short = hand.remember(bar, "short", lambda: uniform(hand.rng, 0.45, 0.98))
    events = []
    for at in range(round(bar.beats / step)):
        offset = at * step
        pitch = _root(hand, bar, offset)
        if offset >= bar.beats - 1 and chance(hand.rng, 0.15):
            pitch += pick(hand.rng, (12, bar.chord_at(offset).fifth, -1, 2))
        accent = 10 if offset % bar.pulse == 0 else -4
        events.append(Event(bar.start + offset, step * short, pitch, _loud(accent)))
    return events


def long_notes(hand: Hand, bar: Bar) -> list[Event]:
    """One note a chord, held, with a pick-up now and then."""
    events = []
    for offset, length, _ in bar.chords:
        held = length - (0.5 if chance(hand.rng, 0.25) else 0)
        gesture = pick(hand.rng, ("", "", "", "slide", "vibrato"))
        events.append(Event(bar.start + offset, held * 0.97, _root(hand, bar, offset), _loud(), gesture=gesture))
        if held < length:
            pitch = _root(hand, bar, offset) + pick(hand.rng, (7, 12, -2, 5))
            events.append(Event(bar.start + offset + held, 0.45, pitch, _loud(-10)))
    return events


def octaves(hand: Hand, bar: Bar) -> list[Event]:
    """Root and octave in turn, eighths or galloping sixteenths."""
    drawing = hand.remember(bar, "drawing", lambda: pick(hand.rng, ("lhlh", "lhlh", "l.lh", "lh.h", ".hlh", "llhh")))
    events = []
    step = 0.5 if len(bar.chords) == 1 or chance(hand.rng, 0.9) else 0.25
    for at in range(round(bar.beats / step)):
        mark = drawing[at % 4]
        if mark != ".":
            pitch = _root(hand, bar, at * step) + (12 if mark == "h" else 0)
            events.append(Event(bar.start + at * step, step * 0.7, pitch, _loud(-8 if mark == "h" else 6)))
    return events


def walking(hand: Hand, bar: Bar) -> list[Event]:
    """Quarters: the root on the change, chord and scale tones between, a leading note into the next."""
    events = []
    scale = tones(bar.scale, hand.low, hand.high)
    at = hand.last if hand.low <= hand.last <= hand.high else round(hand.centre)
    for beat in range(round(bar.beats)):
        chord = bar.chord_at(beat)
        if any(abs(offset - beat) < 0.01 for offset, _, _ in bar.chords):
            at = nearest(tones((chord.root,), hand.low, hand.high), at)
        elif beat == bar.beats - 1 and chance(hand.rng, 0.4):
            at += pick(hand.rng, (-1, 1))
        elif chance(hand.rng, 0.5):
            at = nearest(tones(chord.pitch_classes, hand.low, hand.high), at + pick(hand.rng, (-5, -3, 3, 4, 5)))
        else:
            at = nearest(scale, at + pick(hand.rng, (-2, 2)))
        events.append(Event(bar.start + beat, 0.9, at, _loud(6 if beat % 2 else 0)))
        if chance(hand.rng, 0.12):
            events[-1].length = 0.45
            events.append(Event(bar.start + beat + 0.5, 0.35, at, _loud(-18)))
    hand.last = at
    return events


def slap(hand: Hand, bar: Bar) -> list[Event]:
    """Syncopated sixteenths: thumped roots, popped octaves and sevenths, dead notes."""

    def drawing() -> list[tuple[float, str]]:
        marks = "t...p..t..tp..g."
        hits = []
        for at in range(round(bar.beats * 4)):
            if at == 0:
                hits.append((0.0, "t"))
            elif chance(hand.rng, 0.42 if at % 2 else 0.5):
                hits.append((at * 0.25, pick(hand.rng, "ttpgg" if marks[at % 16] == "." else "ttppg")))
        return hits

    events = []
    for offset, mark in hand.remember(bar, "slap", drawing, 2):
        pitch = _root(hand, bar, offset)
        if mark == "p":
            pitch += pick(hand.rng, (12, 12, 12, 10, 7))
        length = {"t": 0.3, "p": 0.18, "g": 0.06}[mark]
        events.append(Event(bar.start + offset, length, pitch, _loud({"t": 8, "p": 16, "g": -26}[mark])))
    return events


def arpeggio(hand: Hand, bar: Bar) -> list[Event]:
    """Up and down the chord."""
    order = hand.remember(bar, "order", lambda: [0] + [int(hand.rng.integers(5)) for _ in range(7)])
    step = hand.remember(bar, "step", lambda: pick(hand.rng, (0.5, 0.5, 1.0, 0.25)))
    events = []
    for at in range(round(bar.beats / step)):
        chord = bar.chord_at(at * step)
        root = _root(hand, bar, at * step)
        ladder = [root, root + chord.fifth, root + 12, root + 12 + chord.third, root + chord.third]
        events.append(Event(bar.start + at * step, step * 0.92, ladder[order[at % 8]], _loud(4 if at % 2 == 0 else -4)))
    return events


def pedal(hand: Hand, bar: Bar) -> list[Event]:
    """The key's own note under whatever happens above."""
    tonic = place(bar.scale[0], hand.low)
    notes = hand.remember(bar, "pedal", lambda: rhythm(hand.rng, bar.beats, 1.6, 0.3, 0.5))
    short = hand.remember(bar, "short", lambda: uniform(hand.rng, 0.4, 0.98))
    return [
        Event(bar.start + offset, length * short, tonic + (12 if chance(hand.rng, 0.08) else 0), _loud())
        for offset, length in notes
    ]


def riff(hand: Hand, bar: Bar) -> list[Event]:
    """A figure over one or two bars, the same intervals on every chord."""

    def figure() -> list[tuple[float, float, int]]:
        steps = pick(
            hand.rng, ((0, 7, 10, 12), (0, 3, 5, 7), (0, 12, 10, 7), (0, -2, 0, 3), (0, 5, 7, 12), (0, 2, 4, 7))
        )
        density = uniform(hand.rng, 1.0, 2.6)
        return [
            (offset, length, steps[0] if at == 0 else pick(hand.rng, steps))
            for at, (offset, length) in enumerate(rhythm(hand.rng, bar.beats, density, uniform(hand.rng, 0.1, 0.9)))
        ]

    scale = tones(bar.scale, hand.low - 3, hand.high + 12)
    events = []
    for offset, length, interval in hand.remember(bar, "riff", figure, 2):
        wanted = _root(hand, bar, offset) + interval
        pitch = wanted if interval in (0, 7, 12) else nearest(scale, wanted)
        gesture = "slide" if chance(hand.rng, 0.05) else ""
        events.append(Event(bar.start + offset, min(length, 1.5) * 0.85, pitch, _loud(), gesture=gesture))
    return events


def with_kick(hand: Hand, bar: Bar) -> list[Event]:
    """Locked to the bass drum, with passing notes between."""
    hits = sorted(set(bar.kick)) or [0.0]
    if 0.0 not in hits and chance(hand.rng, 0.8):
        hits = [0.0, *hits]
    events = []
    for offset, end in zip(hits, [*hits[1:], bar.beats], strict=True):
        length = min(end - offset, hand.remember(bar, "hold", lambda: pick(hand.rng, (0.3, 0.5, 1.0, 2.0))))
        events.append(Event(bar.start + offset, length * 0.95, _root(hand, bar, offset), _loud(4)))
        if end - offset > 1 and chance(hand.rng, 0.3):
            pitch = _root(hand, bar, offset) + pick(hand.rng, (7, 12, bar.chord_at(offset).third))
            events.append(Event(bar.start + end - 0.5, 0.4, pitch, _loud(-8)))
    return events


def two_beat(hand: Hand, bar: Bar) -> list[Event]:
    """Root and fifth in turn on the strong beats."""
    events = []
    step = 2.0 if bar.beats == 4 else bar.pulse if bar.pulse > 1 else bar.beats
    for at in range(round(bar.beats / step)):
        root = _root(hand, bar, at * step)
        fifth = root + bar.chord_at(at * step).fifth
        pitch = root if at % 2 == 0 else (fifth - 12 if fifth - 12 >= hand.low else fifth)
        events.append(Event(bar.start + at * step, step * uniform(hand.rng, 0.45, 0.9), pitch, _loud()))
    if bar.last and bar.beats == 4:  # a walk up into the next section
        events[-1].length = 0.9
        events.append(
            Event(bar.start + 3, 0.9, nearest(tones(bar.scale, hand.low, hand.high), events[-1].pitch + 2), _loud())
        )
    return events


def tumbao(hand: Hand, bar: Bar) -> list[Event]:
    """Anticipated: the fifth before the third beat, the next root before the bar ends."""
    root = _root(hand, bar, 0)
    following = _root(hand, bar, bar.beats)
    places = (
        (1.5, 1.4, root + bar.chord_at(1.5).fifth),
        (bar.beats - 1, 0.9, following + 12 if chance(hand.rng, 0.3) else following),
    )
    events = [Event(bar.start + offset, length, pitch, _loud()) for offset, length, pitch in places]
    if bar.index == 0 or chance(hand.rng, 0.15):
        events.insert(0, Event(bar.start, 1.3, root, _loud(6)))
    return events


def dub(hand: Hand, bar: Bar) -> list[Event]:
    """Few, deep, late notes with space around them."""
    notes = hand.remember(bar, "dub", lambda: rhythm(hand.rng, bar.beats, 0.9, 0.7, 0.5), 2)
    order = hand.remember(bar, "tones", lambda: [0] + [int(hand.rng.integers(3)) for _ in range(15)], 2)
    events = []
    for at, (offset, length) in enumerate(notes):
        if at and chance(hand.rng, 0.1):
            continue
        chord = bar.chord_at(offset)
        pitch = _root(hand, bar, offset) + (0, chord.fifth, chord.third)[order[at % 16]]
        events.append(Event(bar.start + offset, min(length, 1.2) * 0.8, pitch, _loud(6)))
    return events


def melodic(hand: Hand, bar: Bar) -> list[Event]:
    """A tune of its own, high on the neck."""
    high = Hand(hand.rng, hand.low + 7, hand.high + 8, hand.tempo_bpm, hand.memory, hand.pedals, hand.last)
    notes = melody(high, bar, "bass tune", 1.3, 0.4)
    hand.last = high.last
    return [
        Event(
            bar.start + offset, length * 0.9, pitch, _loud(), gesture=pick(hand.rng, ("", "", "", "vibrato", "slide"))
        )
        for offset, length, pitch in notes
    ]


def sub_drone(hand: Hand, bar: Bar) -> list[Event]:
    """A very low note across the bar, an octave jump or slide at its end."""
    pitch = place(bar.chord_at(0).root, max(24, hand.low - 4))
    events = [Event(bar.start, bar.beats * 0.98, pitch, _loud(4))]
    if chance(hand.rng, 0.3):
        events[0].length = bar.beats - 0.75
        events.append(Event(bar.start + bar.beats - 0.75, 0.6, pitch + 12, _loud(), gesture="slide"))
    return events


def sixteenths(hand: Hand, bar: Bar) -> list[Event]:
    """Driving sixteenths with accents, as in electronic music."""
    accents = hand.remember(bar, "accents", lambda: [pick(hand.rng, (0, 0, 0, 12, 0, 7)) for _ in range(16)])
    rests = hand.remember(bar, "rests", lambda: [at % 4 == 0 and chance(hand.rng, 0.4) for at in range(16)])
    events = []
    for at in range(round(bar.beats * 4)):
        if not rests[at % 16]:
            pitch = _root(hand, bar, at * 0.25) + accents[at % 16]
            events.append(Event(bar.start + at * 0.25, 0.17, pitch, _loud(8 if at % 4 == 2 else -6)))
    return events


BASS: dict[str, Style] = {
    "roots": roots,
    "long_notes": long_notes,
    "octaves": octaves,
    "walking": walking,
    "slap": slap,
    "arpeggio": arpeggio,
    "pedal_point": pedal,
    "riff": riff,
    "with_kick": with_kick,
    "two_beat": two_beat,
    "tumbao": tumbao,
    "dub": dub,
    "melodic": melodic,
    "sub_drone": sub_drone,
    "sixteenths": sixteenths,
}
