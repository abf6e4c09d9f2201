"""Clients of this machine and user that mean harm, or are cut off, beside the socket."""

import hashlib
import os
import uuid

import numpy as np
from support.beside import LONG, beside, check, separated
from support.servers import Speaker, song, until

from bridge import protocol
from bridge.lane import AUDIO, SECRET, SIZE, open_lane
from bridge.protocol import (
    Accepted,
    AudioShape,
    Cancel,
    Chunk,
    Credit,
    Done,
    Error,
    Opened,
    Pong,
    Submit,
)  # fmt: skip


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
