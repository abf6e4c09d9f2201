"""A job asked for by OSC outlives its server: who asked hears of its end, and can stop it."""

from pathlib import Path

import msgspec
import pytest
from support.osc import Patch
from support.servers import running, until

from bridge.jobs import Jobs
from bridge.ports import free_port

STUBBORN = "support.jobs:stubborn"


@pytest.fixture
def patch():
    with Patch(free_port()) as patch:
        yield patch


def begun(patch: Patch, ear: Patch, folder: Path) -> str:
    """A job without an end, whose server was stopped."""
    with running(STUBBORN, osc_port=patch.port, folder=folder / "jobs", folders=[folder]) as server:
        if ear is not patch:
            patch.send("/reply", ear.socket.getsockname()[1])
        patch.send("/generate", str(folder / "out"), 1.0)
        (job,) = ear.hear("/job/accepted")
        until(lambda: server.worker.job, "a start")
    return job


@pytest.mark.parametrize("by_two_sockets", [False, True])
def test_who_asked_hears_of_the_end_after_a_restart(patch, tmp_path, by_two_sockets):
    with Patch(patch.port) as other:
        ear = other if by_two_sockets else patch
        job = begun(patch, ear, tmp_path)
        with running(osc_port=patch.port, folder=tmp_path / "jobs", folders=[tmp_path]):
            while (heard := ear.next())[0] == "/job/progress":
                pass
            assert (heard[0], heard[1][0]) == ("/job/error", job)  # there is no audio to halve


@pytest.mark.parametrize("older", [False, True])
def test_who_asked_can_stop_it_after_a_restart(patch, tmp_path, older):
    """older: the first server put down nobody as its owner; then whoever knows its whole name can."""
    job = begun(patch, patch, tmp_path)
    if older:
        jobs = Jobs(tmp_path / "jobs")
        ((row,),) = jobs._ledger._db.execute("SELECT row FROM jobs").fetchall()
        table = {key: value for key, value in msgspec.msgpack.decode(row).items() if key not in ("owner", "ear")}
        jobs._ledger._db.execute("UPDATE jobs SET row = ?", (msgspec.msgpack.encode(table),))
        jobs.close()
    options = {"folder": tmp_path / "jobs", "folders": [tmp_path], "cancel_grace": 0.0}
    with running(STUBBORN, osc_port=patch.port, **options), Patch(patch.port) as other:
        if not older:
            other.send("/job/cancel", job)
            assert other.next()[1][1] == "unknown_job"
        patch.send("/job/cancel", job)
        patch.hear("/job/cancelled")
