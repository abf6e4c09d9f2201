"""A client that is taken for gone, and is back before its job has stopped: nobody asked for its end, so it goes on."""

import hashlib
import os
import signal
import uuid
from pathlib import Path

import numpy as np
import pytest
from support.servers import Speaker, lose_the_silent, running, song, state_of, until

from bridge import protocol
from bridge.jobs import Job
from bridge.protocol import Accepted, AudioShape, Cancel, Cancelled, Credit, Done, Hello, Submit
from bridge.server import Server


@pytest.fixture
def server():
    with running() as server:
        yield server


def left_and_asked_for_again(server: Server, speaker: Speaker, hold: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that is half done, and whose worker has not heard yet that it was to stop."""
    job, music, told = str(uuid.uuid4()), song(1000), []
    sha256 = hashlib.sha256(np.ascontiguousarray(music.T).data).hexdigest()
    submit = Submit(job, AudioShape(44_100, 2, 1000, sha256), overrides={"hold": str(hold)})
    speaker.say(submit)
    speaker.say_chunk(job, 0, music)
    until(lambda: state_of(server, job) == "running", "a start")
    with monkeypatch.context() as patch:
        patch.setattr(server.worker, "cancel", told.append)
        lose_the_silent(server)
        until(lambda: told, "the word to stop")
        speaker.say(Hello(protocol.VERSION))
        speaker.say(submit)
        while speaker.hear(Accepted, job).state != "running":
            pass
    return told[0]


@pytest.mark.parametrize("way", ["stops", "dies"])
def test_a_job_whose_client_is_back_before_it_stopped_goes_on(server, tmp_path, monkeypatch, way):
    with Speaker(server.port) as speaker:
        job = left_and_asked_for_again(server, speaker, tmp_path / "go on", monkeypatch)
        if way == "stops":
            server.worker.cancel(job)
        else:
            os.kill(server.worker.process.pid, signal.SIGKILL)
        until(lambda: job.tries == 2, "another start")
        (tmp_path / "go on").touch()
        speaker.say(Credit(job.id, 100))
        assert isinstance(speaker.hear((Done, Cancelled), job.id), Done)


def test_a_job_that_is_cancelled_by_who_came_back_is_cancelled(server, tmp_path, monkeypatch):
    with Speaker(server.port) as speaker:
        job = left_and_asked_for_again(server, speaker, tmp_path / "never", monkeypatch)
        speaker.say(Cancel(job.id))
        speaker.hear(Cancelled, job.id)
