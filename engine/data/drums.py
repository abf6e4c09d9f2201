"""The drummer: grooves as sixteenth-note strings, varied bar by bar, with ghost notes, fills and crashes."""

import numpy as np

from engine.data.playing import Bar, Event, Hand, chance, pick, uniform

KICK, RIM, SNARE, CLAP, HAT, PEDAL, OPEN, CRASH, RIDE, BELL = 36, 37, 38, 39, 42, 44, 46, 49, 51, 53
TAMBOURINE, COWBELL, SPLASH, SHAKER, CONGA_HIGH, CONGA_LOW, CLAVES = 54, 56, 55, 82, 63, 64, 75
TOMS = (50, 48, 47, 45, 43, 41)

# One string a piece, one character a sixteenth: X accent, x plain, o ghost, . rest, ? now and then.
GROOVES: dict[str, dict[int, str]] = {
    "rock": {KICK: "X.....x.X?x.....", SNARE: "....X.......X..?", HAT: "X.x.X.x.X.x.X.x."},
    "rock_ride": {KICK: "X..x..x.X.......", SNARE: "....X.......X...", RIDE: "X.x.X.x.X.x.X.x."},
    "straight_eight": {KICK: "X.......X.x.....", SNARE: "....X.......X...", HAT: "x.x.x.x.x.x.x.x?"},
    "punk": {KICK: "X.x...x.X.x...x.", SNARE: "..X...X...X...X.", HAT: "X.X.X.X.X.X.X.X."},
    "funk": {KICK: "X..x..x...x..x..", SNARE: "....X.o.o.o.X..o", HAT: "XxxxXxxxXxxxXxxx"},
    "funk_open": {
        KICK: "X.x....x..X..x..",
        SNARE: "....X..o.o..X.o.",
        HAT: "x.xxx.xxx.x.x.x.",
        OPEN: "..............x.",
    },
    "sixteens": {KICK: "X..x....X.x.....", SNARE: "....X.......X...", HAT: "xoxoxoxoxoxoxoxo"},
    "four_on_floor": {
        KICK: "X...X...X...X...",
        CLAP: "....X.......X...",
        OPEN: "..X...X...X...X.",
        HAT: "x.?.x.?.x.?.x.?.",
    },
    "disco": {KICK: "X...X...X...X...", SNARE: "....X.......X...", HAT: "xx.xxx.xxx.xxx.x", OPEN: "..x...x...x...x."},
    "half_time": {KICK: "X.....x....x....", SNARE: "........X.......", HAT: "x.x.x.x.x.x.x.x."},
    "shuffle": {KICK: "X.....x.X.......", SNARE: "....X.......X...", RIDE: "X..xX..xX..xX..x"},
    "swing": {KICK: "o...o...o...o...", RIDE: "X...X..xX...X..x", PEDAL: "....x.......x...", SNARE: "?..o...?..?o...?"},
    "bossa": {KICK: "X..xX..xX..xX..x", RIM: "X..X..X...X..X..", HAT: "x.x.x.x.x.x.x.x."},
    "latin": {
        KICK: "X..x..x.X..x..x.",
        COWBELL: "X...x.X.x...X.x.",
        CONGA_HIGH: "..x...xx..x...x.",
        CONGA_LOW: "......x.......x.",
    },
    "ballad": {KICK: "X.......x.......", RIM: "....x.......x...", HAT: "x...x...x...x..."},
    "train": {SNARE: "oxooXxooxoxoXxoo", KICK: "X...x...X...x...", PEDAL: "..x...x...x...x."},
    "breakbeat": {KICK: "X.X.......X?....", SNARE: "....X..o.o..X..o", RIDE: "x.x.x.x.x.x.x.x."},
    "trap": {KICK: "X......x..x.....", CLAP: "........X.......", HAT: "xxxxxx?xxx?xxxxx"},
    "electro": {
        KICK: "X..X..X...X..X..",
        CLAP: "....X.......X...",
        HAT: "..x...x...x...xx",
        SHAKER: "xoxoxoxoxoxoxoxo",
    },
    "toms": {KICK: "X...x...X...x...", 45: "x..x..x.x..x..x.", 41: "....x.......x.x.", SNARE: "............X..."},
    "brushes": {SNARE: "x.o.X.o.x.o.X.o.", RIDE: "x...x..xx...x..x", KICK: "x.......x......."},
    "reggae": {KICK: "........X.......", RIM: "........X.......", HAT: "x.xxx.xxx.xxx.x."},
    "tambourine": {KICK: "X.......X.......", SNARE: "....X.......X...", TAMBOURINE: "x.x.x.x.x.x.x.x."},
    "march": {SNARE: "XoxoxoxoXxoxXoxo", KICK: "X.......X......."},
    "waltz": {KICK: "X...........", SNARE: "....x...x...", HAT: "x...x...x..."},
    "waltz_ride": {KICK: "X...........", PEDAL: "....x...x...", RIDE: "X...X.x.X..."},
    "six_eight": {KICK: "X...........", SNARE: "......X.....", HAT: "X.x.x.X.x.x."},
    "six_eight_busy": {KICK: "X...x.....x.", SNARE: "......X....o", RIDE: "XoxoxoXoxoxo"},
}

THREE = ("waltz", "waltz_ride")
SIX = ("six_eight", "six_eight_busy")
FOUR = tuple(name for name in GROOVES if name not in (*THREE, *SIX))


def play_drums(groove: str, hand: Hand, bar: Bar) -> list[Event]:
    """One bar: the groove with its dice thrown, a fill when the section ends, a crash when it begins."""
    rng = hand.rng
    fill = bar.last and chance(rng, 0.7)
    cut = bar.beats - pick(rng, (0.5, 1.0, 1.0, 2.0)) if fill else bar.beats
    swap = hand.remember(bar, "cymbal", lambda: pick(rng, (None, None, RIDE, OPEN, TAMBOURINE, SHAKER)))
    events = []
    for piece, steps in GROOVES[groove].items():
        key = swap if piece == HAT and swap is not None and bar.intensity > 0.6 else piece
        for step in range(round(bar.beats * 4)):
            mark = steps[step % len(steps)]
            beat = step / 4
            if beat >= cut or mark == "." or (mark == "?" and not chance(rng, 0.35)) or chance(rng, 0.02):
                continue
            velocity = {"X": 1.0, "x": 0.8, "?": 0.7, "o": 0.42}[mark] * (0.7 + 0.35 * bar.intensity)
            events.append(Event(bar.start + beat, 0.2, key, velocity))
    if groove in ("trap", "sixteens") and chance(rng, 0.4):
        start = pick(rng, (1.0, 2.5, 3.5)) % bar.beats
        events += [Event(bar.start + start + i / 8, 0.1, HAT, 0.5 + 0.05 * i) for i in range(pick(rng, (3, 4, 6)))]
    if fill:
        events += _fill(rng, bar, cut)
    if bar.index == 0 and chance(rng, 0.6):
        events.append(Event(bar.start, 1.5, pick(rng, (CRASH, CRASH, 57, SPLASH)), uniform(rng, 0.7, 1.0)))
    return events


def _fill(rng: np.random.Generator, bar: Bar, cut: float) -> list[Event]:
    """Sixteenths or triplets from `cut` to the bar's end, down the toms or on the snare, growing louder."""
    step = pick(rng, (0.25, 0.25, 1 / 3, 0.125 if bar.beats - cut <= 1 else 0.25))
    count = int((bar.beats - cut) / step)
    pieces = pick(rng, (TOMS, (SNARE,), (SNARE, 48, 45, 41), (38, 38, 48, 48, 45, 45), (CLAP, SNARE)))
    events = []
    for i in range(count):
        if chance(rng, 0.85):
            piece = pieces[min(len(pieces) - 1, i * len(pieces) // max(1, count))]
            events.append(Event(bar.start + cut + i * step, 0.2, piece, 0.6 + 0.4 * i / max(1, count)))
    return events


def kicks(groove: str, beats: float) -> tuple[float, ...]:
    """Offsets of the bass drum in a bar of the groove: what a bass player listens for."""
    steps = GROOVES[groove].get(KICK, "X...x...")
    return tuple(step / 4 for step in range(round(beats * 4)) if steps[step % len(steps)] in "Xx")
