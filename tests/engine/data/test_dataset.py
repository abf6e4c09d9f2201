"""Rendered data sets: resumable, disjoint splits, and readable again."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.data import dataset
from engine.data.composer import COMPOSER, compose
from engine.data.dataset import SPLITS, render_dataset, song_seed
from engine.data.song import SOURCES
from engine.data.tracks import Tracks
from engine.errors import DataError

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE = 16000


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_splits_share_no_song():
    seeds = [song_seed(split, index) for split in SPLITS for index in range(5000)]
    assert len(set(seeds)) == len(seeds)
    assert song_seed("train", 0) == 15460792180738570059  # a change here would make a training song a held-out one


def test_a_track_has_a_file_a_source_that_plays_and_a_record(tmp_path):
    render_dataset(tmp_path, "train", 6, 2.0, [FONT], RATE, first=3)
    tracks = Tracks(tmp_path)
    assert tracks.names == [f"Track{index:05d}" for index in range(3, 9)]
    for index, name in enumerate(tracks.names, 3):
        song = compose(song_seed("train", index), 2.0)
        about = json.loads((tmp_path / name / "track.json").read_text())
        assert about["description"] == song.describe()
        assert about["composer"] == COMPOSER
        assert about["sound_font"] == "TimGM6mb.sf2"
        assert {file.stem for file in (tmp_path / name).glob("*.wav")} == set(song.parts) == set(about["programs"])
        assert (tracks.frames(name), tracks.sample_rate(name)) == (2 * RATE, RATE)
        for file in (tmp_path / name).glob("*.wav"):
            info = soundfile.info(file)
            assert (info.channels, info.subtype) == (2, "PCM_16")
        assert np.abs(tracks.read(name, 0, 2 * RATE, SOURCES).sum(0)).max() < 0.9


def test_a_data_set_is_finished_where_it_was_left(tmp_path):
    counted = []
    render_dataset(tmp_path, "heldout", 3, 1.5, [FONT], RATE, progress=lambda *p: counted.append(p))
    assert counted == [(0, 3), (1, 3), (2, 3), (3, 3)]
    before = contents(tmp_path)
    (tmp_path / "Track00001" / "track.json").unlink()  # an older version was killed before the track was whole
    next((tmp_path / "Track00001").glob("*.wav")).write_bytes(b"half")
    untouched = (tmp_path / "Track00002" / "track.json").stat().st_mtime_ns
    render_dataset(tmp_path, "heldout", 3, 1.5, [FONT], RATE)
    assert contents(tmp_path) == before
    assert (tmp_path / "Track00002" / "track.json").stat().st_mtime_ns == untouched


def test_half_a_track_is_none(tmp_path, monkeypatch):
    write, written = soundfile.write, []

    def dies(file, *rest, **arguments):
        if len(written) == 5:
            raise OSError("the disk is full")
        written.append(file)
        write(file, *rest, **arguments)

    monkeypatch.setattr(soundfile, "write", dies)
    with pytest.raises(OSError, match="full"):
        render_dataset(tmp_path / "cut", "heldout", 3, 1.5, [FONT], RATE)
    monkeypatch.setattr(soundfile, "write", write)
    whole = {file.parent.name for file in (tmp_path / "cut").glob("*/track.json")}
    assert set(Tracks(tmp_path / "cut").names) == whole
    assert 0 < len(whole) < 3
    for folder in ("cut", "whole"):
        render_dataset(tmp_path / folder, "heldout", 3, 1.5, [FONT], RATE)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_folder_of_something_else_is_not_taken_for_half_a_track(tmp_path):
    (tmp_path / "Track00000").mkdir()
    for name in ("mix.flac", "bass.wav"):
        (tmp_path / "Track00000" / name).write_bytes(b"mine")
    with pytest.raises(DataError, match="other files"):
        render_dataset(tmp_path, "heldout", 1, 1.0, [FONT], RATE)
    assert (tmp_path / "Track00000" / "bass.wav").read_bytes() == b"mine"


def test_ctrl_c_leaves_whole_tracks_only(tmp_path):
    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    render_dataset(tmp_path, "demo", 5, 1.0, [FONT], RATE, progress=stop)
    assert len(list(tmp_path.glob("*/track.json"))) == 2


def test_two_processes_write_what_one_does(tmp_path):
    for jobs in (1, 2):
        render_dataset(tmp_path / str(jobs), "validation", 3, 1.0, [FONT], RATE, jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_an_unknown_split_and_a_missing_font_are_refused(tmp_path):
    with pytest.raises(DataError, match="no split"):
        render_dataset(tmp_path, "everything", 1, 1.0, [FONT])
    for jobs in (1, 2):
        with pytest.raises(DataError, match="no sound font"):
            render_dataset(tmp_path, "train", 1, 1.0, [tmp_path / "none.sf2"], jobs=jobs)


def test_nothing_is_opened_when_nothing_is_missing(tmp_path, monkeypatch):
    render_dataset(tmp_path, "train", 1, 1.0, [FONT], RATE)
    monkeypatch.setattr(dataset, "Renderer", None)
    render_dataset(tmp_path, "train", 1, 1.0, [FONT], RATE)
