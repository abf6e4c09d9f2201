"""Audio beside the socket: used where client and server share a machine and a user, never elsewhere, and no way to harm either."""

import errno
import hashlib
import os
import subprocess
import sys
import tempfile
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zmq
from support.servers import Speaker, address, answering, running, song, until

from bridge import keys, lane, protocol
from bridge.client import Client
from bridge.doors import knock
from bridge.errors import BridgeError, ProtocolError, RemoteError
from bridge.lane import AUDIO, MAGIC, MOST, PLACE, PLACES, SECRET, SIZE, Beside, Lane, Lanes, can_be_named, open_lane
from bridge.ports import addresses, free_port
from bridge.protocol import (
    Accepted,
    AudioShape,
    Cancel,
    Chunk,
    Credit,
    Done,
    Error,
    Hello,
    Opened,
    Pong,
    Submit,
    Welcome,
    Whole,
)  # fmt: skip
from engine.errors import Cancelled

LONG = 700_000  # frames, in stereo more than a lane has room for


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


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


@pytest.fixture
def lanes():
    lanes = Lanes()
    yield lanes
    lanes.close()


def separated(server, music, **options) -> dict[str, np.ndarray]:
    with Client(address(server), **options) as client:
        return client.separate(music, 44_100)


def check(stems, music) -> None:
    for name in ("one", "residual"):
        np.testing.assert_array_equal(stems[name], music / 2)


def taken(lane: Lane, at: int, size: int) -> bytes:
    """As a server takes it."""
    with tempfile.TemporaryFile() as file:
        lane.place(at, size).write_to(file.fileno())
        file.seek(0)
        return file.read()


def beside(name: str, stem: str, at: int, size: int) -> bytes:
    """As a client takes it."""
    into = bytearray(size)
    Beside().read(name, stem, at, memoryview(into))
    return bytes(into)


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


def test_a_folder_whose_name_is_no_text_has_no_lane():
    assert can_be_named(Path("/srv/jobs"))
    assert not can_be_named(Path(os.fsdecode(b"/srv/jos\xe9")))
    assert not can_be_named(Path("/" + "a" * 5000))


def test_a_server_has_only_so_many_and_takes_back_what_nobody_has(lanes):
    there = [lanes.new() for _ in range(MOST)]
    assert all(there)
    assert lanes.new() is None
    there.pop()
    assert lanes.new() is not None


def test_a_lane_is_opened_once_and_leaves_no_name(lanes):
    ours = lanes.new()
    theirs = open_lane(ours.name, ours.key)
    assert not ours.open("00" * SECRET)
    assert Path(ours.name).exists()
    assert Path(ours.name).stat().st_mode & 0o777 == 0o600
    assert Path(ours.name).parent.stat().st_mode & 0o777 == 0o700
    assert ours.open(theirs.proof)
    assert not Path(ours.name).exists()
    for number in range(3 * PLACES):
        at = theirs.put(bytes([number]) * 1000)
        assert at == AUDIO + number % PLACES * PLACE
        assert taken(ours, at, 1000) == bytes([number]) * 1000
    assert theirs.put(bytes(PLACE + 1)) == 0


def test_a_lane_is_to_the_byte_what_the_document_says(server):
    """For a client that has these numbers from nowhere else: one chunk begins where the places do, the other ends where they do."""
    music = song(100, seed=22)
    payload = np.ascontiguousarray(music.T).tobytes()
    with Speaker(server.port) as stranger:
        job, digest = str(uuid.uuid4()), hashlib.sha256(payload).hexdigest()
        stranger.say(Submit(job, AudioShape(44_100, 2, 100, digest), lane=True))
        accepted = stranger.hear(Accepted)
        with open(accepted.lane, "r+b", buffering=0) as file:
            head = file.read(48)
            assert head[:32] == b"stemweave lane 1" + bytes.fromhex(accepted.key)
            assert file.seek(0, os.SEEK_END) == 8_392_704
            stranger.say(Opened(job, head[32:].hex()))
            for offset, at in ((0, 4096), (50, 8_392_704 - 400)):
                file.seek(at)
                file.write(payload[8 * offset :][:400])
                stranger.say(Chunk(job, offset, 0, at=at, size=400))
        stranger.say(Credit(job, 8))
        assert stranger.hear(Done).stems["one"] == hashlib.sha256((music / 2).T.tobytes()).hexdigest()


def test_a_lane_that_a_server_made_as_the_document_says_is_written_where_it_says(tmp_path):
    path, key, proof = tmp_path / "lane", os.urandom(16), os.urandom(16)
    path.write_bytes(b"stemweave lane 1" + key + proof)
    os.truncate(path, 8_392_704)
    theirs = open_lane(str(path), key.hex())
    assert theirs.proof == proof.hex()
    for number in range(9):
        at = 4096 + number % 8 * 1_048_576
        assert theirs.put(bytes([number]) * 1_048_576) == at
        assert path.read_bytes()[at : at + 1_048_576] == bytes([number]) * 1_048_576
    assert path.stat().st_size == 8_392_704


def test_nothing_else_is_taken_for_a_lane(lanes, tmp_path):
    """Whoever answers at an address may name any file of the user's: it is never written."""
    ours = lanes.new()
    diary, link, pipe, short = (tmp_path / name for name in ("diary", "link", "pipe", "short"))
    diary.write_bytes(b"Dear diary".ljust(SIZE, b"."))
    link.symlink_to(ours.name)
    os.mkfifo(pipe)
    short.write_bytes(MAGIC + bytes.fromhex(ours.key) + bytes(SECRET))
    for name in (diary, link, pipe, short, tmp_path, tmp_path / "nowhere", "", "\0", "/dev/zero"):
        assert open_lane(str(name), ours.key) is None
    assert open_lane(ours.name, "00" * SECRET) is None
    assert open_lane(ours.name, "") is None
    assert diary.read_bytes() == b"Dear diary".ljust(SIZE, b".")


@pytest.mark.parametrize(("at", "size"), [
    (0, 10), (AUDIO - 1, 10), (AUDIO, 0), (AUDIO, -1), (-10, 10), (AUDIO, PLACE + 1), (SIZE - 9, 10), (2**52, 10), (AUDIO, 2**52),
])  # fmt: skip
def test_a_chunk_that_lies_in_no_place_is_refused(lanes, at, size):
    with pytest.raises(ProtocolError, match="no room"):
        lanes.new().place(at, size)


def test_what_was_cut_off_is_noticed(lanes, tmp_path):
    ours = lanes.new()
    at = ours.put(bytes(1000))
    os.truncate(ours.name, at + 500)
    with pytest.raises(BridgeError, match="cut off"):
        taken(ours, at, 1000)
    stem = tmp_path / "bass.f32"
    stem.write_bytes(bytes(1000))
    assert beside(str(stem), "bass", 200, 800) == bytes(800)
    with pytest.raises(BridgeError, match="cut off"):
        beside(str(stem), "bass", 200, 801)
    link, folder = tmp_path / "link.f32", tmp_path / "folder.f32"
    link.symlink_to(stem)
    folder.mkdir()
    for name in ("link", "folder", "nowhere", "\0"):
        with pytest.raises(BridgeError, match="cannot be read"):
            beside(str(tmp_path / f"{name}.f32"), name, 0, 10)
    for name in (str(stem), "/dev/zero", str(tmp_path)):
        with pytest.raises(BridgeError, match="no file of the stem"):
            beside(name, "drums", 0, 10)
    for at, size in ((-1, 10), (0, 1001), (2**70, 10)):
        with pytest.raises(BridgeError):
            beside(str(stem), "bass", at, size)
    assert beside(str(stem), "bass", 0, 10) == bytes(10)


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


class Neighbour(Speaker):
    """A client that has a lane, and says what the test says."""

    def __init__(self, port: int, audio: np.ndarray):
        super().__init__(port)
        self.job, self.payload = str(uuid.uuid4()), np.ascontiguousarray(audio.T, "<f4").tobytes()
        digest = hashlib.sha256(self.payload).hexdigest()
        self.say(Submit(self.job, AudioShape(44_100, 2, audio.shape[1], digest), lane=True))
        self.accepted = self.hear(Accepted)
        self.lane = open_lane(self.accepted.lane, self.accepted.key)

    def say_placed(self, offset: int, at: int, size: int, **more) -> None:
        self.say(Chunk(self.job, offset, 0, at=at, size=size), **more)

    def refused(self) -> bool:
        """Whether what was said last broke the rules, and had no other effect."""
        code = self.hear(Error).code
        self.say(protocol.Ping())
        self.hear(Pong)
        return code == "protocol"


def test_hostile_words_about_a_lane_cost_nobody_anything(server):
    music = song(100, seed=14)
    with Neighbour(server.port, music) as hostile:
        at = hostile.lane.put(hostile.payload)
        for proof in ("", "00" * SECRET, "x" * 2 * SECRET, hostile.accepted.key):
            hostile.say(Opened(hostile.job, proof))
            hostile.say_placed(0, at, 800)
        hostile.say(Opened("nobody's", hostile.lane.proof))
        hostile.say(protocol.Ping())
        hostile.hear(Pong)
        assert server.jobs.by_id[hostile.job].received == 0
        assert not [message for message, _ in hostile.seen if isinstance(message, Error)]
        hostile.say(Opened(hostile.job, hostile.lane.proof))
        hostile.say(Opened(hostile.job, hostile.lane.proof))
        for where, size in ((0, 800), (at, -800), (at, 2**53), (-1, 800), (2**63 - 1, 800), (SIZE, 800)):
            hostile.say_placed(0, where, size)
            assert hostile.refused()
        hostile.say(Chunk(hostile.job, 0, 0, at=at, size=800), b"and a payload")
        assert hostile.hear(Error).code == "damaged"  # by its checksum
    with Neighbour(server.port, music) as honest:
        honest.say(Opened(honest.job, honest.lane.proof))
        honest.say_placed(0, honest.lane.put(honest.payload), 800)
        honest.say(Credit(honest.job, 8))
        done = honest.hear(Done)
        lying = [message for message, _ in honest.seen if isinstance(message, Chunk)]
        assert {message.stem for message in lying} == set(done.stems)
        for message in lying:
            found = beside(message.file, message.stem, 8 * message.offset, message.size)
            assert hashlib.sha256(found).hexdigest() == done.stems[message.stem]


def test_a_lane_cut_off_by_its_client_ends_one_job(server):
    music = song(100, seed=15)
    with Neighbour(server.port, music) as hostile:
        os.truncate(hostile.accepted.lane, AUDIO)
        hostile.say(Opened(hostile.job, hostile.lane.proof))
        hostile.say_placed(0, AUDIO, 800)
        error = hostile.hear(Error)
        assert (error.code, error.job) == ("damaged", hostile.job)
    check(separated(server, song(LONG, seed=16)), song(LONG, seed=16))


def test_what_is_written_after_it_was_taken_changes_nothing(server):
    music = song(100, seed=17)
    with Neighbour(server.port, music) as changed:
        changed.say(Opened(changed.job, changed.lane.proof))
        at = changed.lane.put(changed.payload[:400])
        changed.say_placed(0, at, 400)
        until(lambda: server.jobs.by_id[changed.job].stored == 50, "the first half")
        os.pwrite(changed.lane._file, bytes(400), at)
        changed.say_placed(50, changed.lane.put(changed.payload[400:]), 400)
        changed.say(Credit(changed.job, 8))
        assert changed.hear(Done).stems["one"] == hashlib.sha256((music / 2).T.tobytes()).hexdigest()


def test_of_a_chunk_that_begins_earlier_the_rest_is_taken(server):
    """As after a cut, when some came over the socket in other parts."""
    music = song(100, seed=21)
    with Neighbour(server.port, music) as mixed:
        mixed.say(Opened(mixed.job, mixed.lane.proof))
        mixed.say_chunk(mixed.job, 0, music[:, :30])
        for _ in range(2):
            mixed.say_placed(0, mixed.lane.put(mixed.payload[:400]), 400)
        mixed.say_placed(20, mixed.lane.put(mixed.payload[160:]), 640)
        mixed.say(Credit(mixed.job, 8))
        assert mixed.hear(Done).stems["one"] == hashlib.sha256((music / 2).T.tobytes()).hexdigest()


def test_one_lane_is_nobody_elses(server):
    """Neither its own words nor its chunks from another client."""
    with Neighbour(server.port, song(100, seed=18)) as one, Speaker(server.port) as other:
        other.say(Opened(one.job, one.lane.proof))
        other.say(Chunk(one.job, 0, 0, at=AUDIO, size=800))
        other.say(protocol.Ping())
        other.hear(Pong)
        job = server.jobs.by_id[one.job]
        assert (job.beside, job.received) == (False, 0)
        one.say(Cancel(one.job))
        one.hear(protocol.Cancelled)


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


KILLED = """
import os
import sys
from pathlib import Path
from bridge import lane
lane.MEMORY = Path(sys.argv[1])
lanes = lane.Lanes()
there = lanes.new()
print(there.name, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_killed_servers_lanes_go_with_the_next_start(tmp_path, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert left.is_relative_to(tmp_path)
    assert left.exists()
    monkeypatch.setattr(lane, "MEMORY", tmp_path)
    Lanes().close()
    assert not list(tmp_path.iterdir())
