"""The LV2 in jalv and the JACK standalone, by the JACK transport, with a live server and the embedded model."""

import numpy as np
import pytest

NULL = 10 ** (-90 / 20)  # of full scale


@pytest.mark.parametrize("host", ["standalone", "jalv"])
def test_stems_lie_to_the_sample_where_they_belong_after_start_seek_loop_and_bounce(
    host, formats, live_server, song_file, in_host
):
    song = np.load(song_file)
    result = in_host("jack_session.py", live_server, host, formats, song_file)
    frames, stems = result["frames"], result["stems"]
    jumps = np.flatnonzero(np.diff(frames) != 256)
    assert len(jumps) >= 3, "the transport did not jump"
    assert (np.diff(frames) < 0).sum() >= 2, "the transport did not loop"
    np.testing.assert_array_equal(result["track"][:, : song.shape[1]], song)
    wrong = 0
    worst = 0.0
    for frame, out in zip(frames, result["out"], strict=True):
        there = slice(frame, frame + out.shape[1])
        wrong += np.count_nonzero(out[:2] != song[:, there])
        wrong += np.count_nonzero(out[2:].reshape(5, 2, -1) != stems[:, :, there])
        worst = max(worst, np.abs(out[2:].reshape(5, 2, -1).sum(axis=0) - song[:, there]).max())
    assert wrong == 0
    assert worst < NULL
    assert np.abs(result["out"][:, 2:10]).max() > 1e-2
