"""A real server, a real socket, a worker process that is slow, fails or is killed."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid

import numpy as np
import psutil
import pytest
import zmq
from support.servers import PATIENCE, Speaker, address, is_alive, lose_the_silent, running, song, until

from bridge import protocol
from bridge.client import Client, find_server
from bridge.errors import BridgeError, RemoteError
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
    Hello,
    Ping,
    Pong,
    Submit,
    decode,
    encode,
)
from bridge.server import Server
from engine.errors import Cancelled as CancelledError


def raw(server: Server, *frames: bytes, hello: bool = True) -> list:
    """Send one message as a client of its own; returns what comes back."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(address(server))
        if hello:
            dealer.send_multipart(encode(Hello(protocol.VERSION)))
            dealer.recv_multipart()
        dealer.send_multipart(list(frames))
        return decode(dealer.recv_multipart())[0] if dealer.poll(1000 * PATIENCE) else None


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 255, 65536, 65537, 1_000_003])
def test_audio_goes_there_and_back_bit_for_bit(server, frames, channels):
    music = song(frames, channels)
    with Client(address(server)) as client:
        stems = client.separate(music, 44100)
    assert set(stems) == {"one", "residual"}
    for stem in stems.values():
        assert np.array_equal(stem, music / 2)


def test_progress_rises_and_partials_cover_the_song(server):
    seen, covered = [], []
    with Client(address(server)) as client:
        client.separate(
            song(200_000), 44100, overrides={"steps": 10}, on_progress=seen.append,
            on_partial=lambda start, part: covered.append((start, part["one"].shape[1])),
        )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert covered[0][0] == 0
    assert sum(length for _, length in covered) == 200_000
    assert len(covered) > 10


def test_the_first_stretch_is_here_while_the_rest_is_computed(server):
    """Seed 17 pauses after the first thousand frames until it is told to stop: nothing but an early stretch can end it."""
    early = []
    with Client(address(server)) as client, pytest.raises(CancelledError):
        client.separate(
            song(5000), 44100, overrides={"seed": 17}, on_partial=lambda start, part: early.append(part["one"].shape[1]),
            cancelled=lambda: bool(early),
        )  # fmt: skip
    assert early[0] == 1000


def test_a_server_whose_engine_cannot_start_says_so_and_ends():
    server = Server(port=free_port(), target="support.jobs:nowhere")
    with pytest.raises(BridgeError, match="cannot be started"):
        server.run()


def test_cancel_is_answered_while_the_job_runs_and_the_next_job_succeeds(server):
    seen = []
    with Client(address(server)) as client:
        with pytest.raises(CancelledError):
            client.separate(
                song(1000), 44100, overrides={"steps": 3000}, on_progress=seen.append, cancelled=lambda: len(seen) > 2
            )
        assert seen[-1] < 0.9
        assert client.separate(song(1000), 44100)


def test_the_engines_error_reaches_the_client_in_its_words(server):
    with Client(address(server)) as client:
        with pytest.raises(RemoteError, match="torn") as caught:
            client.separate(song(10), 44100, overrides={"seed": 15})
        assert (caught.value.code, caught.value.hint) == ("bad_audio", "Splice it.")
        with pytest.raises(RemoteError, match="nobody foresaw"):
            client.separate(song(10), 44100, overrides={"seed": 16})
        with pytest.raises(RemoteError, match="not enough memory") as caught:
            client.separate(song(10), 44100, overrides={"seed": 18})
        assert (caught.value.code, "shorter stretch" in caught.value.hint) == ("no_resource", True)
        with pytest.raises(RemoteError, match="no preset called 'nothing'"):
            client.separate(song(10), 44100, preset="nothing")


def test_a_worker_killed_in_mid_job_is_replaced_and_the_job_done(server, tmp_path):
    """kill -9 from outside: the server goes on answering and the second try succeeds."""
    music, result = song(5000), {}

    def ask():
        with Client(address(server)) as client:
            result.update(client.separate(music, 44100, overrides={"hold": str(tmp_path / "go on")}))

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: server.worker.job is not None, "the job to start")
    victim = server.worker.process.pid
    os.kill(victim, signal.SIGKILL)
    with Client(address(server), timeout=PATIENCE) as other:  # answered while there is no end of the job in sight
        other.status(timeout=PATIENCE)
    (tmp_path / "go on").touch()
    thread.join(PATIENCE)
    assert np.array_equal(result["one"], music / 2)
    assert server.worker.process.pid != victim


def test_a_job_that_kills_its_worker_twice_fails_with_words_and_the_next_succeeds(server):
    with Client(address(server)) as client:
        with pytest.raises(RemoteError, match="died while it worked on this job") as caught:
            client.separate(song(5000), 44100, overrides={"seed": 14})
        assert (caught.value.code, caught.value.retryable) == ("worker_died", True)
        assert client.separate(song(10), 44100)


def test_a_client_that_vanishes_leaves_no_work_running():
    with running() as server:
        code = (
            f"import numpy; import bridge.client; bridge.client.SILENT_AFTER = {PATIENCE}\n"
            f"client = bridge.client.Client('{address(server)}', {PATIENCE})\n"
            "client.separate(numpy.zeros((1, 9), 'f'), 44100, overrides={'steps': 100000})"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        until(lambda: server.worker.job is not None, "the job to start")
        process.kill()
        process.wait()
        lose_the_silent(server)
        until(lambda: server.worker.job is None and not server.jobs.by_id, "the job to be dropped")
        mine = server.jobs.audio.folder
        until(lambda: not [path for path in server.jobs.folder.iterdir() if path.is_dir() and path != mine], "no audio")


def test_the_same_uuid_twice_is_one_job(server):
    job, music = str(uuid.uuid4()), song(70_000)
    with Client(address(server)) as client:
        first = client.separate(music, 44100, job=job)
        calls = []
        again = client.separate(music, 44100, job=job, on_progress=calls.append)
        assert np.array_equal(first["one"], again["one"])
        assert not calls  # not computed again
        until(lambda: len(server.jobs.by_id) == 1, "the goodbye of who came before")


def test_two_clients_get_their_own_and_cannot_touch_each_others(server):
    songs, results = [song(50_000, seed=seed) for seed in range(2)], {}

    def ask(number: int) -> None:
        with Client(address(server)) as client:
            results[number] = client.separate(songs[number], 44100)["one"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for number in range(2):
        assert np.array_equal(results[number], songs[number] / 2)
    stranger = raw(server, *encode(protocol.Cancel("someone-elses")))
    assert stranger.code == "unknown_job"


def test_another_protocol_version_is_told_both(server):
    answer = raw(server, *encode(Hello("7.3")), hello=False)
    assert isinstance(answer, Error)
    assert (answer.code, "7.3" in answer.message, protocol.VERSION in answer.message) == ("version", True, True)


def test_a_client_must_say_hello_first(server):
    assert raw(server, *encode(Ping()), hello=False).code == "hello_first"


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (AudioShape(44100, 6, 10, ""), "6 channels"),
        (AudioShape(44100, 2, 0, ""), "0 frames"),
        (AudioShape(44100, 2, 10**12, ""), "1000000000000 frames"),
        (AudioShape(0, 2, 10, ""), "The sample rate is 0 Hz; stemweave takes 8000 to 192000 Hz."),
        (AudioShape(4000, 2, 10, ""), "4000 Hz"),
        (AudioShape(384_000, 2, 10, ""), "384000 Hz"),
    ],
)
def test_audio_that_cannot_be_taken_is_refused_before_it_is_sent(server, shape, words):
    assert words in raw(server, *encode(Submit(str(uuid.uuid4()), shape))).message


def test_a_wrong_checksum_of_the_whole_fails_the_job(server):
    with Speaker(server.port) as speaker:
        speaker.say(Submit("damaged", AudioShape(44100, 1, 2, "00" * 32)))
        speaker.say_chunk("damaged", 0, np.zeros((1, 2), np.float32))
        assert "damaged" in speaker.hear(Error, "damaged").message


def test_garbage_costs_nobody_else_anything(server):
    """Random frames, truncated messages, and a ZeroMQ header that claims 2 GiB; then a good client is served as ever."""
    rng = np.random.default_rng(0)
    memory = psutil.Process().memory_info().rss
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(address(server))
        good = encode(Submit("x", AudioShape(44100, 2, 10, "")))[0]
        for _ in range(2000):
            frames = [rng.bytes(int(rng.integers(0, 300))) for _ in range(int(rng.integers(1, 5)))]
            dealer.send_multipart(frames if rng.random() < 0.7 else [good[: int(rng.integers(0, len(good)))]])
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + b"\0" * 48)  # greeting of ZMTP 3, no security
        stream.sendall(b"\4\x19\5READY\x0bSocket-Type\0\0\0\6DEALER")
        stream.sendall(b"\2" + (2 * 2**30).to_bytes(8, "big") + b"x" * 1000)  # a long frame of 2 GiB
        stream.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):  # the server hangs up, with bytes of ours unread or not
            while stream.recv(4096):
                pass
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    with Client(address(server)) as client:
        assert client.separate(song(1000), 44100)
    assert psutil.Process().memory_info().rss - memory < 200 * 2**20


def test_a_port_in_use_is_told_with_its_owner(server):
    with pytest.raises(BridgeError, match=f"Port {server.port} is already in use by .*{os.getpid()}") as caught:
        Server(port=server.port)
    assert "--port" in caught.value.hint


def test_nobody_there_is_said_at_once_and_with_what_to_do():
    assert find_server("tcp://127.0.0.1:9", timeout=0.2) is None
    with pytest.raises(BridgeError, match="No stemweave server answers") as caught:
        Client("tcp://127.0.0.1:9", timeout=0.2)
    assert "stemweave serve" in caught.value.hint
    with pytest.raises(BridgeError, match="not an address"):
        Client("here")


def test_a_server_that_falls_silent_is_given_up(monkeypatch):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")

        def welcome_and_sleep():
            peer = router.recv_multipart()[0]
            welcome = protocol.Welcome(protocol.VERSION, "s", "0", [], [], {}, [])
            router.send_multipart([peer, *encode(welcome)])

        thread = threading.Thread(target=welcome_and_sleep)
        thread.start()
        client = Client(f"tcp://127.0.0.1:{port}", PATIENCE)
        thread.join()
        monkeypatch.setattr("bridge.client.SILENT_AFTER", 1.0)
        with pytest.raises(BridgeError, match="fallen silent"):
            client.separate(song(10), 44100)
        client.close()
        router.linger = 0


def test_a_restarted_server_is_recognised(server, monkeypatch):
    monkeypatch.setattr(protocol, "PING_EVERY", 0.05)
    with Client(address(server)) as client:
        monkeypatch.setattr(server, "session", "another")
        with pytest.raises(BridgeError, match="restarted"):
            client.separate(song(10), 44100, overrides={"steps": 100_000})


def test_a_client_that_had_no_job_when_the_server_was_restarted_goes_on_at_once(server, monkeypatch):
    """A server that was restarted knows no client and has another session."""
    with Client(address(server)) as client:
        for session, ask in (("second", client.status), ("third", lambda: client.separate(song(10), 44100))):
            lose_the_silent(server)
            monkeypatch.setattr(server, "session", session)
            assert ask()
            assert client.welcome.session == session


def test_pong_carries_the_session(server):
    answer = raw(server, *encode(Ping()))
    assert isinstance(answer, Pong)
    assert answer.session == server.session


def test_the_server_process_never_loads_torch():
    code = "import sys, bridge.server, bridge.client; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_worker_outlives_its_server():
    code = (
        "from bridge.server import Server; from bridge.ports import free_port; import os\n"
        "if __name__ == '__main__':\n"
        "    server = Server(port=free_port(), target='support.jobs:halves')\n"
        "    print(server.worker.process.pid, flush=True); server.run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    until(lambda: not is_alive(worker), "the worker to go")


def test_a_job_that_is_done_can_be_cancelled_while_its_stems_are_sent(server):
    """The client takes one chunk and no more; nothing but `cancelled` follows."""
    music, job = song(300_000), str(uuid.uuid4())
    with Client(address(server)) as client:
        client.separate(music, 44100, job=job)
        with Speaker(server.port) as speaker:
            shape = AudioShape(44100, 2, 300_000, hashlib.sha256(np.ascontiguousarray(music.T).data).hexdigest())
            speaker.say(Submit(job, shape))
            assert speaker.hear(Accepted).state == "done"
            speaker.say(Credit(job, 1))
            speaker.hear(Chunk)
            speaker.say(Cancel(job))
            speaker.hear(Cancelled)
            assert not any(isinstance(message, Done) for message, _ in speaker.seen)
