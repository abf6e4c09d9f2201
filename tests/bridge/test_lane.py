"""Lanes, the files by which audio passes beside the socket: what they are to the byte, and what is taken for none."""

import hashlib
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from support.beside import beside
from support.servers import Speaker, song

from bridge import lane
from bridge.errors import BridgeError, ProtocolError
from bridge.lane import AUDIO, MAGIC, MOST, PLACE, PLACES, SECRET, SIZE, Lane, Lanes, can_be_named, open_lane
from bridge.protocol import (
    Accepted,
    AudioShape,
    Chunk,
    Credit,
    Done,
    Opened,
    Submit,
)  # fmt: skip


@pytest.fixture
def lanes():
    lanes = Lanes()
    yield lanes
    lanes.close()


def taken(lane: Lane, at: int, size: int) -> bytes:
    """As a server takes it."""
    with tempfile.TemporaryFile() as file:
        lane.place(at, size).write_to(file.fileno())
        file.seek(0)
        return file.read()


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
