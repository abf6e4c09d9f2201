"""A job that is kept, and kills whatever server works on it: it is not begun for ever, and what waits behind it has its turn."""

import uuid

import msgspec
import numpy as np
from support.servers import PATIENCE, Speaker, killable, running, song, state_of, until

from bridge.client import Client
from bridge.jobs import LIVES, Job, Jobs, Order
from bridge.ports import free_port
from bridge.protocol import Accepted, AudioShape, Error, Submit
from engine.request import MIXTURE, Request


def ask_for_one_without_end(speaker: Speaker, job: str) -> str:
    """Its state."""
    speaker.say(Submit(job, AudioShape(44_100, 1, 0, ""), preset="generate", seconds=1.0, keep=True))
    return speaker.hear(Accepted, job).state


def runs(port: int) -> bool:
    with Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
        return "running" in client.status(PATIENCE).jobs


def test_a_job_that_takes_its_server_down_again_and_again_fails(tmp_path):
    port, folder, job, music = free_port(), tmp_path / "jobs", str(uuid.uuid4()), song(1000)
    for life in range(LIVES):
        with killable(port, tmp_path, folder, "support.jobs:stubborn"):
            if not life:
                with Speaker(port) as speaker:
                    ask_for_one_without_end(speaker, job)
            until(lambda: runs(port), "its start")
    with killable(port, tmp_path, folder):
        with Speaker(port) as speaker:
            ask_for_one_without_end(speaker, job)
            told = speaker.hear(Error, job)
            assert (told.code, f"killed {LIVES} times" in told.message) == ("worker_died", True)
        with Client(f"tcp://127.0.0.1:{port}", timeout=PATIENCE) as client:
            stems = client.perform(Request.of(44_100, [(MIXTURE, music)]), "separate")
    np.testing.assert_array_equal(stems["one"], music / 2)


def test_a_server_that_is_stopped_counts_no_try_against_what_it_did(tmp_path):
    job = str(uuid.uuid4())
    with running("support.jobs:stubborn", folder=tmp_path) as server:
        with Speaker(server.port) as speaker:
            ask_for_one_without_end(speaker, job)
        until(lambda: state_of(server, job) == "running", "its start")
        assert server.jobs.by_id[job].lives == 1
    jobs = Jobs(tmp_path)
    assert [(found.id, found.lives) for found in jobs.by_id.values()] == [(job, 0)]
    jobs.close()


def test_a_worker_that_dies_is_no_server_that_was_killed(tmp_path):
    job = str(uuid.uuid4())
    with running("support.jobs:stubborn", folder=tmp_path) as server:
        with Speaker(server.port) as speaker:
            ask_for_one_without_end(speaker, job)
        until(lambda: state_of(server, job) == "running", "its start")
        server.worker.process.kill()
        until(lambda: server.jobs.by_id[job].tries == 2, "its second try")
        assert server.jobs.by_id[job].lives == 1


def test_what_an_older_server_put_down_is_read(tmp_path):
    jobs = Jobs(tmp_path)
    jobs.add(Job(Order("old", "separate", {}, jobs.folder_for("old"), AudioShape(44_100, 1, 9, "")), None, keep=True))
    ((row,),) = jobs._ledger._db.execute("SELECT row FROM jobs").fetchall()
    old = {key: value for key, value in msgspec.msgpack.decode(row).items() if key != "lives"}
    jobs._ledger._db.execute("UPDATE jobs SET row = ?", (msgspec.msgpack.encode(old),))
    jobs.close()
    again = Jobs(tmp_path)
    assert list(again.by_id) == ["old"]
    again.close()
