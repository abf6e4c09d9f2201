"""What is uploaded is written in order, told when it is there, and never goes on behind a hole."""

import os

import pytest
from support.servers import until

from bridge.bell import Bell
from bridge.intake import MOST, Intake
from bridge.jobs import INPUT, Job, Order
from bridge.protocol import AudioShape


@pytest.fixture
def intake():
    bell = Bell()
    intake = Intake(bell)
    yield intake
    intake.close()
    bell.close()


def job_in(folder) -> Job:
    return Job(Order("a", "separate", {}, folder, AudioShape(44_100, 1, 10**6, "")), b"client")


def test_chunks_are_written_in_order_and_told(intake, tmp_path):
    job, chunks = job_in(tmp_path), [os.urandom(4 * (number + 1)) for number in range(4 * MOST)]
    for chunk in chunks:
        intake.put(b"client", job, chunk)
    told: list = []
    until(lambda: told.extend(intake.written()) or len(told) == len(chunks), "what was written")
    assert [size for *_, size in told] == [len(chunk) for chunk in chunks]
    assert (tmp_path / INPUT).read_bytes() == b"".join(chunks)


def test_behind_a_chunk_that_could_not_be_written_nothing_is(intake, tmp_path):
    job, told = job_in(tmp_path), []
    (tmp_path / INPUT).symlink_to("/dev/full")
    intake.put(b"client", job, bytes(4))
    until(lambda: told.extend(intake.written()) or told, "the failure")
    (tmp_path / INPUT).unlink()
    intake.put(b"client", job, bytes(8))
    until(lambda: told.extend(intake.written()) or len(told) == 2, "the chunk behind it")
    assert (tmp_path / INPUT).read_bytes() == b""
    with pytest.raises(OSError, match="space"):
        job.note_stored(4)
    assert job.stored == 0


def test_what_is_put_in_at_last_is_written_before_it_closes(tmp_path):
    bell = Bell()
    intake, job = Intake(bell), job_in(tmp_path)
    for _ in range(MOST):
        intake.put(b"client", job, bytes(4))
    intake.close()
    bell.close()
    assert (tmp_path / INPUT).read_bytes() == bytes(4 * MOST)
