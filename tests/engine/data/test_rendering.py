"""FluidSynth, with a small sound font."""

from pathlib import Path

import numpy as np
import pytest

from engine.data.composer import compose
from engine.data.render import Renderer
from engine.data.song import PROGRAMS, SOURCES, Control, Note, Part, Song
from engine.errors import DataError

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE = 22050


@pytest.fixture(scope="module")
def renderer():
    with Renderer([FONT], RATE) as opened:
        yield opened


def song_of(part: Part, source: str = "piano", seconds: float = 2.0, seed: int = 0) -> Song:
    return Song(seed, 120.0, "C", "major", "test", "4/4", 0.5, 1.0, seconds, {source: part})


def render_song(song: Song, sound_font: Path, sample_rate: int = 44100) -> dict[str, np.ndarray]:
    """Its stems; the font is loaded for it alone."""
    with Renderer([sound_font], sample_rate) as renderer:
        return renderer.render(song)


def test_a_song_gives_the_same_bits_whatever_was_rendered_before(renderer):
    songs = [compose(seed, 3.0) for seed in range(6)]
    first = [renderer.render(song) for song in songs]
    for song, before in list(zip(songs, first, strict=True))[::-1]:
        again, alone = renderer.render(song), render_song(song, FONT, RATE)
        for source in SOURCES:
            assert np.array_equal(before[source], again[source])
            assert np.array_equal(before[source], alone[source])


def test_the_synthesizers_reverb_is_on_in_some_songs(renderer):
    note = Part(0, (Note(0.0, 0.1, 60, 100),))
    tails = [np.abs(renderer.render(song_of(note, seed=seed))["piano"][:, RATE:]).max() for seed in range(20)]
    assert max(tails) > 10 * min(tails)


def test_stems_have_the_songs_length_and_sound_where_there_are_notes(renderer):
    for seed in range(6):
        song = compose(seed, 5.0)
        for source, stem in renderer.render(song).items():
            assert stem.shape == (2, 5 * RATE)
            assert stem.dtype == np.float32
            if source not in song.parts:
                assert not stem.any()
                continue
            start = round(song.parts[source].notes[0].start_s * RATE)
            assert not stem[:, : max(0, start - 1)].any()
            assert np.abs(stem[:, start : start + RATE // 2]).max() > 1e-3


@pytest.mark.parametrize("source", SOURCES)
def test_every_program_sounds(renderer, source):
    low = {"bass": 36, "drums": 38, "guitar": 55, "piano": 60}[source]
    for program in PROGRAMS[source]:
        stem = renderer.render(song_of(Part(program, (Note(0.1, 0.5, low, 100),)), source, 0.8))[source]
        assert np.abs(stem).max() > 5e-3, program


def test_a_note_has_its_pitch_and_a_bend_moves_it(renderer):
    def frequency(part):
        stem = renderer.render(song_of(part))["piano"].mean(0)[RATE // 4 : RATE]
        spectrum = np.abs(np.fft.rfft(stem * np.hanning(len(stem)), 8 * len(stem)))
        low = int(300 / RATE * 8 * len(stem))  # from 300 Hz: the fundamental is the strongest partial here
        return (low + spectrum[low : 2 * low].argmax()) * RATE / (8 * len(stem))

    note = Note(0.0, 1.5, 69, 100)
    assert frequency(Part(0, (note,))) == pytest.approx(440, rel=0.01)
    assert frequency(Part(0, (note,), (Control(0.0, "bend", 2.0),))) == pytest.approx(493.9, rel=0.01)


def test_the_pedal_holds_a_note(renderer):
    note = Note(0.1, 0.2, 60, 100)
    dry = renderer.render(song_of(Part(0, (note,))))["piano"]
    held = renderer.render(song_of(Part(0, (note,), (Control(0.05, "pedal", 1.0),))))["piano"]
    assert np.abs(held[:, RATE:]).max() > 3 * np.abs(dry[:, RATE:]).max()


def test_a_missing_font_and_a_file_that_is_none_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match="no sound font") as caught:
        render_song(compose(1, 1.0), tmp_path / "none.sf2")
    assert "fluid-soundfont-gm" in caught.value.hint
    (tmp_path / "text.sf2").write_text("no")
    with pytest.raises(DataError, match="not a sound font"):
        render_song(compose(1, 1.0), tmp_path / "text.sf2")


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fluidsynth", None)
    with pytest.raises(DataError, match="FluidSynth") as caught:
        Renderer([FONT])
    assert "libfluidsynth3" in caught.value.hint


def test_a_rate_the_synthesizer_does_not_know_is_refused():
    with pytest.raises(DataError, match="192000"):
        Renderer([FONT], 192_000)
