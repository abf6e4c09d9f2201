"""Jobs: what was asked, how far it is, and where its audio is spooled, so that memory does not grow with the songs."""

import hashlib
import shutil
import tempfile
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bridge.errors import BridgeError
from bridge.protocol import AudioShape, Part

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]
OPEN = ("uploading", "queued", "running")
TRIES = 2  # a job whose worker dies is tried once more


@dataclass(frozen=True)
class Order:
    """What a worker is given.

    audio: shape of folder/input.f32, or None when it shall read `files` itself (see bridge.files.stem_paths) and write WAV files
    to `out`. Stems are spooled to folder/STEM.f32, interleaved float32. parts, settings: see `Submit`.
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


@dataclass
class Job:
    """owner: the client's identity on its socket, or an OSC sender's address. received: frames uploaded. delivered: frames a stem
    that were handed to the client; credit: chunks it still takes."""

    order: Order
    owner: Any
    state: State = "uploading"
    received: int = 0
    tries: int = 0
    upload_hash: Any = field(
        default_factory=hashlib.sha256
    )  # of what was uploaded, kept up so that nothing is read again
    finished: int = 0  # frames a stem the worker has written
    stems: tuple[str, ...] = ()
    outbox: deque = field(default_factory=deque)  # (stem, first frame, last) to be sent; stem "": a stretch ends
    credit: int = 0
    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)  # stem to SHA-256 of its bytes
    error: tuple[str, str, str] | None = None  # code, message, hint
    unwanted: bool = False  # cancelled, or its client is gone: not to be tried again
    announced: bool = False  # the client was told how it ended

    @property
    def id(self) -> str:
        return self.order.job

    def frame_bytes(self) -> int:
        """Bytes of one frame of all channels."""
        return 4 * self.order.audio.channels if self.order.audio else 0

    def append(self, offset: int, payload: bytes) -> bool:
        """Store an uploaded chunk; true when it was the next one (others are repeats and are left)."""
        if offset != self.received or not payload or len(payload) % self.frame_bytes():
            return False
        frames = len(payload) // self.frame_bytes()
        assert self.order.audio is not None
        if self.received + frames > self.order.audio.frames:
            raise BridgeError("More audio was sent than announced.", "Announce the right number of frames.")
        with open(self.order.folder / "input.f32", "ab") as file:
            file.write(payload)
        self.upload_hash.update(payload)
        self.received += frames
        return True

    def whole(self) -> bool:
        """Whether all audio is there and is what was announced. BridgeError when it is damaged."""
        assert self.order.audio is not None
        if self.received < self.order.audio.frames:
            return False
        if self.upload_hash.hexdigest() != self.order.audio.sha256:
            raise BridgeError("The audio was damaged on the way to the server.", "Send it again.")
        return True


class Jobs:
    """All jobs by id, the queue among them, and the folder they are spooled in (private to this user, removed on close)."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stemweave-"))
        self.by_id: dict[str, Job] = {}
        self.queue: deque[Job] = deque()

    def add(self, job: Job) -> Job:
        self.by_id[job.id] = job
        job.order.folder.mkdir()
        return job

    def folder_for(self, number: int) -> Path:
        return self.folder / f"job{number:08d}"

    def enqueue(self, job: Job, first: bool = False) -> None:
        job.state = "queued"
        (self.queue.appendleft if first else self.queue.append)(job)

    def next(self) -> Job | None:
        """The oldest job still wanted."""
        while self.queue:
            job = self.queue.popleft()
            if job.state == "queued":
                return job
        return None

    def of(self, owner: Any) -> list[Job]:
        return [job for job in self.by_id.values() if job.owner == owner]

    def forget(self, job: Job) -> None:
        """Remove a job and its audio."""
        self.by_id.pop(job.id, None)
        shutil.rmtree(job.order.folder, ignore_errors=True)

    def count(self) -> dict[str, int]:
        return dict(Counter(job.state for job in self.by_id.values()))

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
