"""Workers that are killed, hang or never come up: one job's loss at most, never the server's."""

import os
import signal
import threading

import numpy as np
import pytest
from support.servers import Speaker, running, song, until

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.protocol import Ping, Pong
from engine.errors import Cancelled


@pytest.fixture
def server():
    with running() as server:
        yield server


def kill_worker(server) -> None:
    os.kill(server.worker.process.pid, signal.SIGKILL)


def test_a_killed_worker_is_replaced_the_job_tried_again_and_the_server_answers_meanwhile(server, tmp_path):
    mixture, killed, hold = song(5000), threading.Event(), tmp_path / "go on"
    with Client(f"tcp://127.0.0.1:{server.port}") as client, Speaker(server.port) as other:

        def kill_once(_: float) -> None:
            if not killed.is_set():
                killed.set()
                kill_worker(server)
                other.say(Ping())
                other.hear(Pong)
                hold.touch()

        stems = client.separate(mixture, 44_100, overrides={"hold": str(hold)}, on_progress=kill_once)
        np.testing.assert_array_equal(stems["one"], mixture / 2)
        np.testing.assert_array_equal(client.separate(mixture, 44_100)["one"], mixture / 2)
    assert killed.is_set()


def test_a_worker_killed_after_half_of_the_stems_were_sent_gives_whole_stems(server, tmp_path):
    mixture, killed, hold = song(300_000), threading.Event(), tmp_path / "go on"
    with Client(f"tcp://127.0.0.1:{server.port}") as client:

        def kill_once(start: int, _: dict) -> None:
            if start > 140_000 and not killed.is_set():
                killed.set()
                kill_worker(server)
                hold.touch()

        stems = client.separate(mixture, 44_100, overrides={"hold": str(hold)}, on_partial=kill_once)
    assert killed.is_set()
    np.testing.assert_array_equal(stems["one"], mixture / 2)


def test_a_job_that_kills_two_workers_fails_clearly_and_the_next_succeeds(server):
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        with pytest.raises(RemoteError) as caught:
            client.separate(song(5000), 44_100, overrides={"seed": 14})
        assert caught.value.code == "worker_died"
        assert caught.value.retryable
        assert caught.value.hint
        client.separate(song(10), 44_100)


def test_a_worker_killed_once_by_its_job_is_no_loss(server):
    mixture = song(5000)
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        stems = client.separate(mixture, 44_100, overrides={"seed": 13})
    np.testing.assert_array_equal(stems["one"], mixture / 2)


def test_a_cancelled_job_whose_worker_dies_is_not_tried_again(server):
    asked = threading.Event()

    def kill_once_cancelled() -> None:
        until(lambda: server.worker.job.unwanted, "the cancel")
        kill_worker(server)

    with Client(f"tcp://127.0.0.1:{server.port}") as client:

        def stop(_: float) -> None:
            if not asked.is_set():
                asked.set()
                os.kill(server.worker.process.pid, signal.SIGSTOP)
                threading.Thread(target=kill_once_cancelled).start()

        with pytest.raises(Cancelled):
            client.separate(song(10), 44_100, overrides={"steps": 500}, on_progress=stop, cancelled=asked.is_set)


def test_a_job_that_does_not_hear_cancel_is_ended_by_force():
    with running("support.jobs:stubborn", cancel_grace=0.5) as server:
        first = server.worker.process.pid
        begun = threading.Event()  # before that it hears
        with Client(f"tcp://127.0.0.1:{server.port}") as client:
            with pytest.raises(Cancelled):
                client.separate(song(10), 44_100, on_progress=lambda _: begun.set(), cancelled=begun.is_set)
            until(lambda: server.worker.ready and server.worker.process.pid != first, "another worker is up")
