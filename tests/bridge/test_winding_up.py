"""A server that is told to end (SIGTERM) ends well: what runs is finished, what waits is kept or refused, exit code 0."""

import hashlib
import signal
import uuid

import numpy as np
import pytest
from support.osc import Patch
from support.servers import PATIENCE, Speaker, is_ready, killable, running, song, state_of, until

from bridge.ports import free_port
from bridge.protocol import (
    Accepted,
    AudioShape,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Report,
    Status,
    Submit,
)  # fmt: skip

MUSIC = song(5000)


def submitted(port: int, keep: bool = False, **overrides: int | str) -> tuple[Speaker, str]:
    """A client that asked for a job and sent its audio; and the job."""
    speaker, job = Speaker(port), str(uuid.uuid4())
    digest = hashlib.sha256(np.ascontiguousarray(MUSIC.T).data).hexdigest()
    speaker.say(Submit(job, AudioShape(44_100, 2, 5000, digest), overrides=overrides, keep=keep))
    speaker.hear(Accepted, job)
    speaker.say_chunk(job, 0, MUSIC)
    speaker.hear(Credit, job)
    speaker.say(Credit(job, 100))
    return speaker, job


def test_what_runs_is_finished_what_waits_is_kept_and_the_exit_code_is_0(tmp_path):
    port, folder = free_port(), tmp_path / "jobs"
    with killable(port, tmp_path, folder) as process:
        until(lambda: is_ready(port), "a server")
        runs, running_job = submitted(port, hold=str(tmp_path / "go on"))
        waits, kept = submitted(port, keep=True)
        loses, lost = submitted(port)
        runs.hear(Chunk, running_job)
        process.send_signal(signal.SIGTERM)
        assert loses.hear(Error, lost).code == "closing"
        new = Submit(str(uuid.uuid4()), AudioShape(44_100, 2, 10, ""))
        loses.say(new)
        refused = loses.hear(Error, new.job)
        assert (refused.code, refused.retryable) == ("closing", True)
        (tmp_path / "go on").touch()
        assert runs.hear(Done, running_job).frames == 5000
        heard = [payload for message, payload in runs.seen if isinstance(message, Chunk) and message.stem == "one"]
        assert np.array_equal(np.frombuffer(b"".join(heard), "<f4").reshape(-1, 2).T, MUSIC / 2)
        assert process.wait(PATIENCE) == 0
        for speaker in (runs, waits, loses):
            speaker.close()
    with running(folder=folder) as server:
        assert set(server.jobs.by_id) == {kept}
        until(lambda: state_of(server, kept) == "done", "the job that was kept")


@pytest.mark.parametrize("keep", [False, True])
def test_what_takes_too_long_is_told_or_begun_again_after_the_restart(tmp_path, keep):
    with running(folder=tmp_path, finish=0.3) as server:
        speaker, job = submitted(server.port, keep=keep, seed=17)
        speaker.hear(Chunk, job)
        server.drain()
        if not keep:
            assert speaker.hear(Error, job).code == "closing"
        until(server._stop.is_set, "the end")
        speaker.close()
    with running(folder=tmp_path) as server:
        assert set(server.jobs.by_id) == ({job} if keep else set())
        if keep:
            until(lambda: state_of(server, job) == "running", "its second start")


def test_a_second_signal_does_not_wait():
    with running() as server:
        speaker, job = submitted(server.port, seed=17)
        speaker.hear(Chunk, job)
        server.drain()
        speaker.say(Status())
        assert speaker.hear(Report).closing
        server.drain()
        until(server._stop.is_set, "the end")
        speaker.close()


def test_patches_are_told_too():
    with running(osc_port=0) as server, Patch(server._osc.port) as patch:
        speaker, job = submitted(server.port, seed=17)
        speaker.hear(Chunk, job)
        server.drain()
        patch.send("/generate", "~/out", 1.0)
        assert patch.hear("/error")[0] == "closing"
        speaker.say(Cancel(job))
        speaker.hear(Cancelled, job)
        speaker.close()
