"""Contexts: the tracks of a session, each told of by a client of its own, and how their audio comes together in one job."""

from collections import deque
from dataclasses import dataclass

from bridge.errors import ContextError
from bridge.protocol import MAX_FRAMES, MAX_HEADER, Part, Track, Tracks, encode

MAX_TRACKS = 64  # of one context
MAX_NAME = 200  # characters
FAR = 2**53  # frames from zero at which a track may begin


class Contexts:
    """Which client is which track of which context. A client is one track at most; a track that comes back under another
    connection takes its own place."""

    def __init__(self) -> None:
        self._of: dict[bytes, tuple[str, Track]] = {}

    def join(self, client: bytes, context: str, track: Track) -> bytes:
        """Returns the client that was this track before, b"" for none. ContextError for a track that cannot be one."""
        if not (0 < len(context) <= MAX_NAME and 0 < len(track.id) <= MAX_NAME and len(track.name) <= MAX_NAME):
            raise ContextError("A context and a track need names of 1 to 200 characters.", "Use UUIDs.")
        if not (0 <= track.frames <= MAX_FRAMES and -FAR <= track.start <= FAR) or (
            track.frames and track.sample_rate <= 0
        ):
            raise ContextError("A track tells of frames that cannot be.", "Send 0 frames where nothing was recorded.")
        before = [other for other, (place, its) in self._of.items() if (place, its.id) == (context, track.id)]
        if len(self.members(context)) - len(before) >= MAX_TRACKS:
            raise ContextError(f"There are {MAX_TRACKS} tracks in this context already.", "Take one out.")
        others = [its for member, its in self.members(context).items() if member not in (*before, client)]
        if len(encode(Tracks(context, [*others, track]))[0]) > MAX_HEADER:
            raise ContextError("The names of the tracks are too long to be told to all of them.", "Shorten them.")
        for other in before:
            del self._of[other]
        self._of[client] = (context, track)
        return next((other for other in before if other != client), b"")

    def of(self, client: bytes) -> str:
        """The context that the client is a track of, "" for none."""
        return self._of.get(client, ("",))[0]

    def leave(self, client: bytes) -> str:
        """The context that the client was a track of, "" for none."""
        return self._of.pop(client, ("",))[0]

    def members(self, context: str) -> dict[bytes, Track]:
        return {client: track for client, (place, track) in self._of.items() if place == context}

    def gathering(self, context: str, position: int, frames: int, sample_rate: int) -> "Gathering":
        """What the tracks that take part and have something recorded will give of `frames` from `position` on. ContextError, in a
        producer's words, when that is nothing, or does not go together."""
        there = {client: track for client, track in self.members(context).items() if track.takes_part and track.frames}
        if not there or frames <= 0:
            raise ContextError(
                "No track that takes part has anything recorded.",
                "Let the song play once through the tracks that are to be listened to.",
            )
        for track in there.values():
            name = track.name or "A track"
            if not track.role:
                raise ContextError(
                    f"{name} takes part, but nobody said what it plays.", "Say what it is, or let it take no part."
                )
            if track.sample_rate != sample_rate:
                raise ContextError(
                    f"{name} was recorded at {track.sample_rate} Hz, this job is at {sample_rate} Hz.",
                    "Play the song through it again.",
                )
        order = sorted(there, key=lambda client: (there[client].role, there[client].id))
        ends = range(frames, frames * len(order) + 1, frames)
        parts = tuple(Part(there[client].role, frames) for client in order)
        return Gathering(position, parts, deque(zip(order, ends, strict=True)))


@dataclass
class Gathering:
    """Tracks on their way into a job, one after another. position: of their first frames on the timeline. due: who gives next, and
    the frame of the job's audio at which what it gives ends."""

    position: int
    parts: tuple[Part, ...]
    due: deque[tuple[bytes, int]]

    def due_from(self, client: bytes) -> bool:
        """Whether it is this client's turn; nobody's, once all of it has come."""
        return bool(self.due) and self.due[0][0] == client

    def replace(self, before: bytes, client: bytes) -> None:
        """A track that was to give has another connection."""
        self.due = deque((client if giver == before else giver, end) for giver, end in self.due)

    def taken(self, received: int) -> bool:
        """Whether the track whose turn it was is whole; the next one's turn it is then."""
        if received < self.due[0][1]:
            return False
        self.due.popleft()
        return True
