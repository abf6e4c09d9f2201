"""The server: one thread, one poll loop, never busy with anything but messages. The model runs in a worker process."""

import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zmq

from bridge import errors, protocol
from bridge.contexts import Contexts, Gathering
from bridge.doors import Doors
from bridge.errors import BridgeError, ContextError, DamagedChunk, ProtocolError, Refused
from bridge.folders import Folders
from bridge.jobs import OPEN, QUOTA, TRIES, Job, Jobs, Order
from bridge.limits import Limits, Refusal, of_clients
from bridge.metrics import Metrics
from bridge.osc.endpoint import OscEndpoint
from bridge.protocol import (
    TASKS,
    Accepted,
    Bye,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Give,
    Hello,
    Join,
    Message,
    Ping,
    Pong,
    Progress,
    Report,
    Status,
    Stretch,
    Submit,
    Tracks,
    Welcome,
)  # fmt: skip
from bridge.workers import PERFORM, Worker

log = logging.getLogger("stemweave")

DIED = (
    "The process that computes died while it worked on this job, twice.",
    "Close other programs to free memory, or try a shorter song; the server itself goes on.",
)
TAKEN_OVER = (
    errors.TAKEN,
    "Another client asked for this job.",
    "It gets the stems; ask again under another UUID to have them here too.",
)
STEM_GONE = ("no_resource", "A finished stem is gone from the server's disk.", "Ask for the job again.")
TRACK_GONE = (
    errors.CONTEXT,
    "A track of the session is gone that this job was to listen to.",
    "Ask again: the tracks that are left will be listened to.",
)
CLOSED = (errors.CLOSING, "The server is being stopped and takes no more jobs.", "Ask again when it is back.")
FINISH = 60.0  # seconds that a server which is told to end gives to what it has begun
CANCEL_GRACE = 10.0  # seconds a job has to hear that it is cancelled

STARTS = 3  # times in a row a worker may die before it was ready


class Server:
    """Serves `stemweave serve`. host, port: see bridge.doors.Doors. osc_port: on loopback, whatever host is; None leaves OSC out.

    target: "module:function" a worker runs for each order (tests put others in its place). folder: where jobs that are to be kept
    outlive the server; None: nothing does. quota: bytes that the audio of ended jobs may take. folders: what clients may name paths
    in; by default those of bridge.folders.usual. finish: see `drain`. metrics_port: of bridge.metrics; None: none.
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
    ):
        self.gone_after, self.cancel_grace, self.finish = gone_after, cancel_grace, finish
        self._closing_by: float | None = None
        self.folders = Folders(folders)
        self.session, self.started = uuid.uuid4().hex, time.monotonic()
        self.heard: dict[bytes, float] = {}
        self.contexts = Contexts()
        self._osc: OscEndpoint | None = None
        self.metrics = Metrics(self)
        self._doors = Doors(host, port)
        self.port, self.outside = self._doors.port, self._doors.outside
        try:
            if osc_port is not None:  # whoever can send a datagram is believed: of this machine only
                self._osc = OscEndpoint("127.0.0.1", osc_port, self)
            if metrics_port is not None:
                self.metrics.serve(metrics_port)
            self.jobs, self._stop = Jobs(folder, quota), threading.Event()
        except BridgeError:
            self._hang_up()
            raise
        self._limits = Limits(self.jobs, self.folders)
        self.worker, self._failed_starts = Worker(target, self.folders), 0
        self._on: dict[type[Message], Callable] = {
            Hello: self._hello, Submit: self._submit, Chunk: self._upload, Credit: self._credit, Cancel: self._cancel,
            Status: self._status, Ping: self._ping, Bye: self._bye, Join: self._join,
        }  # fmt: skip

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until stop() or a signal. ready: called once the worker can take jobs."""
        poller = zmq.Poller()
        for door in self._doors.sockets:
            poller.register(door, zmq.POLLIN)
        if self._osc:
            poller.register(self._osc.fileno(), zmq.POLLIN)
        try:
            while not self._stop.is_set():
                pipe = self.worker.connection.fileno()
                poller.register(pipe, zmq.POLLIN)
                poller.poll(100)
                self._receive()
                if self._osc:
                    self._osc.receive()
                self._hear_worker()
                poller.unregister(pipe)
                self.worker.kill_if_deaf(self.cancel_grace)
                self._drop_the_gone()
                self._dispatch()
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
        self._hang_up()
        self.jobs.close()

    def _hang_up(self) -> None:
        if self._osc:
            self._osc.close()
        self.metrics.close()
        self._doors.close(linger=500 if self.closing else 0)

    # Messages in.

    def _receive(self) -> None:
        """All messages that wait; one bad one is answered and costs nobody else anything."""
        for client, frames in self._doors.waiting():
            message: Message | None = None
            try:
                decoded = protocol.decode(frames)
                if decoded is None:
                    continue
                message, payload = decoded
                if client not in self.heard and (refusal := self._stranger(message)):
                    self._fail(client, *refusal)
                    continue
                self.heard[client] = time.monotonic()
                if type(message) in self._on:
                    self._on[type(message)](client, message, payload)
            except DamagedChunk as error:
                self._fail_job(client, error.job, errors.DAMAGED, error.message, error.hint)
            except ProtocolError as error:
                self._fail(client, errors.PROTOCOL, error.message, error.hint)
            except BridgeError as error:
                code = errors.CONTEXT if isinstance(error, ContextError) else errors.DAMAGED
                self._fail_job(client, getattr(message, "job", ""), code, error.message, error.hint)
            except OSError as error:
                said = (
                    f"The audio cannot be kept: {error.strerror}.",
                    "Free some space on the server's disk, then try again.",
                )
                self._fail_job(client, getattr(message, "job", ""), "no_resource", *said)
            except Exception:  # a fault of ours must not cost the other clients their server
                log.exception("fault in answering a message")
                self._fail_job(client, getattr(message, "job", ""), errors.INTERNAL, "The server made a mistake.")

    def _stranger(self, message: Message) -> Refusal | None:
        """Why somebody who is not a client yet cannot be heard."""
        if not isinstance(message, Hello):
            return errors.HELLO_FIRST, "A client must say hello first.", "Send `hello` with your version."
        return of_clients(len(self.heard))

    def _fail_job(self, client: bytes, job: str, code: str, message: str, hint: str = "") -> None:
        """End a client's job with an error; only say it where there is no such job."""
        found = self._job(client, job) or self._taking(client, job)
        if found is not None and found.state in OPEN:
            self._end(found, "failed", (code, message, hint))
        else:
            self._fail(client, code, message, hint, job)

    def _hello(self, client: bytes, message: Hello, _: bytes) -> None:
        if not protocol.same_major(message.version):
            self._leave(client)
            self._fail(
                client, errors.VERSION,
                f"The client speaks protocol {message.version}, this server {protocol.VERSION}.",
                "Update the older of the two.",
            )  # fmt: skip
            return
        limits = {
            "frames": protocol.MAX_FRAMES, "jobs": protocol.MAX_JOBS, "payload": protocol.MAX_PAYLOAD,
            "header": protocol.MAX_HEADER, "credit": protocol.CREDIT,
        }  # fmt: skip
        self.send(
            client,
            Welcome(
                protocol.VERSION,
                self.session,
                package_version(),
                self.worker.models,
                self.worker.presets,
                limits,
                list(TASKS),
            ),
        )

    def _submit(self, client: bytes, message: Submit, _: bytes) -> None:
        job = self.jobs.by_id.get(message.job)
        if (
            job is not None
        ):  # asked again, perhaps after a lost connection: the same job, from the start of what it gives
            if isinstance(job.owner, bytes) and job.owner != client:
                self._fail(job.owner, *TAKEN_OVER, job=job.id)
            job.leave()
            job.owner = client
            self.jobs.note(job)
            if job.finished:
                self._queue_stretch(job, 0)
            self.send(client, Accepted(job.id, job.state, job.received))
            if job.state == "uploading" and job.gathering is None:
                self.send(client, Credit(job.id, protocol.CREDIT))
            return
        gathering = self._gathering(message) if message.context else None
        asked = ("start", "stop", "seconds", "prompts", "mixture_prompt")
        settings = {key: getattr(message, key) for key in asked} | {"wanted": tuple(message.wanted)}
        order = Order(
            message.job, message.preset, message.overrides, self.jobs.folder_for(message.job), message.audio,
            parts=tuple(message.parts), settings=settings,
        )  # fmt: skip
        refusal = self._limits.of_message(message) or self.refusal(client, order)
        if refusal:
            self._fail(client, *refusal, job=message.job)
            return
        job = self.jobs.add(Job(order, client, keep=message.keep and gathering is None, gathering=gathering))
        if not message.audio.frames:
            self.jobs.enqueue(job)
        self.send(client, Accepted(message.job, job.state, 0))
        if gathering:
            self._ask_to_give(job, gathering)
        else:
            self.send(client, Credit(message.job, protocol.CREDIT))

    def _gathering(self, message: Submit) -> Gathering:
        """Who gives the audio of a job over a context; the message is made to say all of it."""
        audio = message.audio
        gathering = self.contexts.gathering(message.context, message.position, audio.frames, audio.sample_rate)
        audio.frames *= len(gathering.parts)
        message.parts = list(gathering.parts)
        return gathering

    def _ask_to_give(self, job: Job, gathering: Gathering) -> None:
        """Tell the track whose turn it is."""
        client, end = gathering.due[0]
        assert job.order.audio is not None
        wanted = end - job.received
        self.send(client, Give(job.id, job.received, wanted, gathering.position, job.order.audio.channels))
        self.send(client, Credit(job.id, protocol.CREDIT))

    def _join(self, client: bytes, message: Join, _: bytes) -> None:
        left = self.contexts.of(client)
        before = self.contexts.join(client, message.context, message.track)
        for context in {message.context, left} - {""}:
            self._tell_tracks(context)
        for job in self.jobs.by_id.values():  # a track that is back under another connection gives what it owes
            if job.state == "uploading" and job.gathering and before in dict(job.gathering.due):
                job.gathering.replace(before, client)
                if job.takes_from(client):
                    self._ask_to_give(job, job.gathering)

    def _tell_tracks(self, context: str) -> None:
        members = self.contexts.members(context)
        for client in members:
            self.send(client, Tracks(context, list(members.values())))

    def refusal(self, client: Hashable, order: Order) -> Refusal | None:
        """Why an order cannot be taken, over either protocol."""
        return CLOSED if self.closing else self._limits.of_order(client, order) or self._unknown_preset(order.preset)

    def _unknown_preset(self, preset: str) -> Refusal | None:
        if self.worker.ready and preset not in self.worker.presets:
            return "bad_preset", f"There is no preset called '{preset}'.", f"Presets: {', '.join(self.worker.presets)}."
        return None

    def _upload(self, client: bytes, message: Chunk, payload: bytes) -> None:
        job = self._taking(client, message.job)
        if job is None:
            return
        self.metrics.received.inc(len(payload))
        if job.append(message.offset, payload):
            if job.gathering and job.gathering.taken(job.received) and job.gathering.due:
                self._ask_to_give(job, job.gathering)
            if job.whole():
                self.jobs.enqueue(job)
        elif job.received == message.offset and payload:
            raise BridgeError("A chunk does not hold whole frames.", "Send multiples of 4 bytes times the channels.")
        self.send(client, Credit(job.id, 1))

    def _taking(self, client: bytes, job: str) -> Job | None:
        """A job whose audio this client is to send now."""
        found = self.jobs.by_id.get(job)
        return found if found is not None and found.takes_from(client) else None

    def _credit(self, client: bytes, message: Credit, _: bytes) -> None:
        job = self._job(client, message.job)
        if job is not None:
            job.credit = max(0, min(job.credit + message.chunks, 4 * protocol.CREDIT))

    def _cancel(self, client: bytes, message: Cancel, _: bytes) -> None:
        job = self._job(client, message.job)
        if job is None:
            self._fail(client, errors.UNKNOWN_JOB, f"There is no job {message.job}.", "", message.job)
        else:
            self.cancel(job)

    def _status(self, client: bytes, _m: Status, _: bytes) -> None:
        self.send(client, self.report())

    def _ping(self, client: bytes, _m: Ping, _: bytes) -> None:
        self.send(client, Pong(self.session))

    def _bye(self, client: bytes, _m: Bye, _: bytes) -> None:
        self._leave(client)

    def _job(self, client: bytes, job: str) -> Job | None:
        """A client's own job; another's is as good as none."""
        found = self.jobs.by_id.get(job)
        return found if found is not None and found.owner == client else None

    # Work.

    def submit_files(
        self, owner: Hashable, preset: str, files: tuple[str, ...], out: str, seed: int, settings: dict
    ) -> Job:
        """A job on files of this machine, for OSC, whose senders cannot carry audio. Refused where it cannot be taken."""
        name = str(uuid.uuid4())
        folder = self.jobs.folder_for(name)
        order = Order(name, preset, {"seed": seed}, folder, files=files, out=out, settings=settings)
        if refusal := self.refusal(owner, order):
            raise Refused(*refusal)
        job = self.jobs.add(Job(order, owner, keep=True))
        self.jobs.enqueue(job)
        return job

    def cancel(self, job: Job) -> None:
        job.unwanted = True
        if job.state == "running":
            self.worker.cancel(job)
        elif job.state in OPEN:
            self._end(job, "cancelled")

    def report(self) -> Report:
        pid = self.worker.process.pid if self.worker.ready else 0
        uptime = time.monotonic() - self.started
        return Report(self.session, self.jobs.count(), pid or 0, uptime, self.jobs.lines(), self.closing)

    def _wind_up(self) -> None:
        """Refuse what has not begun and would not outlive the server; once what runs has ended and its client has it, stop."""
        assert self._closing_by is not None
        late = time.monotonic() > self._closing_by
        for job in list(self.jobs.by_id.values()):
            if job.state in OPEN and (late or job.state != "running") and not self.jobs.lasting(job):
                self._end(job, "failed", CLOSED)
        for job in list(self.jobs.by_id.values()):
            self._deliver(job)
        waiting = any(
            job.state not in OPEN and job.owner is not None and not job.announced for job in self.jobs.by_id.values()
        )
        if late or (self.worker.job is None and not waiting):
            self.stop()

    def _dispatch(self) -> None:
        """Give the worker the next job, and the clients the stems they have credit for."""
        if self.worker.idle and not self.closing and (job := self.jobs.next()) is not None:
            try:
                self.worker.give(job)
            except OSError:
                self._worker_died()
        for job in list(self.jobs.by_id.values()):
            self._deliver(job)

    def _queue_stretch(self, job: Job, first: int) -> None:
        """Stems from `first` to where they are finished are to be sent, then a word that they were."""
        job.outbox.extend((stem, first, job.finished) for stem in job.stems)
        job.outbox.append(("", job.finished, job.finished))

    def _deliver(self, job: Job) -> None:
        while job.credit > 0 and job.outbox:
            stem, first, last = job.outbox.popleft()
            if not stem:
                self.send(job.owner, Stretch(job.id, last))
                continue
            count = min(last - first, protocol.CHUNK_BYTES // job.frame_bytes())
            try:
                with open(job.order.folder / f"{stem}.f32", "rb") as file:
                    file.seek(first * job.frame_bytes())
                    payload = file.read(count * job.frame_bytes())
            except (
                OSError
            ) as error:  # too many files are open, or somebody tidied up: one job's trouble, not everybody's
                log.warning("a stem of job %s cannot be read: %s", job.id, error)
                job.outbox.appendleft((stem, first, last))
                if isinstance(error, FileNotFoundError):
                    self._end(job, "failed", STEM_GONE)
                    break
                return
            self._doors.send(job.owner, protocol.chunk(job.id, stem, first, payload))
            self.metrics.sent.inc(len(payload))
            if first + count < last:
                job.outbox.appendleft((stem, first + count, last))
            job.credit -= 1
        if job.state in OPEN:
            return
        if job.abandoned:
            self.jobs.forget(job)
        elif job.owner is not None and not job.outbox and not job.announced:
            self._announce(job)

    def _announce(self, job: Job) -> None:
        """Tell the owner how the job ended."""
        job.announced = True
        if not isinstance(job.owner, bytes):
            if self._osc:
                self._osc.ended(job)
        elif job.state == "done":
            self.send(job.owner, Done(job.id, job.digests, job.finished, job.seconds))
        elif job.state == "cancelled":
            self.send(job.owner, Cancelled(job.id))
        else:
            assert job.error is not None
            self._fail(job.owner, *job.error, job=job.id)
        for old in [other for other in self.jobs.of(job.owner) if other.announced][: -protocol.KEPT_JOBS]:
            self.jobs.forget(old)

    def _end(self, job: Job, state, error: tuple[str, str, str] | None = None) -> None:
        job.state, job.error = state, error
        if state != "done":
            job.outbox.clear()
        self.metrics.ended(job)
        self.jobs.note(job)
        self.jobs.make_room()

    # The worker.

    def _hear_worker(self) -> None:
        for event in self.worker.events():
            if event[0] == "died":
                self._worker_died()
                return
            job = self.worker.job
            if job is None or event[1] != job.id:
                continue
            self._worker_event(job, *event)

    def _worker_event(self, job: Job, kind: str, _id: str, *rest) -> None:
        if kind == "progress":
            job.fraction = rest[0]
            self._progress(job, rest[0])
        elif kind == "partial":
            frames, job.stems = rest
            if frames > job.finished:  # a second try begins again; what was delivered stays delivered
                before, job.finished = job.finished, frames
                self._queue_stretch(job, before)
        elif kind == "wrote":
            if self._osc and job.owner:
                self._osc.wrote(job, *rest)
        else:
            self.worker.job = None
            if kind == "done":
                job.seconds, job.digests = rest
                self._end(job, "done")
            elif kind == "cancelled":
                self._end(job, "cancelled")
            else:
                self._end(job, "failed", rest)
            log.info("job %s %s", job.id, job.state)

    def _progress(self, job: Job, fraction: float) -> None:
        if isinstance(job.owner, bytes):
            self.send(job.owner, Progress(job.id, fraction))
        elif self._osc and job.owner:
            self._osc.progress(job, fraction)

    def _worker_died(self) -> None:
        self._failed_starts = 0 if self.worker.ready else self._failed_starts + 1
        if self._failed_starts == STARTS:
            raise BridgeError(
                "The engine cannot be started: its process dies at once.", "See what is wrong: stemweave doctor"
            )
        self.metrics.deaths.inc()
        lost = self.worker.replace()
        log.warning("the worker died%s; started another", f" on job {lost.id}" if lost else "")
        if lost is None:
            return
        if lost.unwanted:
            self._end(lost, "cancelled")
        elif lost.tries < TRIES:
            self.jobs.enqueue(lost, first=True)
        else:
            self._end(lost, "failed", (errors.WORKER_DIED, *DIED))

    # Clients.

    def _drop_the_gone(self) -> None:
        now = time.monotonic()
        for client in [client for client, heard in self.heard.items() if now - heard > self.gone_after]:
            self._leave(client)

    def _leave(self, client: bytes) -> None:
        """Nobody is left to compute for: cancel what is open and not to be kept, forget what is finished and was told."""
        self.heard.pop(client, None)
        context = self.contexts.leave(client)
        if context:
            self._tell_tracks(context)
        for job in list(self.jobs.by_id.values()):
            if job.state == "uploading" and job.gathering and client in dict(job.gathering.due):
                self._end(job, "failed", TRACK_GONE)
        for job in self.jobs.of(client):
            told = job.announced
            job.leave()
            if job.keep and not told:
                continue
            if job.state == "running":
                self.cancel(job)
            else:
                job.state = "cancelled"  # or the queue would still give it to the worker
                self.jobs.forget(job)
        self.jobs.make_room()

    def send(self, client: bytes, message: Message) -> None:
        self._doors.send(client, protocol.encode(message))

    def _fail(self, client: bytes, code: str, message: str, hint: str = "", job: str = "") -> None:
        self.send(client, Error(code, message, hint, code in errors.RETRYABLE, job))


def package_version() -> str:
    try:
        return version("stemweave")
    except PackageNotFoundError:
        return "unknown"
