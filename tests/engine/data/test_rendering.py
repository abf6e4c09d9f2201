"""FluidSynth and the mixing desk, with a small sound font."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.data.composer import compose
from engine.data.dataset import render_dataset
from engine.data.mixing import mix
from engine.data.render import render_song
from engine.data.tracks import Tracks
from engine.errors import DataError

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SOURCES = ("bass", "drums", "guitar", "piano")
RATE = 22050


def test_a_song_sounds_the_same_whatever_was_rendered_before():
    song, other = compose(1, 4.0), compose(2, 4.0)
    first = render_song(song, FONT, RATE)
    render_song(other, FONT, RATE)
    again = render_song(song, FONT, RATE)
    for source in SOURCES:
        assert np.array_equal(first[source], again[source])


def test_stems_have_the_songs_length_and_sound_where_there_are_notes():
    song = compose(3, 5.0)
    for source, stem in render_song(song, FONT, RATE).items():
        assert stem.shape == (2, 5 * RATE)
        if source not in song.parts:
            assert not stem.any()
            continue
        note = song.parts[source].notes[0]
        start = int(note.start_s * RATE)
        assert np.abs(stem[:, start : start + RATE // 2]).max() > 10 * np.abs(stem[:, : max(1, start - 200)]).max()


def test_a_mix_is_a_sum_that_does_not_clip():
    for seed in range(6):
        stems = mix(render_song(compose(seed, 4.0), FONT, RATE), RATE, np.random.default_rng(seed))
        mixture = np.sum(list(stems.values()), axis=0)
        assert np.abs(mixture).max() <= 10 ** (-1 / 20) + 1e-6
        assert all(np.isfinite(stem).all() for stem in stems.values())
        assert all(stem.shape == (2, 4 * RATE) for stem in stems.values())


def test_a_missing_font_and_a_file_that_is_none_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match="no sound font") as caught:
        render_song(compose(1, 1.0), tmp_path / "none.sf2")
    assert "fluid-soundfont-gm" in caught.value.hint
    (tmp_path / "text.sf2").write_text("no")
    with pytest.raises(DataError, match="not a sound font"):
        render_song(compose(1, 1.0), tmp_path / "text.sf2")


def test_a_data_set_is_finished_where_it_was_left_and_read_back(tmp_path):
    counted = []
    render_dataset(tmp_path, "heldout", 3, 2.0, FONT, RATE, progress=lambda *p: counted.append(p))
    assert counted[-1] == (3, 3)
    about = json.loads((tmp_path / "Track00001" / "track.json").read_text())
    assert about["sound_font"] == "TimGM6mb.sf2"
    stem = next((tmp_path / "Track00001").glob("*.wav"))
    before = stem.read_bytes()
    (tmp_path / "Track00001" / "track.json").unlink()  # killed before the track was whole
    stem.write_bytes(b"half")
    untouched = (tmp_path / "Track00002" / "track.json").stat().st_mtime_ns
    render_dataset(tmp_path, "heldout", 3, 2.0, FONT, RATE)
    assert stem.read_bytes() == before
    assert (tmp_path / "Track00002" / "track.json").stat().st_mtime_ns == untouched
    tracks = Tracks(tmp_path)
    assert tracks.names == ["Track00000", "Track00001", "Track00002"]
    assert tracks.read("Track00001", 100, 500, SOURCES).shape == (4, 2, 500)


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="no split"):
        render_dataset(tmp_path, "everything", 1, 1.0, FONT)


def test_a_missing_stem_reads_as_silence_and_mono_as_two_equal_channels(tmp_path):
    folder = tmp_path / "Track00001"
    folder.mkdir()
    soundfile.write(folder / "bass.wav", np.linspace(-0.5, 0.5, 1000), RATE, subtype="FLOAT")
    tracks = Tracks(tmp_path)
    stems = tracks.read("Track00001", 990, 100, SOURCES)
    assert stems.shape == (4, 2, 10)
    assert np.array_equal(stems[0, 0], stems[0, 1])
    assert not stems[1:].any()


def test_stems_of_different_length_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="no tracks"):
        Tracks(tmp_path)
    folder = tmp_path / "Track00001"
    folder.mkdir()
    soundfile.write(folder / "bass.wav", np.zeros(1000), RATE)
    soundfile.write(folder / "drums.wav", np.zeros(999), RATE)
    with pytest.raises(DataError, match="differ"):
        Tracks(tmp_path).frames("Track00001")
