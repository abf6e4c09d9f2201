"""The thread that talks, against servers that work, are absent, die, come back, hang, speak another version or send garbage."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.bare_host import FRAMES, SHUTDOWN
from support.cutter import Cutter
from support.servers import PATIENCE, answering, killable, running, until

from bridge import protocol
from bridge.ports import free_port

LONG = 3_000_000


def test_a_take_is_separated_played_kept_and_brought_back_without_a_server(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask("separate")
        done = plugin.until("job", "done", "failed")
        assert done["job"] == "done", done
        plugin.assert_stems_play()
        recipe = until(lambda: plugin.ask("recipe")["recipe"], "the recipe")
        plugin.close()
    later = host("tcp://127.0.0.1:9")
    later.ask(f"restore {recipe}")
    until(lambda: later.ask("status")["folder"], "the stems")
    later.assert_stems_play()


def test_all_that_was_played_when_it_was_asked_for_is_in_the_job(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        for start in range(0, 3 * FRAMES, FRAMES // 2):
            plugin.ask(f"play {start} {FRAMES // 2} 512")
            plugin.ask("separate")  # at once: nobody waited for the thread to hear of the take
            frames = f"frames {start + FRAMES // 2}|"
            until(lambda: frames in plugin.ask("recipe")["recipe"], f"a job of {frames}")  # noqa: B023


def test_a_host_that_plays_at_another_rate_and_comes_back_finds_what_was_recorded(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.record()
        plugin.ask("rate 44100")
        plugin.ask("play 0 512 512")
        until(lambda: plugin.ask("status")["recorded"] == [0, 512], "the other take")
        plugin.ask("rate 48000")
        until(lambda: plugin.ask("status")["recorded"] == [0, FRAMES], "the first take")
        plugin.ask("separate")
        assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
        plugin.assert_stems_play()


def test_asking_before_anything_was_recorded_says_what_to_do(host):
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask("separate")
    assert "play" in until(lambda: plugin.ask("status")["message"], "a message").lower()


def test_without_a_server_audio_passes_and_the_message_says_how_to_start_one(host):
    plugin = host(f"tcp://127.0.0.1:{free_port()}")
    plugin.record()
    plugin.ask("separate")
    assert "stemweave serve" in until(lambda: plugin.ask("status")["message"], "a message")
    assert plugin.ask("play 0 1000 64") == {"track_wrong": 0, "halves": 0, "same": 0, "other": 0}
    assert plugin.ask("status")["job"] == "waiting"


def test_a_job_asked_for_without_a_server_is_done_when_one_comes(host, tmp_path):
    port = free_port()
    plugin = host(f"tcp://127.0.0.1:{port}")
    plugin.record()
    plugin.ask("separate")
    time.sleep(0.3)
    with killable(port, tmp_path):
        assert plugin.until("job", "done", "failed")["job"] == "done"
        plugin.assert_stems_play()


def test_a_server_killed_in_the_middle_and_started_again_finishes_the_job(host, tmp_path):
    port = free_port()
    plugin = host(f"tcp://127.0.0.1:{port}")
    with killable(port, tmp_path, target="support.jobs:stubborn"):
        plugin.until("connection", "connected")
        for start in range(
            0, LONG, LONG // 6
        ):  # far faster than time, but never more at once than the capture's ring holds
            assert plugin.ask(f"play {start} {LONG // 6} 8192")["track_wrong"] == 0
            until(lambda end=start + LONG // 6: plugin.ask("status")["recorded"] == [0, end], "the take")
        plugin.ask("separate")
        plugin.until("job", "uploading", "running")
    assert plugin.ask("play 0 1000 64")["track_wrong"] == 0
    with killable(port, tmp_path):
        assert plugin.until("job", "done", "failed")["job"] == "done"
        plugin.assert_stems_play()


@pytest.mark.parametrize("way", [{"up": 300}, {"up": 300_000}, {"down": 300}, {"down": 300_000}, {"down": 900_000}])
def test_a_link_cut_before_and_in_mid_transfer_costs_nothing(host, way):
    with running() as server:
        cutter = Cutter(server.port, **way)
        plugin = host(f"tcp://127.0.0.1:{cutter.port}")
        plugin.record()
        plugin.ask("separate")
        assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
        assert cutter.cuts == 1
        plugin.assert_stems_play()
        cutter.close()


def test_a_cancelled_job_brings_back_the_stems_before_it(host):
    with running("support.jobs:first") as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask("separate")
        assert plugin.until("job", "done", "failed")["job"] == "done"
        plugin.ask("separate")
        plugin.until("job", "running")
        plugin.ask("cancel")
        plugin.until("job", "cancelled")
        plugin.assert_stems_play()
        plugin.ask("separate")
        plugin.ask("cancel")  # before it was begun, or after
        until(lambda: plugin.ask(f"play 0 {FRAMES} 512")["halves"] > 3.99 * FRAMES, "the same stems again")
        plugin.until("job", "cancelled")


def test_undo_while_a_job_runs_leaves_its_stems_and_another_project_gets_its_own(host):
    with running("support.jobs:first") as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.record()
        plugin.ask("separate")
        recipe = until(lambda: plugin.ask("recipe")["recipe"], "the recipe")
        plugin.ask("separate")
        plugin.until("job", "running")

        def heard() -> int:
            return plugin.ask(f"play 0 {FRAMES} 512")["halves"]

        until(lambda: heard() < FRAMES, "the stems that are made now, of which hardly any are there")
        plugin.ask(f"restore {recipe}")
        assert heard() < FRAMES
        plugin.ask("restore " + recipe.replace("seed ", "seed 1"))
        assert heard() > 3.99 * FRAMES
        plugin.ask("cancel")
        plugin.until("job", "cancelled")


def test_what_was_lost_is_told_until_the_next_job(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.ask(f"lose {2**22}")
        until(lambda: plugin.ask("status")["lost"] == 2**22, "what was lost")
        plugin.record()
        assert plugin.ask("status")["lost"] == 2**22
        plugin.ask("separate")
        plugin.until("job", "done")
        assert plugin.ask("status")["lost"] == 0


def test_a_server_that_hangs_is_said_to_be_gone(host):
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))  # takes the connection and never says a word
    plugin = host(f"tcp://127.0.0.1:{port}")
    plugin.record()
    assert "stemweave serve" in until(lambda: plugin.ask("status")["message"], "a message")
    listener.close()


def test_a_server_of_another_version_is_named(host):
    port = free_port()
    welcome = protocol.encode(protocol.Welcome("9.0", "s", "9", [], [], {}, []))
    with answering(port, lambda _: [welcome]):
        plugin = host(f"tcp://127.0.0.1:{port}")
        status = plugin.until("connection", "refused")
        assert "9.0" in status["message"]


def test_garbage_from_the_server_does_no_harm(host):
    port = free_port()
    welcome = protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", [], [], {}, []))

    def garbage(frames: list[bytes]) -> list[list[bytes]]:
        decoded = protocol.decode(frames)
        job = getattr(decoded[0], "job", "") if decoded else ""
        wrong = [
            protocol.encode(protocol.Chunk(job, 2**60, 0, "bass"), b"\0" * 64),
            protocol.encode(protocol.Credit(job, 2**40)),
            protocol.encode(protocol.Credit(job, -5)),
            protocol.encode(protocol.Accepted(job, "running", 2**62)),
        ]
        return [welcome, [os.urandom(200)], [b""], [b"\x91" * 5000], *wrong]

    with answering(port, garbage):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.record()
        plugin.ask("separate")
        plugin.until("job", "failed")
        assert plugin.ask("status")["message"]
        assert plugin.ask("play 0 1000 64")["track_wrong"] == 0


class Acceptor:
    """Says of every job that it runs, then `more` of it, and remembers what it was asked."""

    def __init__(self, more: Callable[[str], list[list[bytes]]] = lambda _: []):
        self.more = more
        self.submitted: list[str] = []
        self.cancelled: list[str] = []

    def __call__(self, frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["m"], [], {}, []))]
        if isinstance(message, protocol.Submit):
            self.submitted.append(message.job)
            return [protocol.encode(protocol.Accepted(message.job, "running", 0)), *self.more(message.job)]
        if isinstance(message, protocol.Cancel):
            self.cancelled.append(message.job)
            return [protocol.encode(protocol.Cancelled(message.job))]
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []


def test_what_is_cancelled_while_the_link_is_down_is_cancelled_when_it_is_there_again(host):
    port, server = free_port(), Acceptor()
    with answering(port, server):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.record()
        plugin.ask("separate")
        plugin.until("job", "running")
    plugin.ask("cancel")
    plugin.until("job", "cancelled")
    plugin.ask("separate")  # another
    plugin.until("job", "waiting")
    with answering(port, server):
        until(lambda: len(server.submitted) == 2, "the other job")
        assert server.cancelled == server.submitted[:1]  # before it


def test_a_job_that_fails_here_is_cancelled_there(host):
    port = free_port()
    server = Acceptor(lambda job: [protocol.encode(protocol.Chunk(job, 0, 0, "bass"), b"damaged!")])
    with answering(port, server):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.record()
        plugin.ask("separate")
        plugin.until("job", "failed")
        until(lambda: server.cancelled == server.submitted, "the cancel")


def test_a_job_that_a_server_cancels_by_itself_is_begun_anew_once(host):
    port = free_port()
    server = Acceptor(lambda job: [protocol.encode(protocol.Cancelled(job))])  # it took the plug-in for gone
    with answering(port, server):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.record()
        plugin.ask("separate")
        plugin.until("job", "cancelled")
        assert len(set(server.submitted)) == 2
        server.more = lambda job: [protocol.encode(protocol.Cancelled(job))] if len(server.submitted) == 3 else []
        plugin.ask("separate")
        until(lambda: len(set(server.submitted)) == 4, "the job under another name")
        plugin.until("job", "running")
        assert not server.cancelled


def test_the_plug_in_goes_at_once_while_a_job_runs(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask("separate")
        plugin.close()


def test_a_host_with_more_plug_ins_than_descriptors_goes_on_and_says_so(host):
    plugin = host("tcp://127.0.0.1:9")
    assert "plug-ins out" in plugin.ask("many 60 128")["message"]
    assert plugin.ask("play 0 1000 64")["track_wrong"] == 0


def test_without_a_thread_audio_passes_and_the_message_says_so(host):
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask("unload")
    plugin.ask("no_threads")
    plugin.ask("load")
    assert "no thread" in plugin.ask("status")["message"]
    assert plugin.ask("play 0 1000 64")["track_wrong"] == 0
    plugin.process.stdin.close()  # its end can not be timed, which takes a thread
    assert plugin.process.wait(PATIENCE) == 0


def test_two_hundred_loads_and_unloads_leak_neither_memory_nor_threads_nor_files(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        process = Path(f"/proc/{plugin.process.pid}")

        def held() -> tuple[int, int, int]:
            memory = int((process / "statm").read_text().split()[1]) * 4096
            return memory, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

        def at_rest() -> tuple[int, int, int]:
            """Once the threads of the last instance are gone, which on a busy machine may go after it."""
            return until(lambda: (now := held())[1] == 1 and now, "the end of the last thread")

        before = (0, 0, 0)
        for cycle in range(220):
            assert plugin.ask("unload")["turns"] < SHUTDOWN
            if cycle == 20:
                before = at_rest()
            plugin.ask("load")
        plugin.ask("unload")
        memory, _, descriptors = at_rest()
        plugin.ask("load")
        assert memory - before[0] < 8 * 2**20
        assert descriptors == before[2]


def test_random_transport_is_clean_while_the_server_is_killed_and_comes_back(host, build, tmp_path):
    port = free_port()
    plugin = host(f"tcp://127.0.0.1:{port}", LD_PRELOAD=str(build() / "rtguard.so"))
    stop = threading.Event()

    def reign() -> None:
        life = 4.0
        while not stop.is_set():
            with killable(port, tmp_path):
                stop.wait(life)
            life *= 2  # a busy machine too gets a job done between two deaths

    kings = threading.Thread(target=reign)
    kings.start()
    result = plugin.ask(f"random {os.environ.get('STEMWEAVE_RANDOM_SECONDS', '8')}")
    stop.set()
    kings.join()
    assert result["guard"]
    assert result["filter"]
    assert result["wrong"] == result["violations"] == 0
    assert result["done"] > 0
    assert result["sounded"] > 0
    print(result)
