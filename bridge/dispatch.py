"""A job's way through the worker: given when its turn has come, heard of, tried again when the worker died, cancelled."""

import logging
import time

from bridge import errors
from bridge.costs import Costs
from bridge.delivery import Delivery
from bridge.errors import BridgeError
from bridge.jobs import LIVES, OPEN, TRIES, Job, Jobs
from bridge.limits import Refusal
from bridge.logs import event
from bridge.metrics import Metrics
from bridge.workers import DIED, Worker

log = logging.getLogger("stemweave")

UPLOAD_DAMAGED = (errors.DAMAGED, "The audio was damaged on the way to the server.", "Send it again.")
FATAL = (
    errors.WORKER_DIED,
    f"The server was killed {LIVES} times while it worked on this job.",
    "Close other programs there to free memory, or try a shorter song.",
)
UNDER_WAY = ("progress", "partial", "wrote")  # news of a job that is not over
STARTS = 3  # times in a row a worker may die before it was ready


class Dispatch:
    """Of one server."""

    def __init__(self, worker: Worker, jobs: Jobs, costs: Costs, delivery: Delivery, metrics: Metrics):
        self._worker, self._jobs, self._costs, self._delivery, self._metrics = worker, jobs, costs, delivery, metrics
        self._failed_starts = 0

    def give(self) -> None:
        """The next job to the worker, where it has none."""
        if self._worker.idle and (job := self._jobs.next()) is not None:
            if self._jobs.lasting(job) and not job.tries and job.lives >= LIVES:
                self._delivery.end(job, "failed", FATAL)
                return
            job.lives += not job.tries
            self._costs.begins(self._worker.process.pid or 0)
            try:
                self._worker.give(job)
                self._jobs.note(job)
                event("job begun", job.id, job.owner, tries=job.tries, waited_seconds=time.monotonic() - job.asked)
            except OSError:
                self._worker_died()

    def cancel(self, job: Job) -> None:
        """At once where it waits or is only sent, else between two steps of the sampler."""
        job.unwanted, job.left = True, False
        if job is self._worker.job:
            self._worker.cancel(job)
        elif job.state in OPEN:
            self._delivery.end(job, "cancelled")
        elif job.outbox:  # done, but its client wants no more of it
            job.state = "cancelled"
            job.outbox.clear()
            self._jobs.note(job)

    def fail(self, job: Job, refusal: Refusal) -> None:
        """At once, or when the worker has heard of it."""
        job.refusal = refusal
        if job is self._worker.job:
            self._worker.cancel(job)
        elif job.state in OPEN:
            self._delivery.end(job, "failed", refusal)

    def _back(self, job: Job) -> bool:
        """Whether who left it has come for it again, before it had stopped: nobody asked for its end."""
        if not job.left or job.owner is None:
            return False
        job.unwanted = job.left = False
        return True

    def judge(self, job: Job) -> None:
        """It is done once it is computed and of the audio that was announced, and fails as soon as that is known to be another."""
        if job.proven:
            if job.computed:
                self._delivery.end(job, "done")
        elif job.found and not job.hash_to_come:
            if job.heard and job.order.audio:
                self._jobs.audio.drop(job.order.audio.sha256)
            self.fail(job, UPLOAD_DAMAGED)
        elif job.computed and job.unwanted:  # nobody will say what it was to be
            self._delivery.end(job, "cancelled")

    def hear(self) -> None:
        """What the worker has reported since."""
        for news in self._worker.events():
            if news[0] == "died":
                self._worker_died()
                return
            job = self._worker.job
            if job is None or news[1] != job.id:
                continue
            try:
                self._event(job, *news)
            except Exception as error:  # one job's trouble, not everybody's
                self.fail(job, errors.told_of(error))

    def _event(self, job: Job, kind: str, _id: str, *rest) -> None:
        if job.state not in OPEN and kind in UNDER_WAY:  # it was ended meanwhile: a stem was gone
            return
        if kind == "progress":
            job.fraction = rest[0]
            self._delivery.progress(job, rest[0])
        elif kind == "partial":
            frames, job.stems = rest
            if frames > job.finished:  # a second try begins again; what was delivered stays delivered
                before, job.finished = job.finished, frames
                self._delivery.queue(job, before)
        elif kind == "wrote":
            self._delivery.wrote(job, *rest)
        else:
            self._worker.job = None
            self._costs.ends()
            if job.state not in OPEN:  # it was ended meanwhile: a stem was gone
                return
            back = self._back(job)
            if job.refusal:
                self._delivery.end(job, "failed", job.refusal)
            elif kind == "done":
                job.seconds, job.digests, memory, job.heard = rest
                job.computed = True
                if job.tries == 1:
                    self._costs.learn(job.order, job.seconds, memory, len(job.stems))
                self.judge(job)
            elif kind == "cancelled" and back:  # what is finished of it is there still
                self._jobs.enqueue(job, first=True)
            elif kind == "cancelled":
                self._delivery.end(job, "cancelled")
            else:
                if rest[0] == errors.DAMAGED and job.order.audio:
                    self._jobs.audio.drop(job.order.audio.sha256)
                self._delivery.end(job, "failed", rest)

    def _worker_died(self) -> None:
        self._failed_starts = 0 if self._worker.ready else self._failed_starts + 1
        if self._failed_starts == STARTS:
            raise BridgeError(
                "The engine cannot be started: its process dies at once.", "See what is wrong: stemweave doctor"
            )
        self._metrics.deaths.inc()
        lost = self._worker.replace()
        log.warning("the worker died%s; started another", f" on job {lost.id[:8]}" if lost else "")
        if lost is None or lost.state not in OPEN:
            return
        if lost.refusal:
            self._delivery.end(lost, "failed", lost.refusal)
        elif self._back(lost):
            self._jobs.enqueue(lost, first=True)
        elif lost.unwanted:
            self._delivery.end(lost, "cancelled")
        elif lost.tries < TRIES:
            self._jobs.enqueue(lost, first=True)
        else:
            self._delivery.end(lost, "failed", (errors.WORKER_DIED, *DIED))
