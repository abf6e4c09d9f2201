"""The LV2 in Ardour, without a screen: recorded and separated in one process, exported by another from the saved session."""

import runpy
from pathlib import Path

import numpy as np
import pytest

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


def test_the_newest_ardour_is_driven_whatever_its_number(tmp_path, monkeypatch):
    newest = runpy.run_path(str(Path(__file__).with_name("ardour_session.py")))["newest"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="apt install ardour"):
        newest("lua")
    for name in ("ardour8-lua", "ardour10-lua", "ardour11-export"):
        (tmp_path / name).touch()
    assert newest("lua") == str(tmp_path / "ardour10-lua")
