"""Jobs are refused for memory that they will not have when their turn comes, not for what the one before them gives back."""

import hashlib
from pathlib import Path

from support.servers import Speaker, running, song, until

from bridge import costs
from bridge.costs import Costs
from bridge.jobs import Order
from bridge.protocol import Accepted, AudioShape, Error, Submit


def order(frames: int, **settings: float) -> Order:
    return Order("job", "separate", {}, Path(), AudioShape(44_100, 1, frames, ""), settings=settings)


def asked(speaker: Speaker, job: str) -> Accepted | Error:
    speaker.say(Submit(job, AudioShape(44_100, 1, 1000, "")))
    return speaker.hear((Accepted, Error), job)


def test_what_the_running_job_has_taken_is_free_when_the_next_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "free_memory", lambda: 3_000_000)
    monkeypatch.setattr(costs, "resident", lambda _: 1_000_000)
    with running() as server, Speaker(server.port) as speaker:
        server.costs.learn(order(1000), 1.0, 6_000_000, 2)
        assert asked(speaker, "alone").code == "no_resource"
        music, hold = song(1000, channels=1), {"hold": str(tmp_path / "go on")}
        sha256 = hashlib.sha256(music.data).hexdigest()
        speaker.say(Submit("runs", AudioShape(44_100, 1, 1000, sha256), overrides=hold))
        speaker.say_chunk("runs", 0, music)
        until(lambda: server.worker.job, "a start")
        monkeypatch.setattr(costs, "resident", lambda _: 5_000_000)
        assert isinstance(asked(speaker, "behind it"), Accepted)
        (tmp_path / "go on").touch()
        until(lambda: server.worker.idle, "its end")
        assert asked(speaker, "alone again").code == "no_resource"


def test_a_job_shorter_than_all_before_is_not_refused_for_what_they_took(monkeypatch):
    monkeypatch.setattr(costs, "free_memory", lambda: 5 * 10**9)
    found = Costs(Path())
    found.learn(order(0, seconds=600.0), 900.0, 6 * 10**9, 5)
    assert found.lacks(order(0, seconds=1.0)) is None
    for seconds in (590.0, 600.0, 700.0):
        assert "of memory" in found.lacks(order(0, seconds=seconds))[0]
    found.learn(order(0, seconds=1.0), 1.5, 10**9, 5)
    assert found.lacks(order(0, seconds=400.0)) is None
