"""The thread that talks, against servers that work, are absent, die, come back, hang, speak another version or send garbage."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from support.servers import PATIENCE, killable, running, until

from bridge import protocol
from bridge.ports import free_port

FRAMES = 100_000
LONG = 3_000_000
SHUTDOWN = 250.0  # milliseconds the plug-in may take to go


class BareHost:
    """A program that holds one instance of the plug-in's core and talker, driven line by line."""

    def __init__(self, program: Path, server: str, takes: Path, **environment: str):
        env = {**os.environ, "STEMWEAVE_SERVER": server, "STEMWEAVE_TAKES": str(takes), **environment}
        self.process = subprocess.Popen([program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("load")

    def ask(self, command: str) -> dict:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host died at: {command}"
        return json.loads(line)

    def until(self, key: str, *values: str) -> dict:
        return until(lambda: (s := self.ask("status"))[key] in values and s, f"{key} in {values}: {self.ask('status')}")

    def record(self) -> None:
        assert self.ask(f"play 0 {FRAMES} 512")["track_wrong"] == 0
        until(lambda: self.ask("status")["recorded"] == [0, FRAMES], "the take")

    def assert_stems_play(self) -> None:
        """Two stems, each half the track, in two channels, wherever one starts."""
        for start, size in ((0, 512), (12345, 64), (70001, 8192)):
            heard = self.ask(f"play {start} {FRAMES - start} {size}")
            assert heard["track_wrong"] == heard["other"] == 0
            assert heard["halves"] > 3.99 * (FRAMES - start)

    def close(self) -> None:
        assert self.ask("unload")["milliseconds"] < SHUTDOWN
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


@pytest.fixture
def host(build, tmp_path):
    """host(address): a bare host that is closed, and was quick to close, at the end of the test."""
    hosts = []

    def start(server: str, **environment: str) -> BareHost:
        hosts.append(BareHost(build() / "bare_host", server, tmp_path / "takes", **environment))
        return hosts[-1]

    yield start
    for each in hosts:
        if each.process.poll() is None:
            each.close()


@contextmanager
def answering(port: int, reply) -> Iterator[None]:
    """A ROUTER that is no stemweave server: says reply(frames) to whatever comes."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.linger = 0
    router.bind(f"tcp://127.0.0.1:{port}")
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            if router.poll(50):
                identity, *frames = router.recv_multipart()
                for answer in reply(frames):
                    router.send_multipart([identity, *answer])
        router.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


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


def test_asking_before_anything_was_recorded_says_what_to_do(host):
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask("separate")
    assert "play" in until(lambda: plugin.ask("status")["message"], "a message").lower()


def test_without_a_server_audio_passes_and_the_message_says_how_to_start_one(host):
    plugin = host(f"tcp://127.0.0.1:{free_port()}")
    plugin.record()
    plugin.ask("separate")
    assert "stemweave serve" in until(lambda: plugin.ask("status")["message"], "a message")
    assert plugin.ask("play 0 1000 64") == {"track_wrong": 0, "halves": 0, "other": 0}
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
    with killable(port, tmp_path):
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


def test_a_cancelled_job_brings_back_the_stems_before_it(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask("separate")
        assert plugin.until("job", "done", "failed")["job"] == "done"
        plugin.ask("separate")
        plugin.ask("cancel")
        plugin.until("job", "cancelled", "done")
        plugin.assert_stems_play()


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


def test_the_plug_in_goes_at_once_while_a_job_runs(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask("separate")
        plugin.close()


def test_two_hundred_loads_and_unloads_leak_neither_memory_nor_threads_nor_files(host):
    with running() as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        process = Path(f"/proc/{plugin.process.pid}")

        def held() -> tuple[int, int, int]:
            memory = int((process / "statm").read_text().split()[1]) * 4096
            return memory, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

        before = (0, 0, 0)
        for cycle in range(220):
            assert plugin.ask("unload")["milliseconds"] < SHUTDOWN
            if cycle == 20:
                before = held()
            plugin.ask("load")
        plugin.ask("unload")
        memory, threads, descriptors = held()
        plugin.ask("load")
        assert memory - before[0] < 8 * 2**20
        assert threads == before[1]
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
