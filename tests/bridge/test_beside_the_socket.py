"""Audio beside the socket: used where client and server share a machine and a user, never elsewhere."""

import errno
import hashlib
import os
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zmq
from support.beside import LONG, check, separated
from support.servers import address, answering, running, song, until

from bridge import keys, lane, protocol
from bridge.client import Client
from bridge.doors import knock
from bridge.errors import RemoteError
from bridge.lane import AUDIO, Beside, Lane
from bridge.ports import addresses, free_port
from bridge.protocol import (
    Accepted,
    AudioShape,
    Chunk,
    Credit,
    Hello,
    Opened,
    Submit,
    Welcome,
    Whole,
)  # fmt: skip
from engine.errors import Cancelled


@pytest.fixture
def passed(monkeypatch):
    """Bytes that went beside the socket, by which way."""
    count = {"up": 0, "down": 0}

    def counted(way: str, real):
        def read(*arguments):
            found = real(*arguments)
            count[way] += len(arguments[-1]) if found is None else found
            return found

        return read

    monkeypatch.setattr(Lane, "send", counted("up", Lane.send))
    monkeypatch.setattr(Beside, "read", counted("down", Beside.read))
    return count


def places(server) -> list[Path]:
    """Files of lanes that have a name."""
    return [path for path in server._lanes._spool.path.iterdir() if path.name != "lock"]


@pytest.mark.parametrize("channels", [1, 2])
def test_much_audio_goes_beside_the_socket_both_ways(server, passed, channels):
    music = song(2 * LONG // channels + 7, channels, seed=channels)
    check(separated(server, music), music)
    assert passed == {"up": music.nbytes, "down": 2 * music.nbytes}
    assert not places(server)


def test_where_the_system_copies_from_no_file_to_a_file_it_is_read_and_written(server, passed, monkeypatch):
    def sockets_only(*_):
        raise OSError(errno.ENOTSOCK, "Socket operation on non-socket")

    monkeypatch.setattr(lane.os, "sendfile", sockets_only)
    music = song(LONG, seed=2)
    check(separated(server, music), music)
    assert passed["up"] == music.nbytes


def test_little_audio_and_who_wants_none_have_the_socket(server, passed):
    for music, options in ((song(1000, seed=3), {}), (song(LONG, seed=4), {"lane": False})):
        check(separated(server, music, **options), music)
    assert passed == {"up": 0, "down": 0}


def test_who_cannot_open_it_has_the_socket(server, passed, monkeypatch):
    """What is another user's is left alone."""
    monkeypatch.setattr(lane.os, "geteuid", lambda: os.getuid() + 1)
    music = song(LONG, seed=5)
    check(separated(server, music), music)
    assert passed == {"up": 0, "down": 0}
    until(lambda: not places(server), "the end of what nobody opened")


def test_when_memory_is_full_the_rest_goes_over_the_socket(server, passed, monkeypatch):
    real, written = os.pwrite, []

    def full(file, payload, at):
        written.append(at)
        if at >= AUDIO and sum(place >= AUDIO for place in written) > 2:
            raise OSError(28, "No space left on device")
        return real(file, payload, at)

    music = song(LONG, seed=6)
    with monkeypatch.context() as patch:
        patch.setattr(lane.os, "pwrite", full)
        with Client(address(server)) as client:
            check(client.separate(music, 44_100), music)
    assert 0 < passed["up"] < music.nbytes
    assert passed["down"] == 2 * music.nbytes


def test_stems_that_lie_out_of_reach_come_over_the_socket(server, passed, monkeypatch):
    """A container may share its memory with the server and not its files."""
    real, music = lane._open, song(LONG, seed=21)

    def elsewhere(name, how):
        if name.endswith(".f32"):
            raise FileNotFoundError(2, "No such file or directory", name)
        return real(name, how)

    monkeypatch.setattr(lane, "_open", elsewhere)
    with Client(address(server)) as client:
        check(client.separate(music, 44_100), music)
    assert passed == {"up": music.nbytes, "down": 0}


@pytest.mark.parametrize("after", [1, 3])
def test_damage_on_the_way_up_is_detected(server, monkeypatch, after):
    real, count = Lane.put, []

    def put(self, payload):
        at = real(self, payload)
        count.append(at)
        if len(count) == after:
            os.pwrite(self._file, b"\x55", at + len(payload) // 2)
        return at

    monkeypatch.setattr(Lane, "put", put)
    with pytest.raises(RemoteError) as caught:
        separated(server, song(LONG, seed=7 + after))
    assert (caught.value.code, caught.value.retryable) == ("damaged", True)


def test_damage_to_a_stem_is_detected(server, monkeypatch):
    real = Beside.read

    def read(self, name, stem, at, into):
        real(self, name, stem, at, into)
        into[-1] ^= 1

    monkeypatch.setattr(Beside, "read", read)
    with pytest.raises(RemoteError, match="damaged") as caught:
        separated(server, song(LONG, seed=11))
    assert caught.value.code == "damaged"


def test_a_cancelled_job_leaves_nothing(server, passed):
    music = song(LONG, seed=12)
    with Client(address(server)) as client:
        for messages in (1, 3):
            heard = iter([False] * messages)
            with pytest.raises(Cancelled):
                client.separate(music, 44_100, cancelled=partial(next, heard, True))
        check(client.separate(music, 44_100), music)
    assert passed["up"] >= music.nbytes
    until(lambda: not server._lanes._there, "the end of all lanes")


def test_the_same_job_is_fetched_again_on_the_same_connection(server, passed):
    music, job = song(LONG, seed=13), str(uuid.uuid4())
    with Client(address(server)) as client:
        for _ in range(3):
            check(client.separate(music, 44_100, job=job), music)
    assert passed == {"up": music.nbytes, "down": 6 * music.nbytes}


def test_a_paired_client_is_never_told_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keys.CLIENTS.put("me", keys.own("client").public)
    host, music = addresses()[0], song(LONG, seed=19)
    with running(host=host) as server, zmq.Context() as context, context.socket(zmq.DEALER) as door:
        door.linger = 0
        knock(door, keys.own("client"), keys.own("server").public)
        door.connect(f"tcp://{host}:{server.port}")
        for message in (Hello("1.1"), Submit("a", AudioShape(44_100, 2, LONG, "", begins="ab" * 32), lane=True)):
            door.send_multipart(protocol.encode(message))
        welcome, _ = protocol.decode(door.recv_multipart())
        accepted, _ = protocol.decode(door.recv_multipart())
        assert isinstance(welcome, Welcome)
        assert isinstance(accepted, Accepted)
        assert (accepted.lane, accepted.key, accepted.known) == ("", "", False)
        assert not server._lanes._there
        keys.SERVERS.put(f"{host}:{server.port}", keys.own("server").public)
        with Client(f"tcp://{host}:{server.port}") as client:
            client._lane = True  # whoever insists
            check(client.separate(music, 44_100), music)
        assert not server._lanes._there


def test_a_server_of_1_0_is_told_the_hash_first_and_names_no_lane():
    heard: list = []
    welcome = Welcome("1.0", "s", "0", [], [], {}, [])

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message, _ = protocol.decode(frames)
        heard.append(message)
        if isinstance(message, Hello):
            return [protocol.encode(welcome)]
        if isinstance(message, Submit):
            return [protocol.encode(Accepted(message.job, "uploading")), protocol.encode(Credit(message.job, 16))]
        return [protocol.encode(protocol.Cancelled(message.job))] if isinstance(message, Chunk) else []

    music = song(LONG, seed=20)
    with answering(port := free_port(), reply), Client(f"tcp://127.0.0.1:{port}") as client, pytest.raises(Cancelled):
        client.separate(music, 44_100)
    (submit,) = [message for message in heard if isinstance(message, Submit)]
    assert submit.audio.sha256 == hashlib.sha256(np.ascontiguousarray(music.T).tobytes()).hexdigest()
    assert submit.audio.begins == ""
    chunks = [message for message in heard if isinstance(message, Chunk)]
    assert all(message.size == 0 for message in chunks)
    assert not [message for message in heard if isinstance(message, Whole | Opened)]
