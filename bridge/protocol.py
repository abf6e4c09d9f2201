"""Every message of the protocol, and how it is written in bytes. PROTOCOL.md says the same for people who write clients.

A message is one or two ZeroMQ frames: a header (msgpack map with a `type`) and, for `chunk`, a payload of interleaved float32
little-endian samples. Unknown fields are ignored and unknown types are skipped, so either side may be newer.
"""

import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from bridge.errors import DamagedChunk, ProtocolError

VERSION = "1.3"
"""Of the protocol, not of the package: the first number must match, the second counts additions (PROTOCOL.md, Versions)."""

TASKS = ("separate", "generate", "accompany", "infill", "regenerate", "continue", "transition", "restyle")
DEVICE = "device="  # a capability: what follows computes jobs that name no device
DEFAULT_PORT = 27182
DEFAULT_OSC_PORT = 27183
MAX_HEADER = 64 * 1024  # bytes
MAX_PAYLOAD = 1024 * 1024  # bytes
CHUNK_BYTES = 256 * 1024  # what both sides send at once
BEGINNING = 64 * 1024  # bytes of audio by which it is seen whether it might be known
CREDIT = 16  # chunks that may be under way unanswered, each direction
TOGETHER = CREDIT // 4  # chunks taken for which credit is given back at once: it wakes the other end
MAX_FRAMES = 2 * 3600 * 48_000  # of one job's audio
MAX_JOBS = 16  # open jobs of one client
MAX_ALL_JOBS = 1024  # open jobs of all clients together
KEPT_JOBS = 4  # ended jobs of one client that can still be asked after
LINES = 100  # jobs a report tells of
PING_EVERY = 1.0  # seconds between a client's signs of life
GONE_AFTER = 5.0  # seconds of silence after which a client's jobs are cancelled


class Message(Struct, tag_field="type", tag=str.lower, omit_defaults=True):
    """Base of all messages; `type` on the wire is the class's name in lower case."""


class AudioShape(Struct, omit_defaults=True):
    """sample_rate: Hz. channels: 1 or 2. frames: samples a channel. sha256: of all payload bytes, hexadecimal. begins: the same of
    the first BEGINNING of them; with it, sha256 may be "" and is said later, by `whole`."""

    sample_rate: int
    channels: int
    frames: int
    sha256: str
    begins: str = ""


class Part(Struct):
    """One of the pieces of audio a job is given, laid end to end. name: "mixture", "like", a source, or "after:" and a source;
    pieces of the same name are added up."""

    name: str
    frames: int


class Track(Struct, omit_defaults=True):
    """What a client tells of its track. id: a UUID that stays the same for the track's life. name: for people. role: the source
    it plays, "" where nobody said. start, frames: where on the timeline it was recorded, and how much. takes_part: jobs listen
    to it."""

    id: str
    name: str = ""
    role: str = ""
    sample_rate: int = 0
    start: int = 0
    frames: int = 0
    takes_part: bool = True


# Client to server.


class Hello(Message):
    """First of all. version: of the protocol the client speaks. client: its name, for people."""

    version: str
    client: str = ""


class Submit(Message):
    """Ask for a job. job: a UUID made by the client; the same one again asks after the same job. overrides: keys of the preset.

    The preset says which task. parts: what the audio consists of, in order; empty: it is all mixture. wanted: sources to make;
    start, stop, seconds: of what to make (stop 0: to the end). keep: the job goes on without its client, and after a restart of the
    server; its stems wait for whoever submits it again. prompts: source to words; mixture_prompt: of all sources together.
    context: the audio is that of the context's tracks, `audio.frames` of each from the timeline's frame `position` on, which their
    clients give; this one sends none. have: stem to the frames of it that the client has already, of a job that is asked for again.
    lane: audio may go through a file of the server's machine (bridge/lane.py).
    """

    job: str
    audio: AudioShape
    preset: str = "separate"
    overrides: dict[str, str | int | float] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    start: float = 0.0
    stop: float = 0.0
    seconds: float = 0.0
    keep: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    mixture_prompt: str = ""
    context: str = ""
    position: int = 0
    have: dict[str, int] = field(default_factory=dict)
    lane: bool = False


class Whole(Message):
    """The SHA-256 of a job's audio that was submitted without. Where that was answered by `known`, this is by
    `accepted`, when the server has it, else by `credit`."""

    job: str
    sha256: str


class Opened(Message):
    """The client has opened the lane that `accepted` named. proof: what stands in it."""

    job: str
    proof: str


class Join(Message):
    """Be a track of a context, and say how the track stands; said again whenever that changes. Answered by `tracks`, to all of
    them."""

    context: str
    track: Track


class Cancel(Message):
    """Stop a job, between two steps of the sampler at the latest. Answered by `cancelled`."""

    job: str


class Status(Message):
    """Ask how the server is. Answered by `report`."""


class Ping(Message):
    """Sign of life, once a second. Answered by `pong`."""


class Bye(Message):
    """The client leaves; its open jobs are cancelled, but those to be kept, and those whose end it was told are forgotten."""


class Pair(Message):
    """To the door for pairing only (see bridge/pairing.py): let this client in from now on, under the key it came with."""

    version: str
    name: str = ""


# Server to client.


class Welcome(Message):
    """Answer to `hello`. session: changes when the server restarts. limits: what will be refused, by name."""

    version: str
    session: str
    package: str
    models: list[str]
    presets: list[str]
    limits: dict[str, int]
    capabilities: list[str]


class Accepted(Message):
    """The job exists. state: uploading, queued, running, done, failed, cancelled. received: frames the server has; send on from
    there. seconds: of computing, memory: bytes, that it is likely to take by what was measured before; 0: nothing was. known: audio
    that begins so is here; say what the whole is. lane, key: a file to open, and what stands in it; "": there is none."""

    job: str
    state: str
    received: int = 0
    seconds: float = 0.0
    memory: int = 0
    known: bool = False
    lane: str = ""
    key: str = ""


class Tracks(Message):
    """The tracks of a context, whenever one changes, comes or leaves."""

    context: str
    tracks: list[Track]


class Give(Message):
    """Send `frames` of your track from the timeline's frame `position` on, silence where there is nothing, as chunks of the job
    from `offset` on. `credit` follows."""

    job: str
    offset: int
    frames: int
    position: int
    channels: int


class Progress(Message):
    """fraction: 0 to 1 of the network calls."""

    job: str
    fraction: float


class Stretch(Message):
    """Every stem was sent up to this frame: it can be played while the rest is computed."""

    job: str
    frames: int


class Done(Message):
    """All stems were sent. stems: name to sha256 of its payload bytes; frames: of each."""

    job: str
    stems: dict[str, str]
    frames: int
    seconds: float


class Cancelled(Message):
    job: str


class Error(Message):
    """code: for programs. message, hint: for people: what happened, what to do. job: "" when it concerns no job."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    job: str = ""


class Line(Struct):
    """A job as others may see it. job: the first 8 characters of its name, for who has all of them may take it over. fraction: 0 to
    1 of what its state does (upload, compute). seconds: of audio. here: its client is there."""

    job: str
    state: str
    preset: str
    fraction: float = 0.0
    seconds: float = 0.0
    here: bool = True


class Report(Message):
    """jobs: state to how many. worker: process id, 0 while it starts. lines: the jobs there are, those that run first, then those
    that wait as they came, then what ended last; LINES at most. closing: no new jobs are taken."""

    session: str
    jobs: dict[str, int]
    worker: int
    uptime: float
    lines: list[Line] = field(default_factory=list)
    closing: bool = False


class Pong(Message):
    session: str


class Paired(Message):
    """Answer to `pair`. key: the server's lasting public key, Z85. name: the server's, for people."""

    key: str
    name: str = ""


# Both ways.


class Chunk(Message):
    """Audio, in the payload. stem: "" for the input. offset: frame it begins at. crc32: of the payload. size: bytes of it that lie
    beside the socket instead, for who opened the job's lane: of the input in that, from the byte `at` on; of a stem in `file`, from
    that of its first frame on; 0: there is a payload."""

    job: str
    offset: int
    crc32: int
    stem: str = ""
    at: int = 0
    size: int = 0
    file: str = ""


class Credit(Message):
    """The receiver has taken chunks and lets the sender send so many more."""

    job: str
    chunks: int


MESSAGES: tuple[type[Message], ...] = (
    Hello, Submit, Whole, Opened, Join, Cancel, Status, Ping, Bye, Welcome, Accepted, Tracks, Give, Progress, Stretch, Done,
    Cancelled, Error, Report, Pong, Pair, Paired, Chunk, Credit,
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind.__struct_config__.tag: msgspec.msgpack.Decoder(kind) for kind in MESSAGES}


class _Type(Struct):
    type: str


_type_decoder = msgspec.msgpack.Decoder(_Type)


def encode(message: Message, payload: bytes | memoryview | None = None) -> list:
    """The message as ZeroMQ frames."""
    plain = msgspec.to_builtins(
        message, order="deterministic"
    )  # or many fields that are left out would make a longer map
    header = _encoder.encode(plain)
    return [header] if payload is None else [header, payload]


def chunk(job: str, stem: str, offset: int, payload: bytes | memoryview) -> list:
    """A `chunk` message as frames, with its checksum."""
    return encode(Chunk(job, offset, zlib.crc32(payload), stem), payload)


def decode(frames: Sequence[bytes | memoryview]) -> tuple[Message, bytes | memoryview] | None:
    """Message and payload (b"" for none); None for a type this version does not know. ProtocolError for anything else, and for
    a chunk whose checksum does not fit."""
    if not frames:
        raise ProtocolError("A message has at least one frame.")
    header, payload = frames[0], frames[1] if len(frames) > 1 else b""
    if len(header) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise ProtocolError(f"A frame is too large ({len(header)} and {len(payload)} bytes).")
    try:
        kind = _type_decoder.decode(header).type
        if kind not in _decoders:
            return None
        if len(frames) > 2:
            raise ProtocolError(f"A message of type {kind} has 1 or 2 frames, not {len(frames)}.")
        message = _decoders[kind].decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"Not a message: {error}.") from error
    if isinstance(message, Chunk) and zlib.crc32(payload) != message.crc32:
        raise DamagedChunk(message.job, f"Chunk at frame {message.offset} of job {message.job} was damaged on the way.")
    return message, payload


def same_major(version: str) -> bool:
    """Whether a peer's protocol version can be spoken with."""
    return version.split(".")[0] == VERSION.split(".")[0]


def minor(version: str) -> int:
    """The second number of a version, 0 where there is none."""
    number = version.partition(".")[2]
    return int(number) if number.isdecimal() else 0
