"""Drum grooves and fills as drawings: one character a step, "X" loud, "x" normal, "o" ghost, "?" sometimes, "." rest.

A lane may offer several patterns; a song picks one. A pattern may span two bars. Steps divide the bar evenly: sixteen for
four beats, twelve for three. Swung grooves are drawn straight; the song's swing moves every second step.
"""

from dataclasses import dataclass

PIECES = {
    "kick": (36, 35),
    "snare": (38, 40),
    "stick": (37,),
    "clap": (39,),
    "hat": (42,),
    "pedal": (44,),
    "open": (46,),
    "ride": (51, 59),
    "bell": (53,),
    "crash": (49, 57),
    "china": (52,),
    "splash": (55,),
    "low": (41, 43),
    "mid": (45, 47),
    "high": (48, 50),
    "tambourine": (54,),
    "cowbell": (56,),
    "bongo_high": (60,),
    "bongo_low": (61,),
    "conga_mute": (62,),
    "conga_high": (63,),
    "conga_low": (64,),
    "timbale": (65, 66),
    "agogo": (67, 68),
    "cabasa": (69,),
    "shaker": (70, 69),
    "clave": (75,),
    "block": (76, 77),
    "triangle": (80, 81),
}
"""Lane -> keys of General MIDI percussion; a song picks one of them for the whole song."""


@dataclass(frozen=True)
class Groove:
    """lanes: name of a lane in PIECES -> patterns to choose from. beats: quarters a bar. loose 0-1: how freely it varies."""

    lanes: dict[str, tuple[str, ...]]
    beats: int = 4
    loose: float = 0.3


EIGHTHS = "x.x.x.x.x.x.x.x."
ACCENTED = "X.x.X.x.X.x.X.x."
QUARTERS = "x...x...x...x..."
SIXTEENTHS = "Xoxoxoxoxoxoxoxo"
BACKBEAT = "....X.......X..."
NONE = "................"

GROOVES = {
    "rock": Groove({
        "kick": ("x.......x.......", "x.....x.x.......", "x.x.....x.x.....", "x..x....x.x...?.", "x.........x.x..."),
        "snare": (BACKBEAT, BACKBEAT, "....X..?....X..o"), "hat": (EIGHTHS, ACCENTED, QUARTERS),
    }),
    "hard_rock": Groove({
        "kick": ("x.x...x.x.x...x.", "x.xx....x.xx..x."), "snare": (BACKBEAT,), "open": (QUARTERS, EIGHTHS),
    }),
    "pop": Groove({
        "kick": ("x..x....x..x....", "x.....xx..x.....", "x......xx.x....."), "snare": (BACKBEAT,),
        "clap": (BACKBEAT, NONE, "............x..."), "hat": (ACCENTED, SIXTEENTHS, "x.xxx.xxx.xxx.xx"),
    }),
    "funk": Groove({
        "kick": ("x.x...x...x..x..", "x..x..x...x.....", "x.....x..xx....?", "X.x....x..x...x."),
        "snare": ("....X..o.o..X..o", "....X..o.o.oX...", "....X.oo.o..X.o.", "..o.X..o.x..X..o"),
        "hat": ("XoxoXoxoXoxoXoxo", "x.xxx.x.x.xxx.xx", ACCENTED),
        "open": ("..............x.", "......x.......?.", NONE),
    }, loose=0.5),
    "linear_funk": Groove({
        "kick": ("x..x..x...x..x..", "x....x....xx...."), "snare": ("....X....o..X.o.", "....X..o.o..X..o"),
        "hat": ("xx.x.xx.x.xx.x.x",),
    }, loose=0.4),
    "disco": Groove({
        "kick": (QUARTERS,), "snare": (BACKBEAT,), "hat": ("x.o.x.o.x.o.x.o.", "xox.xox.xox.xox."),
        "open": ("..x...x...x...x.",),
    }, loose=0.15),
    "house": Groove({
        "kick": ("X...X...X...X...", "X...X...X...X.?x"), "clap": (BACKBEAT, "....x.......x..?"),
        "open": ("..x...x...x...x.",), "hat": (NONE, "oooooooooooooooo", "x.xxx.xxx.xxx.xx"),
        "shaker": (NONE, "xoXoxoXoxoXoxoXo"),
    }, loose=0.2),
    "techno": Groove({
        "kick": ("X...X...X...X...",), "hat": ("..x...x...x...x.", "xoxoxoxoxoxoxoxo"),
        "stick": ("...x..x....x..x.", ".......x..x....."), "clap": (BACKBEAT, NONE),
        "low": (NONE, "..x..x....x..x.."),
    }),
    "half_time": Groove({
        "kick": ("x.........x.....", "x..x......x..x..", "x.....x...x....."),
        "snare": ("........X.......", "........X.....o."), "hat": (EIGHTHS, QUARTERS, "x.xxx.x.x.x.x.xx"),
    }),
    "trap": Groove({
        "kick": ("x.....x...x.....", "x..x......x..x..", "x.........x..x.?"), "clap": ("........X.......",),
        "hat": ("x.x.x.xxx.x.x.x.", "x.x.xxxxx.x.xxx.", "x.xxx.x.x.x.xxxx"),
        "open": (NONE, "......x.........", "..............x."),
    }, loose=0.5),
    "boom_bap": Groove({
        "kick": ("x..x......x.....", "x......x.xx.....", "x.x....x..x....?", "x......x..xx...."),
        "snare": (BACKBEAT, "....X..o....X..o"), "hat": (EIGHTHS, "x.xxx.x.x.xxx.x."),
    }, loose=0.45),
    "breakbeat": Groove({
        "kick": ("x.x.......xx....", "x.x.......x.....", "x.........x..x.."),
        "snare": ("....X..o.o..X..o", "....X..x.x..X..x", "....X..o.o....X."), "hat": (EIGHTHS, QUARTERS),
        "ride": (NONE, EIGHTHS),
    }, loose=0.6),
    "drum_and_bass": Groove({
        "kick": ("x.........x.....", "x..x......x.....", "x.........x..x.."),
        "snare": (BACKBEAT, "....X..o.o..X..o", "....X..o.x..X.o."), "hat": (EIGHTHS, SIXTEENTHS),
        "ride": (NONE, QUARTERS),
    }, loose=0.5),
    "shuffle": Groove({
        "kick": ("x.......x.......", "x.....x.x.......", "x.....x.x.....x."), "snare": (BACKBEAT, "....X.....o.X..."),
        "hat": (EIGHTHS, ACCENTED),
    }),
    "half_time_shuffle": Groove({
        "kick": ("x.........x.....", "x....x....x....."), "snare": (".o...o..X.o...o.", "..o..o..X....o.."),
        "hat": ("xx.xxx.xxx.xxx.x", EIGHTHS),
    }),
    "swing": Groove({
        "ride": ("X...X.x.X...X.x.", "X.x.X...X.x.X.x."), "pedal": ("....x.......x...",),
        "kick": (NONE, "o...o...o...o...", "......?.....?..."),
        "snare": ("......?...?...o.", "..?.......o...?.", "...............o"),
    }, loose=0.7),
    "brushes": Groove({
        "snare": ("xox.xox.xox.xox.", "x.o.X.o.x.o.X.o."), "stick": (NONE, "....x.......x..."),
        "kick": ("x.......x.......", "o...............", "x.....x........."), "pedal": ("....x.......x...",),
        "ride": (NONE, "x...x.x.x...x.x."),
    }),
    "bossa_nova": Groove({
        "kick": ("x..xx..xx..xx..x", "x.....xxx.....xx"),
        "stick": ("x..x..x...x..x..", "x..x..x....x..x.", "..x..x..x..x..x."), "hat": (EIGHTHS, SIXTEENTHS),
        "shaker": (NONE, SIXTEENTHS),
    }, loose=0.15),
    "samba": Groove({
        "kick": ("x..xX..xx..xX..x",), "snare": ("x.xx.x.xx.x.xx.x", "oxoxxoxooxoxxoxo"),
        "hat": ("..x...x...x...x.", SIXTEENTHS), "agogo": (NONE, "x.x..x.xx..x.x.."),
    }),
    "songo": Groove({
        "kick": ("...x..x....x..x.",), "stick": ("....x...........", "...x..x...x.x..."),
        "conga_mute": ("x.x.....x.x.....",), "conga_high": ("....x.......x...",), "conga_low": ("......xx......xx",),
        "cowbell": (QUARTERS, "x...x.xxx.x.x.x.", EIGHTHS),
    }),
    "son_clave": Groove({
        "clave": ("x.....x.....x.......x...x.......", "....x...x.......x.....x.....x..."),
        "kick": ("......x.......x.", "x.....x.......x."), "bongo_high": (EIGHTHS, "xoxxxoxoxoxxxoxo"),
        "bongo_low": ("......x.......x.",), "cabasa": (EIGHTHS, SIXTEENTHS),
    }),
    "reggae": Groove({
        "kick": ("........X.......", "X.......X.......", QUARTERS), "stick": ("........X.......", "........x..x...."),
        "hat": (EIGHTHS, "x.o.X.o.x.o.X.o."), "open": (NONE, "..............x."),
    }, loose=0.4),
    "reggaeton": Groove({
        "kick": ("X...X...X...X...",), "snare": ("...x..x....x..x.",), "hat": (EIGHTHS, SIXTEENTHS),
        "shaker": (NONE, SIXTEENTHS),
    }, loose=0.15),
    "train": Groove({
        "kick": (QUARTERS, "x.......x......."), "snare": ("ooXoooXoooXoooXo", "oxXooxXooxXooxXo", "o.X.o.X.o.X.ooX."),
        "pedal": ("..x...x...x...x.",),
    }, loose=0.2),
    "country": Groove({
        "kick": ("x.......x.......", "x.......x.x....."), "stick": (BACKBEAT, "..x...x...x...x."), "hat": (EIGHTHS,),
        "tambourine": (NONE, BACKBEAT),
    }),
    "ballad": Groove({
        "kick": ("x.......x.......", "x..x....x.......", "x..............."), "stick": (BACKBEAT, "........x......."),
        "snare": (NONE, "............x..."), "hat": (EIGHTHS, QUARTERS, "x.o.x.o.x.o.x.o."),
        "triangle": (NONE, "x..............."),
    }, loose=0.2),
    "motown": Groove({
        "kick": ("x.x...x.x.x...x.", "x.....x.x......."), "snare": (QUARTERS, "X...X...X...X..."),
        "tambourine": (EIGHTHS, BACKBEAT), "hat": (EIGHTHS,),
    }),
    "punk": Groove({
        "kick": (QUARTERS, "x..xx...x..xx...", "x.x...x.x.x...x."), "snare": ("..X...X...X...X.", BACKBEAT),
        "hat": (ACCENTED,), "crash": (NONE, QUARTERS),
    }, loose=0.2),
    "double_bass_drum": Groove({
        "kick": ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "xxx.xxx.xxx.xxx."), "snare": ("........X.......", BACKBEAT),
        "china": (QUARTERS, NONE), "ride": (NONE, EIGHTHS),
    }, loose=0.25),
    "toms": Groove({
        "low": ("X..x..x.X..x..x.", EIGHTHS), "mid": ("..x..x.x..x..x.x", "....x..x....x.xx"),
        "high": ("......x.......x.", "............x.x."), "kick": (QUARTERS, "x.......x......."),
        "snare": (NONE, "............X..."),
    }, loose=0.5),
    "percussion": Groove({
        "shaker": (SIXTEENTHS, "xoXoxoXoxoXoxoXo"), "conga_high": ("..x...x...x...x.", "....x..x....x..x"),
        "conga_low": ("x.....x.x.......", "......xx......xx"), "block": (NONE, "x..x..x...x.x..."),
        "triangle": (NONE, QUARTERS),
    }, loose=0.4),
    "hats_only": Groove({
        "hat": (SIXTEENTHS, ACCENTED), "kick": ("x...............", NONE),
    }),
    "waltz": Groove({
        "kick": ("x...........", "x.........x."), "snare": ("....x...x...", "....o...x...", "........x..."),
        "hat": ("x.x.x.x.x.x.", "....x...x..."),
    }, beats=3),
    "jazz_waltz": Groove({
        "ride": ("X...x.x.x...", "X...x.x.x.x."), "pedal": ("....x.......", "....x...x..."),
        "kick": ("x...........", "o.....?....."), "snare": ("......?...o.", "..........?."),
    }, beats=3, loose=0.6),
    "rock_waltz": Groove({
        "kick": ("x.........x.", "x..x........"), "snare": ("....X...X...", "........X..."), "hat": ("x.x.x.x.x.x.",),
    }, beats=3),
    "six_eight": Groove({
        "kick": ("x...........", "x...x.......", "x.......x.x."), "snare": ("......X.....",),
        "hat": ("x.x.x.x.x.x.", "X.o.o.X.o.o."),
    }, beats=3),
    "slow_gospel": Groove({
        "kick": ("x.........x.", "x...x...x..."), "stick": ("......X.....",), "ride": ("X.x.x.X.x.x.",),
        "tambourine": ("............", "......x....."),
    }, beats=3),
    "jig": Groove({
        "kick": ("x.....x.....",), "snare": ("....o.....o.", "..o.X...o.X."), "tambourine": ("x.ooo.x.ooo.",),
        "low": ("............", "x...x.x...x."),
    }, beats=3),
}  # fmt: skip

FILLS = (
    ("snare", "xxxx"),
    ("snare", "x.xx"),
    ("snare mid", "x.xx"),
    ("high high mid low", "xxxx"),
    ("snare high mid low", "xxxx"),
    ("high mid low", "xxx"),
    ("snare snare kick", "xxx"),
    ("snare kick high kick", "xxxx"),
    ("high kick kick low kick kick", "xxxxxx"),
    ("snare", "oxxX"),
    ("snare", "xxxxxx"),
    ("low mid", "x.x."),
    ("snare crash", "X..X"),
    ("open snare", "x.X."),
    ("clap", "x.xx"),
)
"""Lanes taken in turn, and a rhythm repeated over as many beats as the fill lasts: one beat a drawing."""
