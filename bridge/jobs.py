"""Jobs: what was asked, how far it is, and where its audio is spooled, so that memory does not grow with the songs.

A job that is to be kept is also put down in the ledger at every change: it outlives its client and the server.
"""

import hashlib
import logging
import os
import re
import shutil
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal

from bridge.audio_store import AudioStore
from bridge.contexts import Gathering
from bridge.doors import is_local
from bridge.errors import BridgeError
from bridge.lane import Lane
from bridge.ledger import Ledger
from bridge.logs import event
from bridge.protocol import LINES, AudioShape, Line, Part
from bridge.spool import Spool

log = logging.getLogger("stemweave")

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]
OPEN = ("uploading", "queued", "running")
TRIES = 2  # a job whose worker dies is tried once more
LIVES = 3  # servers that may be killed at a job that is kept: it may be what kills them
CHUNKS = "chunks"  # folder, beside a job's audio, of what is finished of it while it is open: see engine.finished
QUOTA = 20 * 10**9  # bytes that audio may take which nobody works with
MOST_AUDIO = 1000  # pieces of audio that no job has
MOST_KEPT = 1000  # jobs at rest that nobody is there for
FRESH = 10.0  # seconds for which audio that was found whole is believed to be so still
UNKNOWN = "unknown"  # in place of a SHA-256
FOLDER = re.compile("[0-9a-f]{32}")  # of a job
INPUT = "input.f32"  # a job's audio, in its folder


@dataclass(frozen=True)
class Order:
    """What a worker is given.

    audio: shape of folder/input.f32, or None when it shall read `files` itself (see bridge.files.stem_paths) and write WAV files
    to `out`. Stems are spooled to folder/STEM.f32, interleaved float32. parts, settings: see `Submit`. fresh: the audio was found
    to be what was announced a moment ago, or is looked at meanwhile. device: where neither overrides nor the preset name one.
    """

    job: str
    preset: str
    overrides: dict[str, Any]
    folder: Path
    audio: AudioShape | None = None
    files: tuple[str, ...] = ()
    out: str = ""
    parts: tuple[Part, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    fresh: bool = False
    device: str = "cpu"


@dataclass
class Job:
    """owner: the client's identity on its socket, an OSC sender's address, or None. ear: where that sender hears, if elsewhere.
    keep: it goes on without one. received: frames uploaded; stored: of those, on the disk; trouble: why no more can be.
    gathering: who uploads them, where that is not the owner.
    credit: chunks its client still takes. acceptance: how often it was accepted again, which makes what
    was granted for its upload before void. lane: what its song may come through. beside: its client opened that.
    known: its audio may be here, and it has no credit before it says what the whole is. found: SHA-256 of the audio that is here,
    "" before it was made; heard: that of what the worker read, if it looked. computed: its stems are finished, but it is not done
    before its audio was found to be what was announced.
    refusal: code, message and hint of what ended it while the worker was at it."""

    order: Order
    owner: Any
    state: State = "uploading"
    keep: bool = False
    received: int = 0
    stored: int = 0
    trouble: Exception | None = None
    gathering: Gathering | None = None
    fraction: float = 0.0  # of its computing, 0 to 1
    tries: int = 0  # by workers of this server
    lives: int = 0  # servers that began it and were not stopped in good order
    ear: tuple | None = None
    found: str = ""
    heard: str = ""
    computed: bool = False
    finished: int = 0  # frames a stem the worker has written
    stems: tuple[str, ...] = ()
    outbox: deque = field(default_factory=deque)  # (stem, first frame, last) to be sent; stem "": a stretch ends
    credit: int = 0
    acceptance: int = 0
    lane: Lane | None = None
    beside: bool = False
    known: bool = False
    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)  # stem to SHA-256 of its bytes
    error: tuple[str, str, str] | None = None  # code, message, hint
    refusal: tuple[str, str, str] | None = None
    unwanted: bool = False  # cancelled, or its client is gone: not to be tried again
    left: bool = False  # unwanted for no other reason than that its client was gone
    checked: float = -inf  # when its audio was found to be what was announced, by this server's clock
    announced: bool = False  # the client was told how it ended
    asked: float = field(default_factory=time.monotonic)  # when, by this server's clock

    @property
    def id(self) -> str:
        return self.order.job

    @property
    def abandoned(self) -> bool:
        """Nobody is there for it, and nobody can come for it."""
        return self.owner is None and not (self.keep and self.order.audio is not None)

    @property
    def at_rest(self) -> bool:
        """Ended, or left by its client before all of its audio was there, or was said to be what."""
        return self.state not in OPEN or (self.owner is None and (self.state == "uploading" or self.computed))

    @property
    def uploaded(self) -> bool:
        """Whether all of its audio is on the disk."""
        return self.order.audio is None or self.stored >= self.order.audio.frames

    @property
    def proven(self) -> bool:
        """Whether its audio was found to be what was announced. What tracks give is announced as nothing."""
        audio = self.order.audio
        if audio is None or not audio.frames or self.gathering is not None:
            return True
        return audio.sha256 != "" and self.found == audio.sha256 and self.heard in ("", audio.sha256)

    @property
    def fresh(self) -> bool:
        """Whether its audio was looked at a moment ago, or is looked at just now."""
        return not self.found or time.monotonic() - self.checked < FRESH

    @property
    def hash_to_come(self) -> bool:
        """Whether its client will say only later what its audio's SHA-256 is."""
        audio = self.order.audio
        return self.gathering is None and audio is not None and bool(audio.frames and audio.begins) and not audio.sha256

    def takes_from(self, client: bytes) -> bool:
        """Whether it is this client's turn to upload."""
        if self.state != "uploading":
            return False
        return self.owner == client if self.gathering is None else self.gathering.due_from(client)

    def line(self) -> Line:
        """What others may see of it."""
        audio = self.order.audio
        uploaded = self.received / audio.frames if audio and audio.frames else 0.0
        return Line(
            self.id[:8], self.state, self.order.preset[:64], uploaded if self.state == "uploading" else self.fraction,
            audio.frames / audio.sample_rate if audio and audio.sample_rate > 0 else 0.0, self.owner is not None,
        )  # fmt: skip

    def leave(self) -> None:
        """Its client is gone."""
        self.owner, self.credit, self.announced = None, 0, False
        self.lane, self.beside, self.known = None, False, False
        self.outbox.clear()

    def find_upload(self) -> None:
        """Take up what a server before this one had received: what was announced, until a worker has looked."""
        path = self.order.folder / INPUT
        size = self.frame_bytes()
        if size and path.exists():
            self.received = self.stored = path.stat().st_size // size
            os.truncate(path, self.received * size)
        self.found = (self.order.audio and self.order.audio.sha256) or UNKNOWN

    def frame_bytes(self) -> int:
        """Bytes of one frame of all channels."""
        return 4 * self.order.audio.channels if self.order.audio else 0

    def take(self, offset: int, size: int) -> bool:
        """Count an uploaded chunk of so many bytes; true when it was the next one and is to be stored (others are repeats and are
        left)."""
        if offset != self.received or not size or size % self.frame_bytes():
            return False
        frames = size // self.frame_bytes()
        assert self.order.audio is not None
        if self.received + frames > (self.gathering.due[0][1] if self.gathering else self.order.audio.frames):
            raise BridgeError("More audio was sent than announced.", "Announce the right number of frames.")
        self.received += frames
        return True

    def note_stored(self, size: int) -> None:
        """So many bytes more are on the disk. Raises what kept them from it."""
        if self.trouble is not None:
            raise self.trouble
        self.stored += size // self.frame_bytes()


class Jobs:
    """All jobs by id, the queue among them, and the folder they are spooled in (private to this user).

    Audio that was uploaded is kept for the next job only among programs of this machine: from another one, a hash that somebody was
    told would be enough to hear the song.

    folder: what is kept stays there, and what a server before this one left there is taken up again; None: a temporary one, removed
    on close. quota: bytes that the audio of jobs at rest, and audio that no job has any more, may take; the longest unused goes
    first, but of jobs only those that nobody is there for. ended: how many did so since, by their state.
    """

    def __init__(self, folder: Path | None = None, quota: int = QUOTA) -> None:
        self.by_id: dict[str, Job] = {}
        self.queue: list[Job] = []
        self.ended: Counter[State] = Counter()
        self.quota = quota
        self._turns: dict[Any, int] = {}  # owner to when it was last served
        self._used: dict[str, float] = {}
        self._sizes: dict[str, int] = {}
        self._latest = 0.0
        self._ledger = Ledger(folder) if folder else None
        self._spool = None if folder else Spool()
        self.folder = folder or self._spool.path  # type: ignore[union-attr]
        self.audio = AudioStore(self.folder / "audio", self._now)
        if self._ledger:
            self._take_up(self._ledger)

    def _take_up(self, ledger: Ledger) -> None:
        """What was queued or running is queued again, an upload goes on where it was, what is done can be asked for."""
        for job, used in ledger.read():
            if not job.order.folder.is_dir():
                ledger.erase(job.id)
                continue
            self.by_id[job.id], self._used[job.id] = job, used
            self._latest = max(self._latest, used)
            job.find_upload()
            if job.state in OPEN:
                job.state, job.finished = "uploading", 0
                if job.uploaded and not job.hash_to_come:
                    self.enqueue(job)
        known = {self.audio.folder} | {job.order.folder for job in self.by_id.values()}
        for path in self.folder.iterdir():
            if FOLDER.fullmatch(path.name) and path.is_dir() and path not in known:  # what else lies there is not ours
                shutil.rmtree(path, ignore_errors=True)

    def add(self, job: Job) -> Job:
        """OSError where it cannot be put down."""
        shutil.rmtree(job.order.folder, ignore_errors=True)
        job.order.folder.mkdir()
        if job.keep and self._ledger:
            try:
                self._ledger.write(job, self._now())
            except OSError:
                job.order.folder.rmdir()
                raise
        self.by_id[job.id] = job
        audio = job.order.audio
        length = audio.frames / audio.sample_rate if audio and audio.sample_rate > 0 else None
        event("job asked for", job.id, job.owner, preset=job.order.preset[:64], audio_seconds=length)
        return job

    def may_know(self, job: Job) -> bool:
        """Whether a job's audio might be here already, by how it begins."""
        audio = job.order.audio
        assert audio is not None
        size = audio.frames * job.frame_bytes()
        return job.hash_to_come and is_local(job.owner) and self.audio.may_have(audio.begins, size)

    def find_audio(self, job: Job) -> bool:
        """Whether a job's audio is here already, from another one's upload; it then has it."""
        audio = job.order.audio
        assert audio is not None
        if not is_local(job.owner) or not self.audio.give(
            audio.sha256, audio.frames * job.frame_bytes(), job.order.folder / INPUT
        ):
            return False
        job.received = job.stored = audio.frames
        job.found = audio.sha256
        return True

    def keep_audio(self, job: Job) -> None:
        """For other jobs, where it was found to be what was announced; their workers look again."""
        if job.proven and is_local(job.owner):
            self.audio.keep(job.found, job.order.folder / INPUT)

    def folder_for(self, job: str) -> Path:
        """Where a job has its audio; FOLDER is what such a name looks like."""
        return self.folder / hashlib.sha256(job.encode()).hexdigest()[:32]

    def enqueue(self, job: Job, first: bool = False) -> None:
        job.state, job.fraction = "queued", 0.0
        self.queue.insert(0 if first else len(self.queue), job)
        self.note(job)

    def next(self) -> Job | None:
        """The oldest job of whoever was served longest ago."""
        self.queue = [job for job in self.queue if job.state == "queued"]
        if not self.queue:
            self._turns.clear()
            return None
        job = min(self.queue, key=lambda job: self._turns.get(job.owner, 0))
        self.queue.remove(job)
        self._turns[job.owner] = 1 + max(self._turns.values(), default=0)
        return job

    def _now(self) -> float:
        """Seconds since 1970, and later than ever before: a clock that is set back does not make what is new the oldest."""
        self._latest = max(time.time(), self._latest + 0.001)
        return self._latest

    def of(self, owner: Any) -> list[Job]:
        """An owner's jobs, that which somebody asked for or that ended last at the end."""
        return sorted(
            (job for job in self.by_id.values() if job.owner == owner), key=lambda job: self._used.get(job.id, 0)
        )

    def note(self, job: Job) -> None:
        """Put down how a job stands. On a full disk the ledger falls behind: after a crash the job is done again."""
        self._used[job.id] = self._now()
        if job.keep and self._ledger:
            try:
                self._ledger.write(job, self._used[job.id])
            except OSError as error:
                log.warning("%s", error.strerror)

    def end(self, job: Job, state: State, error: tuple[str, str, str] | None = None) -> None:
        """The job is over."""
        if job.state in OPEN:
            self.ended[state] += 1
        job.state, job.error = state, error
        if state != "done":
            job.outbox.clear()
        shutil.rmtree(job.order.folder / CHUNKS, ignore_errors=True)
        self.note(job)
        self.make_room()

    def make_room(self) -> None:
        """Until all at rest is within the quota, and not too many, let the longest unused go: audio without a job, jobs without a
        client."""
        left = [job for _, job in self._left()]
        for job in left[: max(0, len(left) - MOST_KEPT)]:
            self.forget(job)
        while self._bytes_at_rest() > self.quota or len(self.audio.sizes) > MOST_AUDIO:
            in_use = {job.order.audio.sha256 for job in self.by_id.values() if job.order.audio}
            unused: list[tuple[float, str | Job]] = [
                (u, sha) for sha, u in self.audio.used.items() if sha not in in_use
            ]
            unused += self._left()
            if not unused:
                return
            oldest = min(unused, key=lambda pair: pair[0])[1]
            if isinstance(oldest, Job):
                self.forget(oldest)
            else:
                self.audio.drop(oldest)

    def _left(self) -> list[tuple[float, Job]]:
        """Jobs at rest that nobody is there for, and when each was last of use, the longest unused first."""
        left = [(self._used.get(job.id, 0), job) for job in self.by_id.values() if job.at_rest and job.owner is None]
        return sorted(left, key=lambda pair: pair[0])

    def _bytes_at_rest(self) -> int:
        busy = {job.order.audio.sha256 for job in self.by_id.values() if job.order.audio and not job.at_rest}
        shared = sum(size for sha256, size in self.audio.sizes.items() if sha256 not in busy)
        return shared + sum(self._size(job) for job in self.by_id.values() if job.at_rest)

    def _size(self, job: Job) -> int:
        """Bytes that are its own. What has ended does not change any more, and is not looked at again for every other that ends."""
        if job.id not in self._sizes or job.state in OPEN:
            shared = job.order.audio is not None and job.order.audio.sha256 in self.audio.sizes
            own = [file for file in job.order.folder.glob("*") if not (shared and file.name == INPUT)]
            self._sizes[job.id] = sum(file.stat().st_size for file in own)
        return self._sizes[job.id]

    def forget(self, job: Job) -> None:
        """Remove a job and its audio."""
        self.by_id.pop(job.id, None)
        self._sizes.pop(job.id, None)
        self._used.pop(job.id, None)
        if job.keep and self._ledger:
            try:
                self._ledger.erase(job.id)
            except OSError as error:
                log.warning("%s", error.strerror)
        shutil.rmtree(job.order.folder, ignore_errors=True)

    def lines(self) -> list[Line]:
        """What a report tells of the jobs, see `Report`."""
        rank = {"running": 0, "uploading": 1, "queued": 2}
        place = {job.id: number for number, job in enumerate(self.queue)}

        def key(job: Job) -> tuple:
            return rank.get(job.state, 3), place.get(job.id, 0), -self._used.get(job.id, 0)

        return [job.line() for job in sorted(self.by_id.values(), key=key)[:LINES]]

    def lasting(self, job: Job) -> bool:
        """Whether it is still there when the server is started again."""
        return job.keep and self._ledger is not None

    def count(self) -> dict[str, int]:
        return dict(Counter(job.state for job in list(self.by_id.values())))  # whole, whichever thread asks

    def close(self, orderly: bool = True) -> None:
        """What is kept stays. orderly: what runs has nothing to do with it, and does not count."""
        if self._spool:
            self._spool.close()
        if self._ledger is None:
            return
        for job in list(self.by_id.values()):
            if not job.keep:
                self.forget(job)
            elif orderly and job.state == "running":
                job.lives -= 1
                self.note(job)
        self._ledger.close()
