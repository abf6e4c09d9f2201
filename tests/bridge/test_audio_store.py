"""The same song asked for again is not uploaded again, and what is kept for that is bounded and never taken from who has it."""

import hashlib
import os
import time
import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from support.servers import PATIENCE, Speaker, running, song, until

from bridge.audio_store import AudioStore
from bridge.client import Client
from bridge.errors import RemoteError
from bridge.folders import Folders
from bridge.jobs import FRESH, INPUT, Job, Jobs, Order
from bridge.protocol import BEGINNING, Accepted, AudioShape, Bye, Cancel, Chunk, Credit, Done, Error, Submit
from bridge.workers import Desk, outcome

MUSIC = song(5000)
PAYLOAD = np.ascontiguousarray(MUSIC.T, "<f4").tobytes()
SHAPE = AudioShape(44_100, 2, 5000, hashlib.sha256(PAYLOAD).hexdigest())


@pytest.fixture
def server(tmp_path):
    with running(folder=tmp_path / "jobs", gone_after=PATIENCE) as server:
        yield server


def separated(server, music: np.ndarray = MUSIC) -> np.ndarray:
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        return client.separate(music, 44_100)["one"]


def uploaded(server) -> float:
    """Bytes, by what the server counts."""
    return server.metrics.received._value.get()


def test_a_song_asked_for_again_is_not_sent_again_even_after_a_restart(tmp_path):
    for sent in (len(PAYLOAD), 0):
        with running(folder=tmp_path / "jobs") as server:
            for _ in range(2):
                np.testing.assert_array_equal(separated(server), MUSIC / 2)
            assert uploaded(server) == sent


def test_a_client_that_sends_it_all_the_same_gets_its_stems(server):
    separated(server)
    job = str(uuid.uuid4())
    with Speaker(server.port) as old:
        old.say(Submit(job, SHAPE))
        assert old.hear(Accepted, job).received == 5000
        old.hear(Credit, job)
        old.say_chunk(job, 0, MUSIC)
        old.say(Credit(job, 100))
        assert old.hear(Done, job).stems["one"] == hashlib.sha256((MUSIC / 2).T.tobytes()).hexdigest()
        assert any(isinstance(message, Chunk) for message, _ in old.seen)


@pytest.mark.parametrize(
    "shape",
    [
        AudioShape(44_100, 2, 4999, SHAPE.sha256),
        AudioShape(44_100, 2, 5000, "../" * 20 + "jobs.sqlite"),
        AudioShape(44_100, 2, 5000, ""),
        AudioShape(44_100, 2, 5000, SHAPE.sha256.upper()),
    ],
    ids=["shorter", "a path", "nothing", "capitals"],
)
def test_what_is_not_the_same_is_not_known(server, shape):
    separated(server)
    with Speaker(server.port) as speaker:
        speaker.say(Submit("job", shape))
        accepted = speaker.hear(Accepted, "job")
        assert (accepted.state, accepted.received) == ("uploading", 0)


def test_audio_damaged_on_the_disk_is_told_and_sent_again(server, tmp_path):
    music = song(20_000)
    separated(server, music)
    damage(tmp_path, BEGINNING)
    with pytest.raises(RemoteError) as caught:
        separated(server, music)
    assert (caught.value.code, caught.value.retryable) == ("damaged", True)
    np.testing.assert_array_equal(separated(server, music), music / 2)
    assert uploaded(server) == 2 * music.nbytes


def test_audio_damaged_where_it_begins_is_not_known_and_mended_by_what_is_sent(server, tmp_path):
    separated(server)
    damage(tmp_path, 1000)
    for _ in range(2):
        np.testing.assert_array_equal(separated(server), MUSIC / 2)
        assert uploaded(server) == 2 * len(PAYLOAD)


def test_what_begins_alike_is_sent_all_the_same(server):
    separated(server, song(20_000))
    other = song(20_000)
    other[:, -1] = 0.5
    np.testing.assert_array_equal(separated(server, other), other / 2)
    assert uploaded(server) == 2 * other.nbytes


def damage(tmp_path, at: int) -> None:
    """A bit of the only audio that is kept."""
    (kept,) = (tmp_path / "jobs" / "audio").iterdir()
    content = bytearray(kept.read_bytes())
    content[at] ^= 4
    kept.write_bytes(content)


def test_audio_damaged_while_its_job_waited_is_told(server):
    music, waiting = song(1000, seed=41), str(uuid.uuid4())
    with Speaker(server.port) as speaker:
        for job, overrides in (("first", {"steps": 100_000}), (waiting, {})):
            digest = hashlib.sha256(music.T.tobytes()).hexdigest()
            speaker.say(Submit(job, AudioShape(44_100, 2, 1000, digest), overrides=overrides))
            speaker.hear(Accepted, job)
            speaker.say_chunk(job, 0, music)
            music = song(1000, seed=42)
        queued = until(
            lambda: (found := server.jobs.by_id.get(waiting)) and found.state == "queued" and found, "an upload"
        )
        until(lambda: queued.proven, "its hash")
        (queued.order.folder / INPUT).write_bytes(bytes(music.nbytes))
        queued.checked -= FRESH  # what time does
        speaker.say(Cancel("first"))
        assert speaker.hear(Error, waiting).code == "damaged"
        speaker.say(Bye())


def test_a_worker_that_looks_itself_says_what_it_heard(tmp_path):
    """Also of audio that nobody has said yet what it was to be."""
    (tmp_path / INPUT).write_bytes(PAYLOAD)
    for told, fresh, heard in (
        ("", False, SHAPE.sha256),
        (SHAPE.sha256, False, SHAPE.sha256),
        (SHAPE.sha256, True, ""),
    ):
        order = Order("a", "separate", {}, tmp_path, AudioShape(44_100, 2, 5000, told), fresh=fresh)
        kind, *_, found = outcome(lambda desk: None, Desk(None, SimpleNamespace(value=0), 1, order, Folders()))
        assert (kind, found) == ("done", heard)
    order = Order("a", "separate", {}, tmp_path, AudioShape(44_100, 2, 5000, "ab" * 32))
    assert outcome(lambda desk: None, Desk(None, SimpleNamespace(value=0), 1, order, Folders()))[2] == "damaged"


def test_an_upload_that_came_whole_just_before_the_server_was_killed_is_begun(tmp_path):
    jobs = Jobs(tmp_path)
    job = jobs.add(Job(Order("a", "separate", {}, jobs.folder_for("a"), SHAPE), None, keep=True))
    (job.order.folder / INPUT).write_bytes(PAYLOAD)
    jobs.close()  # as a kill would: nothing was said of the upload
    again = Jobs(tmp_path)
    assert again.next() is again.by_id["a"]
    again.close()


def proved(jobs: Jobs, job: Job) -> None:
    """As when its audio was found to be what was announced."""
    assert job.order.audio is not None
    job.found, job.checked = job.order.audio.sha256, time.monotonic()
    jobs.keep_audio(job)


def job_with(jobs: Jobs, content: bytes, used: float) -> tuple[Job, str]:
    """A running job that has uploaded so much, and the audio's hash."""
    sha256 = hashlib.sha256(content).hexdigest()
    order = Order(sha256, "separate", {}, jobs.folder_for(sha256), AudioShape(44_100, 1, len(content) // 4, sha256))
    job = jobs.add(Job(order, b"\0client"))
    (job.order.folder / INPUT).write_bytes(content)
    proved(jobs, job)
    jobs.audio.used[sha256] = used
    job.state = "running"
    return job, sha256


def test_over_the_quota_the_longest_unused_audio_goes_and_none_in_use(tmp_path):
    jobs = Jobs(tmp_path, quota=2500)
    (first, a), (second, b), (third, c), (_, d) = (
        job_with(jobs, bytes([number]) * 1000, used) for number, used in enumerate((30.0, 10.0, 20.0, 5.0))
    )
    for job in (first, second, third):  # the fourth goes on
        jobs.forget(job)
    jobs.make_room()
    assert set(os.listdir(tmp_path / "audio")) == {a, c, d}
    jobs.quota = 0
    jobs.make_room()
    assert os.listdir(tmp_path / "audio") == [d]
    jobs.close()
    assert b != c


def test_a_job_that_goes_takes_its_audio_before_newer_jobs_go(tmp_path):
    jobs = Jobs(tmp_path, quota=2500)
    for number in range(3):
        job, sha256 = job_with(jobs, bytes([number]) * 1000, float(number))
        job.state, job.owner, jobs._used[job.id] = "failed", None, float(number)
    jobs.make_room()
    assert len(jobs.by_id) == len(os.listdir(tmp_path / "audio")) == 2
    assert sha256 in jobs.by_id
    jobs.close()


def test_another_machine_gets_nothing_by_a_hash_and_leaves_nothing(tmp_path):
    jobs = Jobs(tmp_path)
    outside = jobs.add(Job(Order("a", "separate", {}, jobs.folder_for("a"), SHAPE), b"\1client"))
    (outside.order.folder / INPUT).write_bytes(PAYLOAD)
    proved(jobs, outside)
    assert not jobs.audio.sizes
    inside = jobs.add(Job(Order("b", "separate", {}, jobs.folder_for("b"), SHAPE), b"\0client"))
    assert not jobs.find_audio(inside)
    (inside.order.folder / INPUT).write_bytes(PAYLOAD)
    proved(jobs, inside)
    again = [jobs.add(Job(Order(n, "separate", {}, jobs.folder_for(n), SHAPE), n.encode())) for n in ("\1", "\0")]
    assert [jobs.find_audio(job) for job in again] == [False, True]
    jobs.close()


def test_where_files_have_one_name_only_nothing_is_kept(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    store, file = AudioStore(tmp_path / "audio", time.time), tmp_path / "song"
    file.write_bytes(PAYLOAD)
    store.keep(SHAPE.sha256, file)
    assert not store.give(SHAPE.sha256, len(PAYLOAD), tmp_path / "other")
    assert file.read_bytes() == PAYLOAD
