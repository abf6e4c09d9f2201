"""The server over a real socket, with jobs whose results are known."""

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from support.servers import PATIENCE, Speaker, running, song, until

from bridge import intake, protocol
from bridge.client import Client
from bridge.errors import RemoteError
from bridge.jobs import Job
from bridge.protocol import (
    Accepted,
    AudioShape,
    Bye,
    Cancel,
    Cancelled,
    Credit,
    Done,
    Error,
    Message,
    Ping,
    Pong,
    Submit,
)
from bridge.server import Server


@pytest.fixture(scope="module")
def server():
    with running(osc_port=0) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        yield client


def test_partial_stems_arrive_while_the_job_runs(server, client, tmp_path):
    states: list[dict[str, int]] = []

    def look(*_: object) -> None:
        states.append(server.jobs.count())
        (tmp_path / "go on").touch()

    client.separate(song(4000), 44_100, overrides={"hold": str(tmp_path / "go on")}, on_partial=look)
    assert states[0].get("running") == 1


def test_cancel_is_not_kept_waiting_by_an_upload(server):
    with Speaker(server.port) as speaker:
        job, mixture = str(uuid.uuid4()), song(100_000)
        speaker.say(Submit(job, AudioShape(44_100, 2, 10_000_000, "0" * 64)))
        speaker.hear(Accepted)
        speaker.say_chunk(job, 0, mixture)
        speaker.say(Cancel(job))
        speaker.hear(Cancelled, job)


def test_too_many_open_jobs_of_one_client_are_refused(server):
    with Speaker(server.port) as speaker:
        for number in range(protocol.MAX_JOBS + 1):
            speaker.say(Submit(f"many-{number}", AudioShape(44_100, 1, 10, "0" * 64)))
        refusal = speaker.hear(Error)
        assert (refusal.code, refusal.job) == ("limit", f"many-{protocol.MAX_JOBS}")


def test_the_python_client_raises_the_servers_refusal(server, monkeypatch):
    monkeypatch.setattr(protocol, "VERSION", "9.0")
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "same_major", lambda version: False)
        with pytest.raises(RemoteError) as caught:
            Client(f"tcp://127.0.0.1:{server.port}")
    assert caught.value.code == "version"


def test_a_job_submitted_again_before_its_audio_came_still_gets_it(server):
    with Speaker(server.port) as speaker:
        audio, mixture = AudioShape(44_100, 2, 10, "0" * 64), song(10, seed=77)
        audio.sha256 = hashlib.sha256(np.ascontiguousarray(mixture.T).tobytes()).hexdigest()
        job = str(uuid.uuid4())
        speaker.say(Submit(job, audio))
        speaker.hear(Credit)
        speaker.say(Submit(job, audio))
        assert speaker.hear(Accepted).state == "uploading"
        speaker.hear(Credit)
        speaker.say_chunk(job, 0, mixture)
        speaker.say(Credit(job, 8))
        done = speaker.hear(Done)
        assert set(done.stems) == {"one", "residual"}


@contextmanager
def sent_and_on_its_way_to_the_disk(server: Server, speaker: Speaker) -> Iterator[Submit]:
    """A job all of whose credit is used up, while nothing of it can be written; at the end it can."""
    submit, gate = Submit(str(uuid.uuid4()), AudioShape(44_100, 2, 10_000, "0" * 64)), threading.Event()

    real = intake._store

    def held(*arguments) -> None:
        assert gate.wait(PATIENCE)
        real(*arguments)

    speaker.say(submit)
    assert speaker.hear(Credit, submit.job).chunks == protocol.CREDIT
    job = server.jobs.by_id[submit.job]
    intake._store = held
    try:
        for number in range(protocol.CREDIT):
            speaker.say_chunk(submit.job, 100 * number, song(100))
        until(lambda: job.received == 100 * protocol.CREDIT, "all that was sent")
        yield submit
    finally:
        intake._store = real
        gate.set()
    until(lambda: job.stored == job.received, "all of it on the disk")


def granted(speaker: Speaker, since: type[Message], job: str) -> int:
    """Chunks of the job that may be sent, by all the server has said after the last message of a kind."""
    speaker.say(Ping())
    speaker.hear(Pong)
    said = [message for message, _ in speaker.seen]
    begun = max(number for number, message in enumerate(said) if isinstance(message, since))
    return sum(message.chunks for message in said[begun:] if isinstance(message, Credit) and message.job == job)


def test_what_was_sent_before_a_job_was_submitted_again_earns_no_credit_after(server):
    with Speaker(server.port) as speaker:
        with sent_and_on_its_way_to_the_disk(server, speaker) as submit:
            speaker.say(submit)
            assert speaker.hear(Accepted).received == 100 * protocol.CREDIT
        assert granted(speaker, Accepted, submit.job) == protocol.CREDIT
        speaker.say_chunk(submit.job, 100 * protocol.CREDIT, song(100))
        assert speaker.hear(Credit, submit.job).chunks == 1  # and what is sent from then on does
        speaker.say(Bye())


def test_who_had_a_job_gets_no_credit_for_it_any_more(server):
    with Speaker(server.port) as former, Speaker(server.port) as owner:
        with sent_and_on_its_way_to_the_disk(server, former) as submit:
            owner.say(submit)
            assert former.hear(Error, submit.job).code == "taken"
            owner.hear(Accepted)
        assert granted(former, Error, submit.job) == 0
        assert granted(owner, Accepted, submit.job) == protocol.CREDIT
        owner.say(Bye())


def test_another_clients_job_cannot_be_cancelled_or_fed(server):
    with Speaker(server.port) as one, Speaker(server.port) as other:
        job = str(uuid.uuid4())
        one.say(Submit(job, AudioShape(44_100, 2, 10, "0" * 64)))
        one.hear(Accepted)
        other.say(Cancel(job))
        assert other.hear(Error).code == "unknown_job"
        other.say_chunk(job, 0, song(10))
        other.say(Ping())
        other.hear(Pong)
        assert server.jobs.by_id[job].received == 0


def test_a_client_may_rest_between_jobs_longer_than_the_server_waits_for_the_silent(server, client, monkeypatch):
    monkeypatch.setattr(protocol, "PING_EVERY", 0.05)
    monkeypatch.setattr(server, "gone_after", 2.0)
    client.separate(song(10), 44_100)
    time.sleep(server.gone_after + 1.5)
    client.separate(song(10), 44_100)


def test_a_slow_callback_does_not_lose_the_job(server, client, monkeypatch):
    monkeypatch.setattr(protocol, "PING_EVERY", 0.05)
    monkeypatch.setattr(server, "gone_after", 2.0)
    slept: list[bool] = []

    def slow(_: float) -> None:
        if not slept:
            slept.append(True)
            time.sleep(server.gone_after + 1.5)

    client.separate(song(10), 44_100, overrides={"steps": 250}, on_progress=slow)


def test_what_comes_while_the_server_is_held_up_is_no_silence(server, monkeypatch):
    """A disk that hangs for longer than silence is borne when a job's end is put down; meanwhile somebody gives a sign of life."""
    note, held_up, said = server.jobs.note, threading.Event(), threading.Event()

    def slow(job: Job) -> None:
        if job.state == "done" and not held_up.is_set():
            server._answers.heard.update(dict.fromkeys(server._answers.heard, time.monotonic()))
            monkeypatch.setattr(server, "gone_after", 2.0)
            held_up.set()
            assert said.wait(PATIENCE)
            time.sleep(3.0)
        note(job)

    with Speaker(server.port) as speaker, Speaker(server.port) as other:
        monkeypatch.setattr(server.jobs, "note", slow)
        speaker.say(Submit("slow", AudioShape(44_100, 2, 10, hashlib.sha256(song(10).T.tobytes()).hexdigest())))
        speaker.say_chunk("slow", 0, song(10))
        assert held_up.wait(PATIENCE)
        other.say(Ping())
        said.set()
        assert isinstance(other.hear((Pong, Error)), Pong)


def test_finished_jobs_of_a_long_lived_client_do_not_pile_up(server, client):
    for _ in range(12):
        client.separate(song(10), 44_100)
    assert server.jobs.count()["done"] < 10


def test_the_job_that_ends_last_is_kept_though_it_was_asked_for_first(server):
    shape = AudioShape(44_100, 1, 10, "0" * 64)
    first, *others = (str(uuid.uuid4()) for _ in range(protocol.KEPT_JOBS + 1))
    with Speaker(server.port) as speaker:
        for job in (first, *others):
            speaker.say(Submit(job, shape))
        for job in (*others, first):
            speaker.say(Cancel(job))
            speaker.hear(Cancelled, job)
        for job, state in ((first, "cancelled"), (others[0], "uploading")):  # one too many: it is a new job
            speaker.say(Submit(job, shape))
            assert speaker.hear(Accepted, job).state == state
        speaker.say(Bye())
