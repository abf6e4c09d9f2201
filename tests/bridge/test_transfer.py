"""A song cut into chunks is the song, whatever its parts."""

import hashlib

import numpy as np
import pytest
from support.servers import song

from bridge.lane import PLACE, Beside
from bridge.protocol import Accepted, Chunk, Done
from bridge.transfer import Audio, Transfer

LENGTHS = (1, 40_000, 0, 32_768, 7, 70_000)


@pytest.mark.parametrize("channels", [1, 2])
def test_parts_are_sent_interleaved_end_to_end(channels):
    parts = [song(frames, seed=frames)[:channels] for frames in LENGTHS]
    whole = np.concatenate(parts, axis=1).T
    audio = Audio(parts, channels)
    assert audio.frames == len(whole)
    assert audio.sha256() == hashlib.sha256(whole.astype("<f4").tobytes()).hexdigest()
    room = audio.room()
    for start in (0, 1, 39_999, 40_001, 72_768, 72_769, len(whole) - 1, len(whole)):
        np.testing.assert_array_equal(audio.chunk(start, room), whole[start : start + len(room)])


@pytest.mark.parametrize("size", [PLACE + 1, 2**50, -4])
def test_more_than_a_server_sends_at_once_is_asked_for_over_the_socket_and_takes_no_memory(size):
    transfer = Transfer(lambda frames: None, "a", Audio([song(10)], 2), 10, False, True, None, None)
    transfer._beside = Beside()
    transfer.handle(Chunk("a", 0, 0, "bass", size=size, file="/nowhere/bass.f32"), b"")
    assert transfer.out_of_reach
    assert not transfer.stems


def test_an_end_that_was_said_before_a_cut_does_not_count():
    transfer = Transfer(lambda frames: None, "a", Audio([song(10)], 2), 10, False, False, None, None)
    end = Done("a", {}, 10, 1.0)
    transfer.handle(Accepted("a", "running", 10), b"")
    transfer.ask_again()
    transfer.handle(end, b"")
    assert transfer.result is None
    transfer.handle(Accepted("a", "done", 10), b"")
    transfer.handle(end, b"")
    assert transfer.result == {}
