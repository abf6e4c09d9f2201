"""What clients say over ZeroMQ, and how each message is answered; who is there, and who has gone."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bridge import errors, limits, protocol
from bridge.audio_store import SHA256
from bridge.contexts import Contexts, Gathering
from bridge.delivery import Delivery
from bridge.doors import Doors, is_local
from bridge.errors import BridgeError, DamagedChunk, ProtocolError
from bridge.intake import Intake
from bridge.jobs import OPEN, Job, Order
from bridge.lane import Lanes, Placed, can_be_named
from bridge.logs import event
from bridge.proofs import Proofs
from bridge.protocol import (
    TASKS,
    Accepted,
    Bye,
    Cancel,
    Chunk,
    Credit,
    Give,
    Hello,
    Join,
    Message,
    Opened,
    Ping,
    Pong,
    Status,
    Submit,
    Tracks,
    Welcome,
    Whole,
)  # fmt: skip
from engine.recipe import package_version

if TYPE_CHECKING:
    from bridge.server import Server

TAKEN_OVER = (
    errors.TAKEN,
    "Another client asked for this job.",
    "It gets the stems; ask again under another UUID to have them here too.",
)
ON_FILES = (errors.TAKEN, "This job is one on files of the server's machine.", "Ask under another UUID.")
TRACK_GONE = (
    errors.CONTEXT,
    "A track of the session is gone that this job was to listen to.",
    "Ask again: the tracks that are left will be listened to.",
)


Payload = bytes | memoryview


class Answers:
    """Of one server. heard: each client that is there to when it last said something."""

    def __init__(
        self, server: "Server", doors: Doors, delivery: Delivery, intake: Intake, proofs: Proofs, lanes: Lanes
    ):
        self._server, self._doors, self._delivery = server, doors, delivery
        self._intake, self._proofs, self._lanes = intake, proofs, lanes
        self.heard: dict[bytes, float] = {}
        self._contexts = Contexts()
        self._came: set[bytes] = set()  # clients that said hello and joined no context since
        self._owed: Counter[tuple[bytes, str, int]] = (
            Counter()
        )  # client, job and its acceptance to chunks that were taken, and not said so yet
        self._on: dict[type[Message], Callable] = {
            Hello: self._hello, Submit: self._submit, Chunk: self._upload, Credit: self._credit, Cancel: self._cancel,
            Status: self._status, Ping: self._ping, Bye: self._bye, Join: self._join, Whole: self._whole, Opened: self._opened,
        }  # fmt: skip

    def receive(self) -> None:
        """All messages that wait; one bad one is answered and costs nobody else anything."""
        for client, frames in self._doors.waiting():
            message: Message | None = None
            try:
                decoded = protocol.decode(frames)
                if decoded is None:
                    continue
                message, payload = decoded
                if client not in self.heard and (refusal := self._stranger(message)):
                    self._delivery.fail(client, *refusal)
                    continue
                self.heard[client] = time.monotonic()
                if type(message) in self._on:
                    self._on[type(message)](client, message, payload)
            except DamagedChunk as error:
                self._fail_job(client, error.job, errors.DAMAGED, error.message, error.hint)
            except ProtocolError as error:
                self._delivery.fail(client, errors.PROTOCOL, error.message, error.hint)
            except Exception as error:
                self._fail_job(client, getattr(message, "job", ""), *errors.told_of(error))

        for stored in self._intake.written():
            self._stored(*stored)
        for proof in self._proofs.made():
            self._proved(*proof)
        for owed in list(self._owed):
            self._give_back(*owed)

    def _give_back(self, client: bytes, job: str, acceptance: int) -> None:
        """Credit for what was taken of a job, unless it has ended or was accepted again since."""
        chunks, found = self._owed.pop((client, job, acceptance)), self._server.jobs.by_id.get(job)
        if found is not None and found.state in OPEN and found.acceptance == acceptance:
            self._delivery.send(client, Credit(job, chunks))

    def _stranger(self, message: Message) -> limits.Refusal | None:
        """Why somebody who is not a client yet cannot be heard."""
        if not isinstance(message, Hello):
            return errors.HELLO_FIRST, "A client must say hello first.", "Send `hello` with your version."
        return limits.of_clients(len(self.heard))

    def _fail_job(self, client: bytes, job: str, code: str, message: str, hint: str = "") -> None:
        """End a client's job with an error; only say it where there is no such job."""
        found = self._job(client, job) or self._taking(client, job)
        if found is not None and found.state in OPEN:
            self._server.fail(found, (code, message, hint))
        else:
            self._delivery.fail(client, code, message, hint, job)

    def _hello(self, client: bytes, message: Hello, _: Payload) -> None:
        if not protocol.same_major(message.version):
            self._leave(client)
            self._delivery.fail(
                client, errors.VERSION,
                f"The client speaks protocol {message.version}, this server {protocol.VERSION}.",
                "Update the older of the two.",
            )  # fmt: skip
            return
        self._came.add(client)
        event("client came", client=client, name=message.client[:64], protocol=message.version[:16])
        most = {
            "frames": protocol.MAX_FRAMES, "jobs": protocol.MAX_JOBS, "payload": protocol.MAX_PAYLOAD,
            "header": protocol.MAX_HEADER, "credit": protocol.CREDIT,
        }  # fmt: skip
        self._delivery.send(
            client,
            Welcome(
                protocol.VERSION,
                self._server.session,
                package_version(),
                self._server.worker.models,
                self._server.worker.presets,
                most,
                [*TASKS, protocol.DEVICE + self._server.device],
            ),
        )

    def _submit(self, client: bytes, message: Submit, _: Payload) -> None:
        job = self._server.jobs.by_id.get(message.job)
        if job is not None and job.order.audio is None:  # asked for by OSC, where its stems are files
            self._delivery.fail(client, *ON_FILES, job=message.job)
            return
        if job is not None:
            self._asked_again(client, job, message)
            return
        gathering = self._gathering(message) if message.context else None
        asked = ("start", "stop", "seconds", "prompts", "mixture_prompt")
        settings = {key: getattr(message, key) for key in asked} | {"wanted": tuple(message.wanted)}
        order = Order(
            message.job, message.preset, message.overrides, self._server.jobs.folder_for(message.job), message.audio,
            parts=tuple(message.parts), settings=settings, device=self._server.device,
        )  # fmt: skip
        refusal = limits.of_message(message) or self._server.refusal(client, order)
        if refusal:
            self._delivery.fail(client, *refusal, job=message.job)
            return
        job = self._server.jobs.add(Job(order, client, keep=message.keep and gathering is None, gathering=gathering))
        if not message.audio.frames or (gathering is None and self._server.jobs.find_audio(job)):
            self._server.jobs.enqueue(job)
        cost, job.known = self._server.costs.of(order), self._server.jobs.may_know(job)
        self._accept(client, job, message, seconds=cost.seconds, memory=cost.memory, known=job.known)
        self._delivery.accepted(job)
        if gathering:
            self._ask_to_give(job, gathering)
        elif not job.known:
            self._delivery.send(client, Credit(message.job, protocol.CREDIT))

    def _accept(self, client: bytes, job: Job, message: Submit, **more: Any) -> None:
        """Say so, and through which lane audio may go from now on. Only a client of this machine is told of one."""
        may = message.lane and is_local(client) and can_be_named(job.order.folder)
        job.lane, job.beside = self._lanes.new() if may else None, False
        if job.lane:
            more |= {"lane": job.lane.name, "key": job.lane.key}
        self._delivery.send(client, Accepted(job.id, job.state, job.received, **more))

    def _opened(self, client: bytes, message: Opened, _: Payload) -> None:
        job = self._job(client, message.job)
        if job is not None and job.lane is not None and job.lane.open(message.proof):
            job.beside = True
            if job.state != "uploading":  # nothing comes through it, and others wait for one
                job.lane = None

    def _asked_again(self, client: bytes, job: Job, message: Submit) -> None:
        """Perhaps after a lost connection: the same job, and of its stems what the client does not have."""
        if isinstance(job.owner, bytes) and job.owner != client:
            self._delivery.fail(job.owner, *TAKEN_OVER, job=job.id)
        if job.gathering is None:  # tracks that give hear no `accepted`: what they were granted holds
            job.acceptance += 1
        job.leave()
        job.owner = client
        self._server.jobs.note(job)
        if job.finished:
            self._delivery.queue(job, 0, message.have)
        self._accept(client, job, message)
        if job.gathering is None and (job.state == "uploading" or (job.state in OPEN and job.hash_to_come)):
            self._delivery.send(client, Credit(job.id, protocol.CREDIT))

    def _whole(self, client: bytes, message: Whole, _: Payload) -> None:
        """Before any audio where some like it is known here, else after the last of it."""
        job = self._job(client, message.job)
        if job is None or job.state not in OPEN or not job.hash_to_come:
            return
        if not SHA256.fullmatch(message.sha256):
            raise ProtocolError("A SHA-256 is 64 hexadecimal digits, in lower case.")
        assert job.order.audio is not None
        job.order.audio.sha256 = message.sha256
        self._server.jobs.note(job)
        if job.uploaded and job.state == "uploading":  # by a server before this one
            self._begin(job)
        elif job.uploaded:
            self._server.judge(job)
        elif job.known and not job.received and self._server.jobs.find_audio(job):
            job.credit = 0
            self._server.jobs.enqueue(job)
            self._delivery.send(client, Accepted(job.id, job.state, job.received))
        elif job.known:
            self._delivery.send(client, Credit(job.id, protocol.CREDIT))
        job.known = False

    def _gathering(self, message: Submit) -> Gathering:
        """Who gives the audio of a job over a context; the message is made to say all of it."""
        audio = message.audio
        gathering = self._contexts.gathering(message.context, message.position, audio.frames, audio.sample_rate)
        audio.frames *= len(gathering.parts)
        audio.sha256 = ""
        message.parts = list(gathering.parts)
        return gathering

    def _ask_to_give(self, job: Job, gathering: Gathering) -> None:
        """Tell the track whose turn it is."""
        client, end = gathering.due[0]
        assert job.order.audio is not None
        wanted = end - job.received
        position = gathering.position + gathering.parts[0].frames - wanted  # after what it gave before a cut
        self._delivery.send(client, Give(job.id, job.received, wanted, position, job.order.audio.channels))
        self._delivery.send(client, Credit(job.id, protocol.CREDIT))

    def _join(self, client: bytes, message: Join, _: Payload) -> None:
        left = self._contexts.of(client)
        before = self._contexts.join(client, message.context, message.track)
        for context in {message.context, left} - {""}:
            self._tell_tracks(context)
        is_back = client in self._came or before
        self._came.discard(client)
        for job in self._server.jobs.by_id.values():  # a track that is back after a cut gives what it owes
            if is_back and job.state == "uploading" and job.gathering:
                job.gathering.replace(before, client)
                if job.takes_from(client):
                    self._ask_to_give(job, job.gathering)

    def _tell_tracks(self, context: str) -> None:
        members = self._contexts.members(context)
        for client in members:
            self._delivery.send(client, Tracks(context, list(members.values())))

    def _upload(self, client: bytes, message: Chunk, payload: Payload) -> None:
        job = self._taking(client, message.job)
        if job is None:
            return
        piece: Payload | Placed = payload
        if message.size:
            if payload:
                raise ProtocolError("A chunk lies in a lane, or it has a payload.")
            if job.lane is None or not (job.beside and job.owner == client):
                return  # sent before a cut, which took along that the lane was opened; all of it will come again
            piece = job.lane.place(message.at, message.size)
            if (
                0 < (skip := (job.received - message.offset) * job.frame_bytes()) < message.size
            ):  # after a cut the parts may differ
                message.offset, piece = job.received, job.lane.place(message.at + skip, message.size - skip)
        self._server.metrics.received.inc(len(piece))
        if job.take(message.offset, len(piece)):
            self._intake.put(client, job, piece)
            if job.gathering and job.gathering.taken(job.received) and job.gathering.due:
                self._ask_to_give(job, job.gathering)
        elif job.received == message.offset and len(piece):
            raise BridgeError("A chunk does not hold whole frames.", "Send multiples of 4 bytes times the channels.")
        elif (
            not message.size
        ):  # credit for what is stored later frees the place that it lies in, so none may overtake it
            self._owe(client, job, job.acceptance)

    def _stored(self, client: bytes, job: Job, acceptance: int, size: int) -> None:
        """A chunk is on the disk, unless that is full. acceptance: of its job, when it came."""
        if job.state != "uploading" or self._server.jobs.by_id.get(job.id) is not job:
            return
        try:
            job.note_stored(size)
            if job.uploaded:
                self._begin(job)
            self._owe(client, job, acceptance)
        except Exception as error:
            self._delivery.end(job, "failed", errors.told_of(error))

    def _begin(self, job: Job) -> None:
        """All of its audio is here. Whether it is what was announced is found out while it is computed."""
        job.lane, job.found = None, ""
        if job.gathering is None:
            self._proofs.put(job)
        self._server.jobs.enqueue(job)

    def _proved(self, job: Job, found: str | Exception) -> None:
        """What a job's audio is, or why that cannot be said."""
        if job.state not in OPEN or self._server.jobs.by_id.get(job.id) is not job:
            return
        if isinstance(found, str):
            job.found, job.checked = found, time.monotonic()
            self._server.judge(job)
        else:
            self._server.fail(job, errors.told_of(found))

    def _owe(self, client: bytes, job: Job, acceptance: int) -> None:
        """Credit for one chunk more."""
        owed = client, job.id, acceptance
        self._owed[owed] += 1
        if self._owed[owed] >= protocol.TOGETHER:  # each wakes the client, and what is under way hides the wait
            self._give_back(*owed)

    def _taking(self, client: bytes, job: str) -> Job | None:
        """A job whose audio this client is to send now."""
        found = self._server.jobs.by_id.get(job)
        return found if found is not None and found.takes_from(client) else None

    def _credit(self, client: bytes, message: Credit, _: Payload) -> None:
        job = self._job(client, message.job)
        if job is not None:
            job.credit = max(0, min(job.credit + message.chunks, 4 * protocol.CREDIT))

    def _cancel(self, client: bytes, message: Cancel, _: Payload) -> None:
        job = self._job(client, message.job)
        if job is None:
            self._delivery.fail(client, errors.UNKNOWN_JOB, f"There is no job {message.job}.", "", message.job)
        else:
            self._server.cancel(job)

    def _status(self, client: bytes, _m: Status, _: Payload) -> None:
        self._delivery.send(client, self._server.report())

    def _ping(self, client: bytes, _m: Ping, _: Payload) -> None:
        self._delivery.send(client, Pong(self._server.session))

    def _bye(self, client: bytes, _m: Bye, _: Payload) -> None:
        self._leave(client, has_all=True)

    def _job(self, client: bytes, job: str) -> Job | None:
        """A client's own job; another's is as good as none."""
        found = self._server.jobs.by_id.get(job)
        return found if found is not None and found.owner == client else None

    def drop_the_gone(self, looked: float, after: float) -> None:
        """Let go of clients that were silent for longer than `after` seconds. looked: when what had come was read; what comes while
        the server itself is held up, by a disk, is no silence."""
        for client in [client for client, heard in self.heard.items() if looked - heard > after]:
            self._leave(client)

    def _leave(self, client: bytes, has_all: bool = False) -> None:
        """Nobody is left to compute for: cancel what is open and not to be kept, forget what is finished. has_all: it says so
        itself, so that this goes for what is kept as well, if it was told of its end."""
        self._came.discard(client)
        if self.heard.pop(client, None):
            event("client left", client=client)
        context = self._contexts.leave(client)
        if context:
            self._tell_tracks(context)
        for job in list(self._server.jobs.by_id.values()):
            if job.state == "uploading" and job.gathering and client in dict(job.gathering.due):
                self._delivery.end(job, "failed", TRACK_GONE)
        for job in self._server.jobs.of(client):
            served = has_all and job.announced
            job.leave()
            if job.keep and not served:
                continue
            if job.state == "running":
                self._server.cancel(job)
                job.left = True
                continue
            if job.state in OPEN:
                self._delivery.end(job, "cancelled")  # or the queue would still give it to the worker
            self._server.jobs.forget(job)
        self._server.jobs.make_room()
