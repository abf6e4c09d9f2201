"""The server: one thread, one poll loop, never busy with anything but messages. The model runs in a worker process."""

import ctypes
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from bridge import errors, protocol
from bridge.answers import Answers
from bridge.bell import Bell
from bridge.costs import Costs
from bridge.delivery import Delivery
from bridge.dispatch import Dispatch
from bridge.doors import Doors
from bridge.errors import Refused
from bridge.folders import Folders, is_path
from bridge.intake import Intake
from bridge.jobs import OPEN, QUOTA, Job, Jobs, Order
from bridge.lane import Lanes
from bridge.limits import Limits, Refusal
from bridge.metrics import Metrics
from bridge.osc.endpoint import OscEndpoint
from bridge.osc.query import OscQuery
from bridge.proofs import Proofs
from bridge.protocol import Report
from bridge.workers import PERFORM, Worker, main_of

if TYPE_CHECKING:
    from bridge.osc.announcement import Announcement

log = logging.getLogger("stemweave")

CLOSED = (errors.CLOSING, "The server is being stopped and takes no more jobs.", "Ask again when it is back.")
FINISH = 60.0  # seconds that a server which is told to end gives to what it has begun
PIPE_WAKES = os.name != "nt"  # on Windows a pipe is nothing that ZeroMQ can poll: it is looked into at every turn
CANCEL_GRACE = 10.0  # seconds a job has to hear that it is cancelled
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
FREED = 4 * protocol.CREDIT * protocol.CHUNK_BYTES  # bytes, of the chunks that may be under way to a client


class Server:
    """Serves `stemweave serve`. host, port: see bridge.doors.Doors. osc_port: None leaves OSC out. osc_host: of OscEndpoint.
    advertise: programs may list the OSC addresses (OSCQuery), and find them where OSC is open to other machines (zeroconf).

    target: "module:function" a worker runs for each order (tests put others in its place). folder: where jobs that are to be kept
    outlive the server; None: nothing does. quota: bytes that the audio of ended jobs may take. folders: what clients may name paths
    in; by default those of bridge.folders.usual. finish: see `drain`. metrics_port: of bridge.metrics; None: none.
    workers: of bridge.workers.WORKERS. device: of jobs for which neither who asked nor the preset names one.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = protocol.DEFAULT_PORT,
        osc_port: int | None = None,
        target: str = PERFORM,
        gone_after: float = protocol.GONE_AFTER,
        cancel_grace: float = CANCEL_GRACE,
        folder: Path | None = None,
        quota: int = QUOTA,
        folders: Iterable[Path] = (),
        finish: float = FINISH,
        metrics_port: int | None = None,
        workers: str = "local",
        osc_host: str = "127.0.0.1",
        advertise: bool = False,
        device: str = "cpu",
    ):
        self.gone_after, self.cancel_grace, self.finish = gone_after, cancel_grace, finish
        self.device = device
        self._closing_by: float | None = None
        self.folders, main = Folders(folders), main_of(workers)
        self.session, self.started = uuid.uuid4().hex, time.monotonic()
        self._osc: OscEndpoint | None = None
        self._query: OscQuery | None = None
        self._announcement: Announcement | None = None
        self.metrics = Metrics(self)
        self._doors = Doors(host, port)
        self.port, self.outside = self._doors.port, self._doors.outside
        try:
            if osc_port is not None:
                self._osc = OscEndpoint(osc_host, osc_port, self)
            if metrics_port is not None:
                self.metrics.serve(metrics_port)
            if self._osc and advertise:
                self._advertise(self._osc)
            self.jobs, self._stop = Jobs(folder, quota), threading.Event()
        except BaseException:
            self._hang_up()
            raise
        if self._osc:
            self._osc.take_up(self.jobs.by_id.values())
        self.costs = Costs(self.jobs.folder)
        self._limits = Limits(self.jobs, self.folders, self.costs)
        self.worker = Worker(target, self.folders, main)
        self._delivery = Delivery(self._doors, self.jobs, self.metrics, self._osc)
        self._dispatch = Dispatch(self.worker, self.jobs, self.costs, self._delivery, self.metrics)
        self._bell = Bell()
        self._intake, self._proofs, self._lanes = Intake(self._bell), Proofs(self._bell), Lanes()
        self._answers = Answers(self, self._doors, self._delivery, self._intake, self._proofs, self._lanes)

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until stop() or a signal. ready: called once the worker can take jobs."""
        _keep_freed_memory()
        poller = zmq.Poller()
        for door in self._doors.sockets:
            poller.register(door, zmq.POLLIN)
        poller.register(self._bell.fileno(), zmq.POLLIN)
        if self._osc:
            for fileno in self._osc.filenos():
                poller.register(fileno, zmq.POLLIN)
        try:
            while not self._stop.is_set():
                pipe = self.worker.connection.fileno()
                if PIPE_WAKES:
                    poller.register(pipe, zmq.POLLIN)
                waiting = dict(poller.poll(100 if PIPE_WAKES else 20))
                looked = time.monotonic()
                self._bell.silence()
                self._answers.receive()
                if self._osc:
                    self._osc.receive()
                if pipe in waiting or not PIPE_WAKES:
                    self._dispatch.hear()
                if PIPE_WAKES:
                    poller.unregister(pipe)
                self.worker.kill_if_deaf(self.cancel_grace)
                self._doors.look_again()
                self._answers.drop_the_gone(looked, self.gone_after)
                if not self.closing:
                    self._dispatch.give()
                self._deliver()
                if self.closing:
                    self._wind_up()
                if ready and self.worker.ready:
                    ready()
                    ready = None
        finally:
            self.close()

    def stop(self) -> None:
        """End run() soon; may be called from any thread or a signal."""
        self._stop.set()

    def drain(self) -> None:
        """Take no new jobs, finish what runs, tell everybody, and then end run(); `finish` seconds at most. A second call ends it
        at once. From any thread or a signal."""
        if self.closing:
            self.stop()
        self._closing_by = time.monotonic() + self.finish

    @property
    def closing(self) -> bool:
        """Whether it is on its way out."""
        return self._closing_by is not None

    def stop_on_signals(self) -> None:
        """SIGTERM drains, as who stops a service expects; Ctrl-C ends at once. Jobs that are to be kept outlive both."""
        signal.signal(signal.SIGTERM, lambda *_: self.drain())
        signal.signal(signal.SIGINT, lambda *_: self.stop())

    def close(self) -> None:
        self.worker.close()
        self._intake.close()
        self._proofs.close()
        self._bell.close()
        self._hang_up()
        self._lanes.close()
        self.jobs.close(orderly=self._stop.is_set())

    def _advertise(self, osc: OscEndpoint) -> None:
        """On loopback nobody needs to be told where: the ports are always the same."""
        try:
            self._query = OscQuery(osc.hosts, osc.port)
        except OSError as error:
            log.warning("OSC addresses are not listed (OSCQuery): %s", error)
            return
        if osc.outside:
            from bridge.osc.announcement import Announcement  # zeroconf takes long to import, and few need it

            self._announcement = Announcement(osc.outside, osc.port, self._query.ports[-1])

    @property
    def osc_outside(self) -> list[str]:
        """HOST:PORT at which other machines are heard by OSC."""
        return [f"{host}:{self._osc.port}" for host in self._osc.outside] if self._osc else []

    @property
    def query_ports(self) -> list[int]:
        """TCP ports of OSCQuery: that of OSC, unless it was taken; on loopback, then where others are heard."""
        return self._query.ports if self._query else []

    def _hang_up(self) -> None:
        for advertised in (self._announcement, self._query):
            try:
                if advertised:
                    advertised.close()
            except Exception:  # of the network, or of zeroconf, which has many: the rest has to be closed all the same
                log.warning("cannot be taken back: %s", type(advertised).__name__, exc_info=True)
        if self._osc:
            self._osc.close()
        self.metrics.close()
        self._doors.close(linger=5000 if self.closing else 0)  # whoever reads has it long before

    @property
    def clients(self) -> int:
        """How many are there, over ZeroMQ."""
        return len(self._answers.heard)

    def refusal(self, client: Hashable, order: Order) -> Refusal | None:
        """Why an order cannot be taken, over either protocol."""
        return CLOSED if self.closing else self._limits.of_order(client, order) or self._unknown_preset(order.preset)

    def _unknown_preset(self, preset: str) -> Refusal | None:
        """As far as it can be told without the engine: a path is looked at by the worker, and a list that is empty says nothing."""
        known = self.worker.presets if self.worker.ready else []
        if known and preset not in known and not is_path(preset):
            return "bad_preset", f"There is no preset called '{preset}'.", f"Presets: {', '.join(known)}."
        return None

    def submit_files(
        self, owner: tuple, ear: tuple | None, preset: str, files: tuple[str, ...], out: str, seed: int, settings: dict
    ) -> Job:
        """A job on files of this machine, for OSC, whose senders cannot carry audio. ear: see Job. Refused where it cannot be
        taken."""
        name = str(uuid.uuid4())
        folder = self.jobs.folder_for(name)
        order = Order(name, preset, {"seed": seed}, folder, files=files, out=out, settings=settings, device=self.device)
        if refusal := self.refusal(owner, order):
            raise Refused(*refusal)
        job = self.jobs.add(Job(order, owner, keep=True, ear=ear))
        self.jobs.enqueue(job)
        return job

    def cancel(self, job: Job) -> None:
        self._dispatch.cancel(job)

    def fail(self, job: Job, refusal: Refusal) -> None:
        self._dispatch.fail(job, refusal)

    def judge(self, job: Job) -> None:
        """Once it is known what an open job's audio is, or what it was to be."""
        self.jobs.keep_audio(job)
        self._dispatch.judge(job)

    def report(self) -> Report:
        pid = self.worker.process.pid if self.worker.ready else 0
        uptime = time.monotonic() - self.started
        return Report(self.session, self.jobs.count(), pid or 0, uptime, self.jobs.lines(), self.closing)

    def _deliver(self) -> None:
        for job in list(self.jobs.by_id.values()):
            try:
                self._delivery.deliver(job)
            except Exception as error:  # one job's trouble, not everybody's
                self.worker.cancel(job)  # where it is at it
                self._delivery.end(job, "failed", errors.told_of(error))

    def _wind_up(self) -> None:
        """Refuse what has not begun and would not outlive the server; once what runs has ended and its client has it, stop."""
        assert self._closing_by is not None
        late = time.monotonic() > self._closing_by
        for job in list(self.jobs.by_id.values()):
            if job.state in OPEN and (late or job.state != "running") and not self.jobs.lasting(job):
                self._delivery.end(job, "failed", CLOSED)
        self._deliver()
        waiting = any(
            job.owner is not None and not job.announced and (job.state not in OPEN or job.computed)
            for job in self.jobs.by_id.values()
        )
        if late or (self.worker.job is None and not waiting):
            self.stop()


def _keep_freed_memory() -> None:
    """Where the C library is glibc: have it keep what a chunk took for the next one. What it gives back to the system is cleared
    at its next use, which costs more than to read the chunk."""
    with suppress(OSError, AttributeError):  # another library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 4 * protocol.MAX_PAYLOAD)
        libc.mallopt(M_TRIM_THRESHOLD, FREED)
