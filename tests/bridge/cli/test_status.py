"""`stemweave status`: what a server says of its jobs, for people and for scripts."""

import hashlib
import json
import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest
from support.servers import PATIENCE, Speaker, address, running, until

from bridge.protocol import AudioShape, Cancel, Cancelled, Credit, Submit


@pytest.fixture(scope="module")
def busy():
    """A server with a job in every state but done, 2 s each, and their names by state."""
    jobs = {}
    with running() as server, Speaker(server.port) as speaker:
        for state, seed in (("failed", 15), ("running", 17), ("queued", 0), ("uploading", 0)):
            jobs[state] = str(uuid.uuid4())
            audio = np.full(
                (1, 88_200), len(jobs) / 10, np.float32
            )  # another each time, or it would not have to be sent
            shape = AudioShape(44_100, 1, 88_200, hashlib.sha256(audio.data).hexdigest())
            speaker.say(Submit(jobs[state], shape, overrides={"seed": seed}))
            speaker.hear(Credit, jobs[state])
            speaker.say_chunk(jobs[state], 0, audio if state != "uploading" else audio[:, :22_050])
            speaker.hear(Credit, jobs[state])
            until(lambda: server.jobs.by_id[jobs[state]].state == state, state)  # noqa: B023
        until(lambda: server.jobs.by_id[jobs["running"]].fraction == 1.0, "its progress")
        yield server, jobs
        for state in ("queued", "running"):
            speaker.say(Cancel(jobs[state]))
            speaker.hear(Cancelled, jobs[state])


def test_every_job_has_a_line_and_no_line_gives_a_whole_name(stemweave, busy):
    server, jobs = busy
    document = json.loads(stemweave("status", "--server", address(server), "--json").stdout)
    assert document["jobs"] == dict.fromkeys(jobs, 1)
    assert not document["closing"]
    lines = document["lines"]
    assert [line["state"] for line in lines] == ["running", "uploading", "queued", "failed"]
    for line in lines:
        assert line["job"] == jobs[line["state"]][:8]
        assert (line["preset"], line["seconds"], line["here"]) == ("separate", 2.0, True)
    assert [line["fraction"] for line in lines[:2]] == [1.0, 0.25]


def test_people_get_a_table(stemweave, busy):
    server, jobs = busy
    shown = stemweave("status", "--server", address(server)).stdout
    assert "ready; up 0:" in shown
    assert "25 %" in shown
    for state, job in jobs.items():
        (row,) = [line for line in shown.splitlines() if job[:8] in line]
        assert state in row
        assert "2.0 s" in row


def test_watching_goes_on_until_it_is_interrupted(stemweave, busy):
    command = [sys.executable, "-m", "bridge", "status", "--server", address(busy[0]), "--watch", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=stemweave.environment)
    uptimes = [json.loads(process.stdout.readline())["uptime"] for _ in range(2)]
    assert uptimes[0] < uptimes[1]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_no_server_is_told(refused, stemweave):
    refused(stemweave("status", "--server", "tcp://127.0.0.1:9"), "No stemweave server answers", "stemweave serve")
