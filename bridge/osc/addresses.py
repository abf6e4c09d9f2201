"""Every OSC address: what it takes, what it means. The endpoint answers to exactly these; a test compares."""

from typing import NamedTuple

ROOT = "/stemweave"

ADDRESSES: dict[str, tuple[str, str]] = {
    "/ping": ("", "answered by /stemweave/pong"),
    "/version": ("", "answered by /stemweave/version package protocol"),
    "/status": (
        "",
        "answered by /stemweave/status queued running done failed cancelled, the last three since it began",
    ),
    "/models": ("", "answered by /stemweave/models name ..."),
    "/presets": ("", "answered by /stemweave/presets name ..."),
    "/subscribe": ("[seconds]", "hear of everybody's jobs for so long (60); answered by /stemweave/subscribed seconds"),
    "/reply": (
        "port",
        "answer me at this port of my machine, 0: at the one I send from; answered by /stemweave/replying port",
    ),
    "/separate": ("path outdir [seed]", "separate a file of this machine into outdir/STEM.wav"),
    "/generate": ("outdir seconds [want] [seed]", "make a song out of nothing"),
    "/accompany": ("stems outdir [want] [seed]", "make the missing sources to play along"),
    "/infill": ("stems outdir from to [want] [seed]", "make a stretch anew from what is around it"),
    "/regenerate": ("stems outdir from to [want] [seed]", "vary a stretch"),
    "/continue": ("stems outdir seconds [want] [seed]", "go on where the stems end"),
    "/transition": ("stems after outdir seconds [seed]", "lead from one song into another"),
    "/restyle": ("stems clip outdir [want] [seed]", "vary the stems so that they sound like a clip"),
    "/job/cancel": ("id", "stop a job"),
}
"""Understood: address under ROOT to (arguments, meaning). Numbers may come as int, float or text; a seed is best sent as text.
Paths begin with / (on Windows with a drive) or ~/. stems, after: a folder with files called bass.wav and so on, or one NAME=FILE.
want: sources apart by commas, "-" for what the task takes by default. What starts a job is answered by /stemweave/job/accepted
id."""

REPLIES: dict[str, str] = {
    "/pong": "",
    "/version": "package protocol",
    "/status": "queued running done failed cancelled",
    "/models": "name ...",
    "/presets": "name ...",
    "/subscribed": "seconds",
    "/replying": "port",
    "/job/accepted": "id",
    "/job/progress": "id fraction",
    "/job/stem": "id name path",
    "/job/done": "id",
    "/job/cancelled": "id",
    "/job/error": "id code text",
    "/error": "code text",
}
"""Sent, to the address and port the request came from, or the port named by /reply."""


class Argument(NamedTuple):
    """tag: of OSC's types, how it is best sent. least, most: of a number."""

    tag: str
    meaning: str
    least: float | None = None
    most: float | None = None


ARGUMENTS: dict[str, Argument] = {
    "path": Argument("s", "a sound file"),
    "outdir": Argument("s", "a folder for the stems, made where there is none"),
    "stems": Argument("s", "a folder with files called bass.wav and so on, or one NAME=FILE"),
    "after": Argument("s", "the song to lead to, as stems"),
    "clip": Argument("s", "a sound file to sound like"),
    "want": Argument("s", "sources apart by commas, - for what the task takes by default"),
    "seed": Argument("s", "a whole number; the same one makes the same stems"),
    "from": Argument("f", "seconds into the song", 0),
    "to": Argument("f", "seconds into the song", 0),
    "seconds": Argument("f", "how long", 0),
    "port": Argument("i", "a UDP port", 0, 65535),
    "id": Argument("s", "of a job, as /stemweave/job/accepted told it"),
    "name": Argument("s", "of a stem"),
    "fraction": Argument("f", "0 to 1", 0, 1),
    "code": Argument("s", "for programs"),
    "text": Argument("s", "for people"),
}
"""Every argument by the name it has in the tables above. Numbers are understood as int, float, truth value or text."""
