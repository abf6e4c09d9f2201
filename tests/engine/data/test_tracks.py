"""The reader of Slakh2100's folder layout."""

import numpy as np
import pytest
import soundfile

from engine.data.tracks import Tracks
from engine.errors import DataError

RATE = 8000
SOURCES = ("bass", "drums", "guitar", "piano")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Track00001").mkdir()
    return tmp_path


def test_any_stretch_of_any_sources_is_read(folder):
    stem = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    soundfile.write(folder / "Track00001" / "piano.wav", stem, RATE, subtype="FLOAT")
    soundfile.write(folder / "Track00001" / "bass.flac", stem[:, 0] / 2, RATE)
    tracks = Tracks(folder)
    assert tracks.frames("Track00001") == 1000
    assert tracks.sample_rate("Track00001") == RATE
    got = tracks.read("Track00001", 100, 50, ("piano", "bass", "drums"))
    assert got.shape == (3, 2, 50)
    assert got.dtype == np.float32
    assert np.array_equal(got[0], stem[100:150].T)
    assert np.allclose(got[1], stem[100:150, 0] / 2, atol=1e-4)
    assert not got[2].any()


def test_a_mono_stem_reads_as_two_equal_channels_and_the_end_is_the_end(folder):
    soundfile.write(folder / "Track00001" / "bass.wav", np.linspace(-0.5, 0.5, 1000), RATE, subtype="FLOAT")
    stems = Tracks(folder).read("Track00001", 990, 100, SOURCES)
    assert stems.shape == (4, 2, 10)
    assert np.array_equal(stems[0, 0], stems[0, 1])
    assert not stems[1:].any()
    assert Tracks(folder).read("Track00001", 2000, 10, SOURCES).shape == (4, 2, 0)


def test_tracks_come_in_order_of_name(folder):
    for name in ("Track00010", "Track00002", "Track00001"):
        (folder / name).mkdir(exist_ok=True)
        soundfile.write(folder / name / "drums.wav", np.zeros(10), RATE)
    (folder / "notes.txt").write_text("not a track")
    assert Tracks(folder).names == ["Track00001", "Track00002", "Track00010"]


def test_a_folder_without_tracks_says_what_to_do(folder):
    for empty in (folder, folder / "nowhere"):
        with pytest.raises(DataError, match="no tracks") as caught:
            Tracks(empty)
        assert "stemweave data render" in caught.value.hint


def test_stems_of_different_length_or_rate_are_refused(folder):
    track = folder / "Track00001"
    soundfile.write(track / "bass.wav", np.zeros(1000), RATE)
    for frames, rate in ((999, RATE), (1000, 2 * RATE)):
        soundfile.write(track / "drums.wav", np.zeros(frames), rate)
        with pytest.raises(DataError, match="differ") as caught:
            Tracks(folder).frames("Track00001")
        assert caught.value.hint


def test_tracks_whose_stems_differ_are_left_out_and_counted(folder, caplog):
    for name, frames in (("Track00001", 900), ("Track00002", 1000), ("Track00003", 1000)):
        (folder / name).mkdir(exist_ok=True)
        soundfile.write(folder / name / "bass.wav", np.zeros(1000), RATE)
        soundfile.write(folder / name / "drums.wav", np.zeros(frames), RATE)
    assert Tracks(folder).even(2) == ["Track00002"]
    assert "1 of 2 tracks" in caplog.text
    assert Tracks(folder).even() == ["Track00002", "Track00003"]
    with pytest.raises(DataError, match="None of 1 tracks"):
        Tracks(folder).even(1)


def test_a_damaged_stem_is_named(folder):
    (folder / "Track00001" / "bass.wav").write_bytes(b"RIFF but not really")
    with pytest.raises(DataError, match=r"bass\.wav"):
        Tracks(folder).frames("Track00001")
