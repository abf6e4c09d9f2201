"""The arithmetic of overlap-add: chunks cover the song once, whatever its length."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.chunks import plan


@st.composite
def plans(draw):
    chunk = draw(st.integers(1, 300))
    return draw(st.integers(1, 2000)), chunk, draw(st.integers(0, chunk // 3))


@given(plans())
@example((300, 100, 33))
@example((101, 100, 33))
@example((100, 100, 0))
@example((1, 100, 10))
def test_windows_add_up_to_one_everywhere(case):
    samples, chunk, overlap = case
    total = np.zeros(samples)
    for piece in plan(samples, chunk, overlap):
        total[piece.start : piece.start + piece.length] += piece.window()
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(plans())
def test_chunks_are_in_order_inside_the_song_and_no_longer_than_allowed(case):
    samples, chunk, overlap = case
    pieces = plan(samples, chunk, overlap)
    assert pieces[0].start == 0
    assert max(piece.stop for piece in pieces) == samples
    assert all(0 < piece.length <= chunk for piece in pieces)
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})


@given(plans())
def test_what_one_chunk_leaves_open_the_next_begins_with(case):
    """The pipeline hands on `fade_out` samples as the start of the next chunk; the two must be the same place."""
    samples, chunk, overlap = case
    pieces = plan(samples, chunk, overlap)
    for piece, following in itertools.pairwise(pieces):
        assert piece.stop - piece.fade_out == following.start
        assert piece.fade_out == following.fade_in


@pytest.mark.parametrize("overlap", [-1, 51])
def test_an_overlap_beyond_a_third_of_a_chunk_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        plan(1000, 100, overlap)
