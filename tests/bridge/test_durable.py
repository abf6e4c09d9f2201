"""Jobs that outlive their client and their server, counted: none lost, none damaged. STEMWEAVE_ROUNDS=20 for the long run."""

import hashlib
import threading
import time
import uuid

import numpy as np
import pytest
from support.servers import PATIENCE, ROUNDS, Speaker, killable, lose_the_silent, running, song, state_of, until

from bridge.client import Client
from bridge.errors import BridgeError, RemoteError
from bridge.jobs import Job, Jobs, Order
from bridge.ports import free_port
from bridge.protocol import Accepted, AudioShape, Bye, Cancel, Cancelled, Chunk, Credit, Done, Error, Submit
from bridge.server import Server
from engine.request import MIXTURE, Request


def shape_of(audio: np.ndarray) -> AudioShape:
    payload = np.ascontiguousarray(audio.T, dtype="<f4").tobytes()
    return AudioShape(44_100, audio.shape[0], audio.shape[1], hashlib.sha256(payload).hexdigest())


def upload(speaker: Speaker, job: str, audio: np.ndarray) -> None:
    """The beginning of a job's audio, until the server says that it has it; nothing, where it has all of it already."""
    known = speaker.hear(Accepted, job).received
    speaker.hear(Credit, job)
    if not known:
        speaker.say_chunk(job, 0, audio)
        speaker.hear(Credit, job)


def submitted(port: int, job: str, audio: np.ndarray, overrides: dict | None = None) -> Speaker:
    """A client that asked for a job to be kept and sent all of its audio."""
    speaker = Speaker(port)
    speaker.say(Submit(job, shape_of(audio), overrides=overrides or {}, keep=True))
    upload(speaker, job, audio)
    return speaker


def fetched(port: int, job: str, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Ask for a job again as a new client, which sends no audio."""
    with Client(f"tcp://127.0.0.1:{port}") as client:
        stems = client.perform(Request.of(44_100, [(MIXTURE, audio)]), job=job, keep=True, preset="separate")
    return stems


def assert_halves(stems: dict[str, np.ndarray], audio: np.ndarray) -> None:
    assert set(stems) == {"one", "residual"}
    for stem in stems.values():
        np.testing.assert_array_equal(stem, audio / 2)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_server_killed_and_started_again_finishes_what_it_had(round_, tmp_path):
    port, folder, audio, jobs = free_port(), tmp_path / "jobs", song(5000, seed=round_), []
    with killable(port, tmp_path, folder):
        for _ in range(3):
            jobs.append(str(uuid.uuid4()))
            submitted(port, jobs[-1], audio, {"pause": 50 + 10 * (round_ % 10)}).close()
        time.sleep(0.2 + 0.05 * round_)  # and the killing comes later from round to round
    with killable(port, tmp_path, folder), Speaker(port) as speaker:
        for job in jobs:
            speaker.say(Submit(job, shape_of(audio), keep=True))
            assert speaker.hear(Accepted, job).received == 5000  # nothing is sent twice
        for job in jobs:
            speaker.say(Credit(job, 100))
            done = speaker.hear(Done, job)
            half = hashlib.sha256(np.ascontiguousarray((audio / 2).T).tobytes()).hexdigest()
            assert done.stems == {"one": half, "residual": half}


def test_the_python_client_lives_through_a_server_that_is_killed(tmp_path):
    port, folder, audio = free_port(), tmp_path / "jobs", song(8000)
    found: list[dict[str, np.ndarray]] = []
    began = threading.Event()

    def ask() -> None:
        request = Request.of(44_100, [(MIXTURE, audio)])
        with Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
            wish = {"hold": str(tmp_path / "go on")}
            stems = client.perform(request, "separate", wish, on_partial=lambda *_: began.set(), keep=True)
            found.append(stems)

    thread = threading.Thread(target=ask)
    with killable(port, tmp_path, folder):
        thread.start()
        assert began.wait(PATIENCE)
    (tmp_path / "go on").touch()
    with killable(port, tmp_path, folder):
        thread.join(PATIENCE)
    assert_halves(found[0], audio)


@pytest.fixture
def server(tmp_path):
    with running(folder=tmp_path / "jobs") as server:
        yield server


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_an_upload_goes_on_where_its_client_was_killed(round_, server):
    job, audio = str(uuid.uuid4()), song(5000, seed=round_)
    sent = 1000 * (1 + round_ % 4)
    with Speaker(server.port) as speaker:
        speaker.say(Submit(job, shape_of(audio), keep=True))
        upload(speaker, job, audio[:, :sent])
    with Speaker(server.port) as speaker:
        speaker.say(Submit(job, shape_of(audio), keep=True))
        assert speaker.hear(Accepted, job).received == sent
        speaker.say_chunk(job, sent, audio[:, sent:])
        speaker.say(Credit(job, 100))
        speaker.hear(Done, job)
        chunks = [(m, p) for m, p in speaker.seen if isinstance(m, Chunk) and m.stem == "one"]
        heard = np.concatenate([np.frombuffer(p, "<f4").reshape(-1, 2) for _, p in chunks]).T
        np.testing.assert_array_equal(heard, audio / 2)


def test_an_upload_goes_on_where_its_server_was_killed(tmp_path):
    port, folder, job, audio = free_port(), tmp_path / "jobs", str(uuid.uuid4()), song(4000)
    with killable(port, tmp_path, folder), Speaker(port) as speaker:
        speaker.say(Submit(job, shape_of(audio), keep=True))
        upload(speaker, job, audio[:, :3000])
    with killable(port, tmp_path, folder):
        with Speaker(port) as speaker:
            speaker.say(Submit(job, shape_of(audio), keep=True))
            assert speaker.hear(Accepted, job).received == 3000
        assert_halves(fetched(port, job, audio), audio)


def test_a_job_goes_on_without_its_client_and_is_not_done_twice(server, tmp_path):
    job, audio = str(uuid.uuid4()), song(4000)
    submitted(server.port, job, audio, {"hold": str(tmp_path / "go on")}).close()
    lose_the_silent(server)
    (tmp_path / "go on").touch()
    until(lambda: server.jobs.count().get("done") == 1, "the job, done for nobody")
    with Speaker(server.port) as speaker:
        speaker.say(Submit(job, shape_of(audio), keep=True))
        assert speaker.hear(Accepted, job).state == "done"
    assert_halves(fetched(server.port, job, audio), audio)
    until(lambda: not server.jobs.count(), "the job, forgotten by goodbye")


def test_a_kept_job_that_has_ended_outlives_its_clients_silence_and_not_its_goodbye(server):
    job, audio = str(uuid.uuid4()), song(1000)
    with submitted(server.port, job, audio) as first:
        first.say(Credit(job, 100))
        first.hear(Done, job)
        lose_the_silent(server)
    with Speaker(server.port) as second:
        second.say(Submit(job, shape_of(audio), keep=True))
        assert second.hear(Accepted, job).state == "done"
        second.say(Credit(job, 100))
        second.hear(Done, job)
        second.say(Bye())
        until(lambda: not server.jobs.by_id, "the job, forgotten")


def test_goodbye_ends_what_is_not_to_be_kept_only(server):
    audio, jobs = song(4000), [str(uuid.uuid4()) for _ in range(2)]
    with Speaker(server.port) as speaker:
        for keep, job in enumerate(jobs):
            speaker.say(Submit(job, shape_of(audio), overrides={"pause": 100}, keep=bool(keep)))
            upload(speaker, job, audio)
        speaker.say(Bye())
        until(lambda: server.jobs.count() == {"done": 1}, "the end of both")
    assert_halves(fetched(server.port, jobs[1], audio), audio)


def test_who_asks_for_anothers_job_takes_it_over_and_the_other_is_told(server):
    job, audio = str(uuid.uuid4()), song(4000)
    with submitted(server.port, job, audio, {"pause": 300}) as first:
        assert_halves(fetched(server.port, job, audio), audio)
        assert first.hear(Error, job).code == "taken"


def test_a_kept_job_that_is_cancelled_stays_cancelled(server):
    job, audio = str(uuid.uuid4()), song(4000)
    with submitted(server.port, job, audio, {"seed": 17}) as speaker:
        until(lambda: state_of(server, job) == "running", "a start")
        speaker.say(Cancel(job))
        speaker.hear(Cancelled, job)
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        assert client.status().jobs == {"cancelled": 1}


def test_one_folder_has_one_server(server, tmp_path):
    with pytest.raises(BridgeError, match="Another server may use them"):
        Server(port=free_port(), folder=tmp_path / "jobs")


def test_a_damaged_ledger_is_named_and_left_as_it_is(tmp_path):
    (tmp_path / "jobs.sqlite").write_bytes(b"these are not the jobs you are looking for " * 50)
    with pytest.raises(BridgeError, match="damaged"):
        Server(port=free_port(), folder=tmp_path)
    assert b"not the jobs" in (tmp_path / "jobs.sqlite").read_bytes()


def job_in(jobs: Jobs, owner: bytes | None, name: str, keep: bool = True) -> Job:
    order = Order(name, "separate", {}, jobs.folder_for(name), AudioShape(44_100, 1, 1000, ""))
    return jobs.add(Job(order, owner, keep=keep))


def test_clients_take_turns_however_many_jobs_one_of_them_has(tmp_path):
    jobs = Jobs(tmp_path)
    for owner, name in ((b"a", "a1"), (b"a", "a2"), (b"a", "a3"), (b"b", "b1"), (b"c", "c1"), (b"b", "b2")):
        jobs.enqueue(job_in(jobs, owner, name))
    served = []
    while (job := jobs.next()) is not None:
        job.state = "running"
        served.append(job.id)
    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]
    jobs.close()


def test_over_the_quota_the_longest_unused_go_and_nothing_in_use(tmp_path):
    jobs = Jobs(tmp_path, quota=2500)
    for number, (owner, state) in enumerate(
        [(b"here", "done"), (None, "done"), (None, "done"), (None, "queued"), (None, "done")]
    ):
        job = job_in(jobs, owner, f"job{number}")
        (job.order.folder / "one.f32").write_bytes(bytes(1000))
        job.state = state
        jobs.note(job)
        time.sleep(0.01)
    jobs.make_room()
    assert sorted(jobs.by_id) == ["job0", "job3", "job4"]
    jobs.close()
    assert sorted(Jobs(tmp_path).by_id) == ["job0", "job3", "job4"]


def test_what_is_not_to_be_kept_leaves_nothing_behind(tmp_path):
    jobs = Jobs(tmp_path)
    (job_in(jobs, b"a", "kept").order.folder / "input.f32").write_bytes(bytes(4000))
    job_in(jobs, b"a", "not kept", keep=False)
    jobs.close()
    again = Jobs(tmp_path)
    assert {name: job.received for name, job in again.by_id.items()} == {"kept": 1000}
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    again.close()


def test_of_the_folder_only_what_is_its_own_is_removed(tmp_path):
    (tmp_path / "Music").mkdir()
    (tmp_path / "Music" / "take.wav").write_text("mine")
    jobs = Jobs(tmp_path)
    orphan = jobs.folder_for("killed before it was put down")
    orphan.mkdir()
    jobs.close()
    Jobs(tmp_path).close()
    assert (tmp_path / "Music" / "take.wav").read_text() == "mine"
    assert not orphan.exists()


def test_a_refused_job_of_the_same_name_is_said_again(server):
    job, audio = str(uuid.uuid4()), song(1000)
    submitted(server.port, job, audio, {"seed": 15}).close()
    until(lambda: state_of(server, job) == "failed", "the end")
    with pytest.raises(RemoteError, match="The tape is torn"):
        fetched(server.port, job, audio)
