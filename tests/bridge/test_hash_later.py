"""A song whose SHA-256 is told after it: it is computed meanwhile, but not done before, and what is not the same is found out."""

import hashlib
import os
import threading
import uuid

import numpy as np
import pytest
from support.servers import PATIENCE, Speaker, running, song, state_of, until

from bridge import proofs, protocol
from bridge.bell import Bell
from bridge.jobs import INPUT, Job, Jobs, Order
from bridge.protocol import (
    BEGINNING,
    Accepted,
    AudioShape,
    Bye,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Pong,
    Progress,
    Stretch,
    Submit,
    Whole,
)  # fmt: skip

FRAMES = 20_000
MUSIC = song(FRAMES)
PAYLOAD = np.ascontiguousarray(MUSIC.T, "<f4").tobytes()
BEGINS, SHA256 = (hashlib.sha256(audio).hexdigest() for audio in (PAYLOAD[:BEGINNING], PAYLOAD))


@pytest.fixture
def server():
    with running() as server:
        yield server


def asked(speaker: Speaker, keep: bool = False, job: str = "", **more) -> str:
    job = job or str(uuid.uuid4())
    speaker.say(Submit(job, AudioShape(44_100, 2, FRAMES, "", BEGINS), keep=keep, **more))
    return job


def computed(server, job: str) -> bool:
    found = server.jobs.by_id.get(job)
    return found is not None and found.computed


def heard(speaker: Speaker) -> list:
    """What came of what was said so far."""
    speaker.seen.clear()
    speaker.say(protocol.Ping())
    speaker.hear(Pong)
    return [message for message, _ in speaker.seen[:-1]]


def test_a_job_begins_when_its_audio_is_there_and_is_done_when_its_hash_is(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        accepted = speaker.hear(Accepted)
        assert (accepted.state, accepted.received, accepted.known) == ("uploading", 0, False)
        speaker.hear(Credit)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Credit(job, 100))
        speaker.hear(Stretch)
        until(lambda: computed(server, job), "all of it")
        assert state_of(server, job) == "running"
        assert not any(isinstance(message, Done) for message in heard(speaker))
        speaker.say(Whole(job, SHA256))
        assert speaker.hear(Done).frames == FRAMES


@pytest.mark.parametrize("slow", [False, True], ids=["computed", "in the middle"])
def test_a_hash_that_comes_late_and_is_wrong_ends_it_whatever_it_is_at(server, slow):
    with Speaker(server.port) as speaker:
        job = asked(speaker, overrides={"steps": 100_000} if slow else {})
        speaker.say_chunk(job, 0, MUSIC)
        speaker.hear(Progress)
        if not slow:
            until(lambda: computed(server, job), "all of it")
        speaker.say(Whole(job, "ab" * 32))
        speaker.say(Credit(job, 100))
        assert speaker.hear(Error, job).code == "damaged"
        assert not any(isinstance(message, Done) for message in heard(speaker))
        assert state_of(server, job) == "failed"
        until(lambda: server.worker.idle, "a worker that has nothing to do")


@pytest.mark.parametrize("way", ["cancel", "bye"])
def test_what_is_computed_and_waits_for_its_hash_can_be_ended(server, way):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        until(lambda: computed(server, job), "all of it")
        if way == "cancel":
            speaker.say(Cancel(job))
            speaker.say(Credit(job, 100))
            speaker.hear(Cancelled)
        else:
            speaker.say(Bye())
            until(lambda: job not in server.jobs.by_id, "its end")


@pytest.mark.parametrize("way", ["cancel", "bye"])
def test_what_was_ended_too_late_for_the_worker_to_hear_is_ended_all_the_same(server, way):
    with Speaker(server.port) as speaker:
        job = asked(speaker, overrides={"pause": 50})
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Credit(job, 100))
        speaker.hear(Chunk)
        speaker.say(Cancel(job) if way == "cancel" else Bye())
        if way == "cancel":
            speaker.hear(Cancelled)
        until(lambda: state_of(server, job) in ("", "cancelled"), "its end")


@pytest.mark.parametrize("why", ["a damaged chunk, late", "a stem that is gone"])
def test_a_job_that_fails_while_it_is_computed_ends_once(server, why, tmp_path):
    ends, end = [], server._delivery.end
    server._delivery.end = lambda job, state, error=None: (ends.append(state), end(job, state, error))
    with Speaker(server.port) as speaker:
        job = asked(speaker, overrides={"hold": str(tmp_path / "go on")})
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Whole(job, SHA256))
        speaker.hear(Progress)
        until(lambda: 2 * server.jobs.by_id[job].finished > FRAMES, "the half, at which the worker waits")
        if why == "a stem that is gone":
            assert gone(server, job)
            speaker.say(Credit(job, 100))
            assert speaker.hear(Error, job).code == "no_resource"
            (tmp_path / "go on").touch()
        else:
            header, payload = (bytes(frame) for frame in protocol.chunk(job, "", 0, PAYLOAD[:8]))
            speaker.socket.send_multipart([header, b"x" * len(payload)])
            assert speaker.hear(Error, job).code == "damaged"
        until(lambda: server.worker.idle, "a worker that has nothing to do")
        assert ends == ["failed"]


def test_a_job_that_is_done_and_whose_stems_go_is_counted_once(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Whole(job, SHA256))
        until(lambda: state_of(server, job) == "done", "its end")
        assert gone(server, job)
        speaker.say(Credit(job, 100))
        assert speaker.hear(Error, job).code == "no_resource"
        assert server.jobs.ended == {"done": 1}


def gone(server, job: str):
    """A finished stem that somebody tidied up."""
    for stem in server.jobs.by_id[job].stems:
        path = server.jobs.by_id[job].order.folder / f"{stem}.f32"
        path.unlink()
        return path
    return None


def test_what_was_told_late_is_kept_for_other_jobs_too(server, monkeypatch):
    monkeypatch.setattr("bridge.jobs.FRESH", 0.0)
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        until(lambda: computed(server, job), "all of it")
        speaker.say(Whole(job, SHA256))
        speaker.say(Credit(job, 100))
        speaker.hear(Done)
        assert SHA256 in server.jobs.audio.sizes


def test_small_songs_do_not_wait_for_the_hash_of_a_long_one(tmp_path, monkeypatch):
    bell, read, both = Bell(), proofs.Song.read, threading.Event()
    monkeypatch.setattr(proofs.Song, "read", lambda song, room: both.wait(PATIENCE) and read(song, room))
    made = proofs.Proofs(bell)
    jobs = [Job(Order(name, "separate", {}, tmp_path / name), None, state="running") for name in ("long", "small")]
    content = [os.urandom(3 * proofs.TURN * proofs.BLOCK), os.urandom(100)]
    for job, audio in zip(jobs, content, strict=True):
        job.order.folder.mkdir()
        (job.order.folder / INPUT).write_bytes(audio)
        made.put(job)
    both.set()
    found: list = []
    until(lambda: found.extend(made.made()) or len(found) == 2, "both")
    made.close()
    bell.close()
    assert [job.id for job, _ in found] == ["small", "long"]
    assert [sha for _, sha in found[::-1]] == [hashlib.sha256(audio).hexdigest() for audio in content]


def test_who_asks_again_before_the_hash_was_told_can_still_tell_it(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker, keep=True)
        speaker.say_chunk(job, 0, MUSIC)
        until(lambda: computed(server, job), "all of it")
    with Speaker(server.port) as speaker:
        asked(speaker, job=job)
        accepted = speaker.hear(Accepted)
        assert (accepted.state, accepted.received) == ("running", FRAMES)
        speaker.hear(Credit)  # what clients of 1.1 wait for before they say it
        speaker.say(Whole(job, SHA256))
        speaker.say(Credit(job, 100))
        assert speaker.hear(Done).frames == FRAMES


def kept_over_a_restart(tmp_path, submit: Submit) -> tuple[str, int]:
    """State and finished frames of a kept job whose server is gone before anything of it was proven."""
    with running(folder=tmp_path) as server, Speaker(server.port) as speaker:
        speaker.say(submit)
        speaker.hear(Accepted)
        if submit.audio.frames:
            speaker.say_chunk(submit.job, 0, MUSIC)
            until(lambda: computed(server, submit.job), "all of it")
            speaker.say(submit)  # which puts down how it stands
            speaker.hear(Accepted)
    jobs = Jobs(tmp_path)
    job = jobs.by_id[submit.job]
    jobs.close()
    return job.state, job.finished


def test_stems_of_a_server_before_are_not_sent_before_they_are_made_again(tmp_path):
    submit = Submit("a", AudioShape(44_100, 2, FRAMES, "", BEGINS), keep=True)
    assert kept_over_a_restart(tmp_path, submit) == ("uploading", 0)


def test_what_has_no_audio_has_no_hash_to_come(tmp_path):
    order = Order("a", "generate", {}, tmp_path, AudioShape(44_100, 2, 0, "", BEGINS))
    assert Job(order, None).proven
    assert not Job(order, None).hash_to_come


def test_audio_that_was_never_said_to_be_anything_ends_damaged_over_a_restart_too(tmp_path, monkeypatch):
    monkeypatch.setattr(proofs.Proofs, "put", lambda self, job: None)
    submit = Submit("a", AudioShape(44_100, 2, FRAMES, ""), keep=True)
    assert kept_over_a_restart(tmp_path, submit) == ("queued", 0)
    with running(folder=tmp_path) as server:
        until(lambda: state_of(server, "a") == "failed", "its end")
        assert server.jobs.by_id["a"].error[0] == "damaged"


def test_what_a_worker_heard_counts_as_much_as_what_the_server_did(server):
    """On a cluster, where the same file may look otherwise."""
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        until(lambda: computed(server, job), "all of it")
        server.jobs.by_id[job].heard = "ab" * 32
        speaker.say(Whole(job, SHA256))
        speaker.say(Credit(job, 100))
        assert speaker.hear(Error, job).code == "damaged"


def test_audio_that_cannot_be_read_back_ends_its_job(server, monkeypatch):
    def fails(song, room):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(proofs.Song, "read", fails)
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        assert speaker.hear(Error, job).code == "no_resource"


def test_the_hash_of_something_else_ends_it_as_damaged_and_what_is_no_hash_does_nothing(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.hear(Credit)
        for wrong in ("", "abc", SHA256.upper(), "../" * 21 + "x"):
            speaker.say(Whole(job, wrong))
            assert speaker.hear(Error).code == "protocol"
        speaker.say(Whole("nobody's", SHA256))
        assert server.jobs.by_id[job].hash_to_come
        speaker.say(Whole(job, hashlib.sha256(b"something else").hexdigest()))
        assert speaker.hear(Error, job).code == "damaged"


def test_a_hash_told_first_is_one_told_at_once(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.hear(Credit)
        speaker.say(Whole(job, SHA256))
        speaker.say(Whole(job, "ab" * 32))  # too late
        assert not heard(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Credit(job, 100))
        speaker.hear(Done)


def test_what_might_be_known_is_not_sent_before_that_is_clear(server):
    with Speaker(server.port) as speaker:
        job = asked(speaker)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.say(Whole(job, SHA256))
        speaker.say(Credit(job, 100))
        speaker.hear(Done)
        again = asked(speaker)
        assert speaker.hear(Accepted).known
        assert not heard(speaker)  # no credit
        speaker.say(Whole(again, SHA256))
        accepted = speaker.hear(Accepted)
        assert (accepted.state, accepted.received) == ("queued", FRAMES)
        speaker.say(Credit(again, 100))
        speaker.hear(Done, again)
        other = asked(speaker)
        assert speaker.hear(Accepted).known
        speaker.say(Whole(other, "ab" * 32))
        assert [getattr(message, "chunks", 0) for message in heard(speaker)] == [protocol.CREDIT]


def test_without_a_beginning_an_empty_hash_is_damage_as_ever(server):
    with Speaker(server.port) as speaker:
        speaker.say(Submit("a", AudioShape(44_100, 2, FRAMES, "")))
        speaker.say_chunk("a", 0, MUSIC)
        assert speaker.hear(Error, "a").code == "damaged"


def test_a_kept_job_whose_hash_was_not_told_waits_for_it_over_a_restart(tmp_path):
    with running(folder=tmp_path) as server, Speaker(server.port) as speaker:
        job = asked(speaker, keep=True)
        speaker.hear(Credit)
        speaker.say_chunk(job, 0, MUSIC)
        speaker.hear(Credit)
    jobs = Jobs(tmp_path)
    assert jobs.by_id[job].state == "uploading"
    jobs.close()
    with running(folder=tmp_path) as server, Speaker(server.port) as speaker:
        asked(speaker, job=job)
        assert speaker.hear(Accepted).received == FRAMES
        speaker.say(Whole(job, SHA256))
        speaker.say(Credit(job, 100))
        speaker.hear(Done)
