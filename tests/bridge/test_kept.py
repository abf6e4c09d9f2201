"""Jobs that are kept and that nobody comes for: they are counted, whatever they take of the disk."""

import pytest

from bridge import jobs as module
from bridge.jobs import Job, Jobs, Order
from bridge.protocol import AudioShape


def kept(jobs: Jobs, name: str, owner: bytes | None = None) -> Job:
    return jobs.add(
        Job(Order(name, "separate", {}, jobs.folder_for(name), AudioShape(44_100, 1, 1, "")), owner, keep=True)
    )


def folders(jobs: Jobs) -> int:
    return sum(path.is_dir() for path in jobs.folder.iterdir())


def test_of_jobs_without_a_client_the_longest_unused_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    jobs = Jobs(tmp_path)
    kept(jobs, "somebody's", b"here")
    for number in range(10):
        jobs.note(kept(jobs, f"nobody's {number}"))
    jobs.make_room()
    assert list(jobs.by_id) == ["somebody's", "nobody's 7", "nobody's 8", "nobody's 9"]
    assert folders(jobs) == 4
    jobs.close()
    again = Jobs(tmp_path)
    assert len(again.by_id) == 4
    again.close()


def test_what_cannot_be_put_down_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "full")

    jobs = Jobs(tmp_path)
    monkeypatch.setattr(jobs._ledger, "write", full)
    with pytest.raises(OSError, match="full"):
        kept(jobs, "refused")
    assert (folders(jobs), jobs.by_id) == (0, {})
    jobs.close()
