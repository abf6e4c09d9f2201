"""What clients are told of their jobs, over whichever protocol: progress, stems as they take them, and how each job ended."""

import logging
import os
import time
from collections.abc import Mapping
from types import MappingProxyType

from bridge import errors, protocol
from bridge.doors import Doors
from bridge.jobs import OPEN, Job, Jobs, State
from bridge.limits import Refusal
from bridge.logs import event
from bridge.metrics import Metrics
from bridge.osc.endpoint import OscEndpoint
from bridge.protocol import Cancelled, Chunk, Done, Error, Message, Progress, Stretch

log = logging.getLogger("stemweave")

STEM_GONE = ("no_resource", "A finished stem is gone from the server's disk.", "Ask for the job again.")


class Delivery:
    """Of one server. osc: None where nobody is served over OSC."""

    def __init__(self, doors: Doors, jobs: Jobs, metrics: Metrics, osc: OscEndpoint | None):
        self._doors, self._jobs, self._metrics, self._osc = doors, jobs, metrics, osc

    def send(self, client: bytes, message: Message) -> None:
        self._doors.send(client, protocol.encode(message))

    def fail(self, client: bytes, code: str, message: str, hint: str = "", job: str = "") -> None:
        message, hint = errors.sayable((message, hint))
        self.send(client, Error(code, message, hint, code in errors.RETRYABLE, job))

    def accepted(self, job: Job) -> None:
        """Its client, over ZeroMQ, was told so."""
        if self._osc:
            self._osc.accepted(job)

    def progress(self, job: Job, fraction: float) -> None:
        if isinstance(job.owner, bytes):
            self.send(job.owner, Progress(job.id, fraction))
        if self._osc:
            self._osc.progress(job, fraction)

    def wrote(self, job: Job, stem: str, path: str) -> None:
        """A stem is a file now."""
        if self._osc:
            self._osc.wrote(job, stem, path)

    def queue(self, job: Job, first: int, have: Mapping[str, int] = MappingProxyType({})) -> None:
        """To be sent: stems from `first`, or what the client has, to where they are finished, then a word that they were."""
        for stem in job.stems:
            start = max(first, have.get(stem, 0))
            if start < job.finished:
                job.outbox.append((stem, start, job.finished))
        job.outbox.append(("", job.finished, job.finished))

    def deliver(self, job: Job) -> None:
        """Send what the client has credit for; once it has all, tell it how the job ended."""
        while job.credit > 0 and job.outbox:
            if not self._send_next(job):
                return
        if job.state in OPEN:
            return
        if job.abandoned:
            self._jobs.forget(job)
        elif job.owner is not None and not job.outbox and not job.announced:
            self._announce(job)

    def _send_next(self, job: Job) -> bool:
        """One chunk; false where it cannot be read now."""
        stem, first, last = job.outbox[0]
        if not stem:
            job.outbox.popleft()
            self.send(job.owner, Stretch(job.id, last))
            return True
        size = job.frame_bytes()
        count = min(last - first, (protocol.MAX_PAYLOAD if job.beside else protocol.CHUNK_BYTES) // size)
        path = f"{job.order.folder}/{stem}.f32"
        try:
            if job.beside:
                os.stat(path)
                chunk = protocol.encode(Chunk(job.id, first, 0, stem, size=count * size, file=path))
            else:
                with open(path, "rb") as file:
                    file.seek(first * size)
                    chunk = protocol.chunk(job.id, stem, first, file.read(count * size))
        except FileNotFoundError:  # somebody tidied up
            self.end(job, "failed", STEM_GONE)
            return True
        except OSError as error:  # too many files are open: one job's trouble, not everybody's
            log.warning("a stem of job %s cannot be read: %s", job.id[:8], error.strerror)
            return False
        job.outbox.popleft()
        if first + count < last:
            job.outbox.appendleft((stem, first + count, last))
        self._doors.send(job.owner, chunk)
        self._metrics.sent.inc(count * size)
        job.credit -= 1
        return True

    def _announce(self, job: Job) -> None:
        """Tell the owner how the job ended."""
        job.announced, job.lane = True, None
        if not isinstance(job.owner, bytes):  # who asked by OSC was told at once
            self._jobs.forget(job)
        elif job.state == "done":
            self.send(job.owner, Done(job.id, job.digests, job.finished, job.seconds))
        elif job.state == "cancelled":
            self.send(job.owner, Cancelled(job.id))
        else:
            assert job.error is not None
            self.fail(job.owner, *job.error, job=job.id)
        told = [other for other in self._jobs.of(job.owner) if other.announced and other is not job]
        for old in told[: 1 - protocol.KEPT_JOBS]:
            self._jobs.forget(old)

    def end(self, job: Job, state: State, error: Refusal | None = None) -> None:
        """The job is over; over ZeroMQ its client hears of it once it has what is finished."""
        open_until_now = job.state in OPEN  # or it was done, and its stems are gone
        self._jobs.end(job, state, error)
        event(
            f"job {state}", job.id, job.owner, code=error and error[0], computing_seconds=job.seconds or None,
            seconds=time.monotonic() - job.asked,
        )  # fmt: skip
        if not open_until_now:
            return
        self._metrics.ended(job)
        if self._osc:
            self._osc.ended(job)
