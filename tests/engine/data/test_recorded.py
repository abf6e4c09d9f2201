"""A sound font of recordings of single notes, read again and played by FluidSynth."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.data.fonts import recordings
from engine.data.recorded import Instrument, key_of, make_font
from engine.data.render import Renderer
from engine.data.song import Note, Part, Song
from engine.errors import DataError

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE = 44100
KEYS = {"A3": 57, "Cs4": 61, "Bb4": 70}


def hertz(key: int) -> float:
    return 440 * 2 ** ((key - 69) / 12)


@pytest.fixture
def notes(tmp_path) -> Path:
    """Three recordings, told apart by their harmonics' number: 1, 2 and 3 (of the same loudness)."""
    folder = tmp_path / "strings"
    folder.mkdir()
    t = np.arange(2 * RATE) / RATE
    for harmonics, (name, key) in enumerate(KEYS.items(), 1):
        tone = sum(np.sin(2 * np.pi * hertz(key) * n * t) for n in range(1, harmonics + 1))
        soundfile.write(folder / f"{name}.wav", np.stack([tone, tone], 1) * 0.2, RATE)
    (folder / "README.md").write_text("no note")
    return folder


def played(fonts: list[Path], program: int, key: int, seconds: float = 1.0) -> np.ndarray:
    part = Part(program, (Note(0.0, 0.8 * seconds, key, 100),))
    song = Song(3, 120.0, "C", "major", "test", "4/4", 0.5, 1.0, seconds, {"guitar": part})
    with Renderer(fonts, RATE) as renderer:
        return renderer.render(song)["guitar"]


def peaks(sound: np.ndarray) -> np.ndarray:
    """Frequencies within 20 dB of the loudest, Hz."""
    middle = sound.mean(0)[RATE // 5 : RATE // 5 + RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * RATE))
    tops = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] >= spectrum[2:])) + 1
    return tops[spectrum[tops] > spectrum.max() / 10] / 8


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("C4", 60),
        ("A4", 69),
        ("Cs4", 61),
        ("C#4", 61),
        ("Db4", 61),
        ("C-1", 0),
        ("H3", None),
        ("C10", None),
        ("A9", None),
    ],
)
def test_keys_are_read_from_names(name, key):
    assert key_of(name) == key


def test_every_recording_is_in_the_font_as_it_was(notes, tmp_path):
    make_font(tmp_path / "made.sf2", [Instrument(notes, (24, 27))])
    found = list(recordings(tmp_path / "made.sf2").values())
    assert len(found) == len(KEYS)
    for recording, name in zip(found, KEYS, strict=True):
        assert np.abs(recording - soundfile.read(notes / f"{name}.wav", dtype="int16")[0][:, 0].astype(int)).max() <= 1


@pytest.mark.parametrize(("key", "harmonics"), [(50, 1), (57, 1), (59, 1), (60, 2), (61, 2), (65, 2), (66, 3), (80, 3)])
def test_a_key_is_played_by_the_nearest_recording_in_tune(notes, tmp_path, key, harmonics):
    make_font(tmp_path / "made.sf2", [Instrument(notes, (24, 27))])
    heard = peaks(played([tmp_path / "made.sf2"], 27, key))
    assert heard == pytest.approx([hertz(key) * n for n in range(1, harmonics + 1)], rel=3e-3)


def test_what_the_first_font_lacks_is_played_by_the_next(notes, tmp_path):
    made = tmp_path / "made.sf2"
    make_font(made, [Instrument(notes, (24,))])
    assert np.array_equal(played([made, FONT], 30, 60), played([FONT], 30, 60))
    assert np.array_equal(played([made, FONT], 24, 60), played([made], 24, 60))
    assert not np.array_equal(played([made], 24, 60), played([FONT], 24, 60))


def test_a_note_ends_soon_after_it_is_let_go(notes, tmp_path):
    make_font(tmp_path / "made.sf2", [Instrument(notes, (24,))])
    sound = np.abs(played([tmp_path / "made.sf2"], 24, 57, 1.5))
    assert sound[:, RATE : RATE + RATE // 10].max() > 0.003
    assert sound[:, -RATE // 50 :].max() < 0.05 * sound.max()


def test_a_folder_without_notes_and_a_broken_recording_are_refused(notes, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(DataError, match="no recordings of notes"):
            make_font(tmp_path / "made.sf2", [Instrument(folder, (0,))])
    (notes / "E5.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="E5.wav cannot be read"):
        make_font(tmp_path / "made.sf2", [Instrument(notes, (0,))])
    assert not (tmp_path / "made.sf2").exists()
