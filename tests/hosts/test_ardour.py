"""The LV2 in Ardour, without a screen: recorded and separated in one process, exported by another from the saved session."""

import numpy as np

NULL = 10 ** (-90 / 20)  # of full scale
DECLICK = 8192  # frames at either end over which Ardour fades where its transport starts and stops


def test_a_session_in_ardour_is_separated_saved_reopened_and_its_stems_exported_in_time(
    formats, live_server, song_file, in_host
):
    song = np.load(song_file)
    result = in_host("ardour_session.py", live_server, formats, song_file)
    frames = song.shape[1]
    inner = slice(DECLICK, frames - DECLICK)
    np.testing.assert_array_equal(result["track"][:, inner], song[:, inner])
    assert result["export"].shape == song.shape
    assert np.abs(result["export"][:, inner] - song[:, inner]).max() < NULL
    assert (
        np.abs(result["export"][:, 1:][:, inner] - song[:, :-1][:, inner]).max() > 100 * NULL
    )  # a shift would be seen
