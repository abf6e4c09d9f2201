"""The composer: deterministic, varied, in tune and in time, inside the song."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.bass import BASS
from engine.data.composer import PLAYING, compose
from engine.data.grooves import FILLS, GROOVES, PIECES
from engine.data.harmony import SCALES
from engine.data.performance import SHORTEST_S, Clock
from engine.data.song import KEYS, PROGRAMS, SOURCES, Song
from engine.data.styles import STYLES

SECONDS = 24.0
SONGS = [compose(seed, SECONDS) for seed in range(200)]


def pitches(song, source):
    return [note.pitch for note in song.parts[source].notes] if source in song.parts else []


def in_key(song: Song) -> set[int]:
    """Pitch classes of the song's scale and of all its chords."""
    tonic = KEYS.index(song.key)
    chords = {pitch for chord in song.chords for pitch in chord.pitch_classes}
    return {(tonic + step) % 12 for step in SCALES[song.mode]} | chords


def test_a_seed_is_a_song():
    assert compose(5, 10.0) == compose(5, 10.0)
    assert compose(5, 10.0) != compose(6, 10.0)


def test_a_seed_is_the_same_song_in_another_process():
    # Sets and hashes of strings differ from process to process; songs must not.
    program = "from engine.data.composer import compose; print([repr(compose(s, 8.0)) for s in range(5)])"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@settings(max_examples=60)
@given(seed=st.integers(0, 2**64 - 1), seconds=st.floats(1.0, 40.0))
def test_notes_and_controllers_lie_inside_the_song_and_inside_midi(seed, seconds):
    song = compose(seed, seconds)
    assert song.parts
    for part in song.parts.values():
        assert list(part.notes) == sorted(part.notes, key=lambda note: (note.start_s, note.pitch))
        for note in part.notes:
            assert 0 <= note.start_s < note.end_s <= seconds + 1e-9
            assert 0 <= note.pitch <= 127
            assert 1 <= note.velocity <= 127
        assert [c.time_s for c in part.controls] == sorted(c.time_s for c in part.controls)
        assert all(0 <= c.time_s < seconds for c in part.controls)
        assert all(-2 <= c.value <= 2 if c.kind == "bend" else 0 <= c.value <= 1 for c in part.controls)


def test_a_note_ends_before_its_pitch_sounds_again():
    for song in SONGS[:50]:
        for part in song.parts.values():
            last = {}
            for note in part.notes:
                assert last.get(note.pitch, 0.0) <= note.start_s + 1e-9
                last[note.pitch] = note.end_s
                assert note.duration_s >= SHORTEST_S - 1e-9 or note.end_s >= SECONDS - 1e-9


def test_tempo_is_within_60_to_180():
    tempos = [song.tempo_bpm for song in SONGS]
    assert min(tempos) >= 60
    assert max(tempos) <= 180
    assert np.std(tempos) > 20


def test_everything_on_the_menu_is_played():
    assert {song.style for song in SONGS} == set(STYLES)
    assert {song.key for song in SONGS} == set(KEYS)
    assert {song.meter for song in SONGS} == {"4/4", "3/4", "6/8"}
    assert len({song.mode for song in SONGS}) >= 6
    for source in SOURCES:
        parts = [song.parts[source] for song in SONGS if source in song.parts]
        assert {part.program for part in parts} == set(PROGRAMS[source])
        played = {name for part in parts for name in part.playing}
        table = set(PLAYING[source]) if source != "drums" else set(GROOVES)
        assert len(table & played) >= 0.9 * len(table)


def test_a_source_is_absent_now_and_then_and_otherwise_heard():
    for source in SOURCES:
        absent = np.mean([source not in song.parts for song in SONGS])
        assert 0.03 < absent < 0.15
        lengths = [sum(n.duration_s for n in song.parts[source].notes) for song in SONGS if source in song.parts]
        assert min(lengths) > 0.02 * SECONDS
    assert all(len(song.parts) >= 2 for song in SONGS)


def test_every_source_rests_for_whole_bars_in_some_songs():
    for source in SOURCES:
        gaps = []
        for song in SONGS:
            if source in song.parts:
                edges = [(0.0, 0.0), *((n.start_s, n.end_s) for n in song.parts[source].notes), (SECONDS, SECONDS)]
                bar = 60 / song.tempo_bpm * (4 if song.meter == "4/4" else 3)
                ends = np.maximum.accumulate([end for _, end in edges])
                gaps.append(max(start - end for (start, _), end in zip(edges[1:], ends, strict=False)) > bar)
        assert 0.2 < np.mean(gaps) < 0.95


def test_registers_are_those_of_the_instruments_and_overlap():
    low, high = {}, {}
    for source in ("bass", "guitar", "piano"):
        keys = np.concatenate([pitches(song, source) for song in SONGS])
        low[source], high[source] = np.percentile(keys, [5, 95])
    assert low["bass"] >= 24
    assert high["bass"] <= 58
    assert 38 <= low["guitar"] <= 50
    assert min(high["guitar"], high["piano"]) - max(low["guitar"], low["piano"]) > 20  # semitones they share
    assert min(min(pitches(song, "bass"), default=40) for song in SONGS) >= 23
    assert all(35 <= key <= 81 for song in SONGS for key in pitches(song, "drums"))


@pytest.mark.parametrize(("source", "share"), [("bass", 0.95), ("guitar", 0.97), ("piano", 0.97)])
def test_notes_are_in_the_key_or_in_its_chords(source, share):
    inside = [key % 12 in in_key(song) for song in SONGS for key in pitches(song, source)]
    assert np.mean(inside) > share


def test_the_bass_begins_most_chords_on_their_root():
    right = []
    for song in SONGS:
        if "bass" not in song.parts:
            continue
        for note in song.parts["bass"].notes:
            chord = next((c for c in song.chords if abs(c.start_s - note.start_s) < 0.04), None)
            if chord is not None:
                right.append(note.pitch % 12 == chord.pitch_classes[0])
    assert np.mean(right) > 0.6


def on_sixteenths(song, tempo_bpm):
    """0 (anywhere) to 1 (exactly): how well drum strokes and sixteenths agree; and their mean lateness in seconds."""
    starts = np.array([note.start_s for note in song.parts["drums"].notes])
    sixteenth = 15 / tempo_bpm
    mean = np.exp(2j * np.pi * starts / sixteenth).mean()
    return abs(mean), np.angle(mean) / (2 * np.pi) * sixteenth


def test_drums_fall_on_the_sixteenths_of_the_tempo_and_of_no_other():
    straight = [song for song in SONGS if "drums" in song.parts and song.swing == 0.5]
    agreed, late = zip(*(on_sixteenths(song, song.tempo_bpm) for song in straight), strict=True)
    assert np.mean(agreed) > 0.85
    assert min(agreed) > 0.4
    assert max(map(abs, late)) < 0.03
    assert np.mean([on_sixteenths(song, song.tempo_bpm * 1.03)[0] for song in straight]) < 0.3


def test_swing_delays_the_second_half_of_a_beat():
    straight, swung, fast = Clock(0.5, 0.5, 1.0), Clock(0.5, 2 / 3, 1.0), Clock(0.5, 2 / 3, 0.5)
    assert straight(3.5) == pytest.approx(1.75)
    assert swung(3.5) == pytest.approx((3 + 2 / 3) / 2)
    assert fast(3.5) == pytest.approx(1.75)
    assert fast(3.25) == pytest.approx((3 + 1 / 3) / 2)
    assert all(np.diff([swung(at / 48) for at in range(480)]) > 0)
    assert 0.1 < np.mean([song.swing > 0.55 for song in SONGS]) < 0.4


def test_velocities_and_timing_are_human():
    for source in SOURCES:
        velocities = np.concatenate([[n.velocity for n in s.parts[source].notes] for s in SONGS if source in s.parts])
        assert np.std(velocities) > 10
        assert np.mean(velocities == 127) < 0.02


def test_guitars_bend_and_pianos_use_the_pedal():
    kinds = {
        source: {c.kind for s in SONGS if source in s.parts for c in s.parts[source].controls} for source in SOURCES
    }
    assert "bend" in kinds["guitar"]
    assert "expression" in kinds["guitar"]
    assert "pedal" in kinds["piano"]
    assert not kinds["drums"]


def test_tables_name_only_what_exists():
    for style in STYLES.values():
        assert set(style.drums) <= set(GROOVES)
        assert set(style.bass) <= set(BASS)
        assert set(style.guitar) <= set(PLAYING["guitar"])
        assert set(style.piano) <= set(PLAYING["piano"])
    for groove in GROOVES.values():
        assert set(groove.lanes) <= set(PIECES)
        assert all(len(p) in (4 * groove.beats, 8 * groove.beats) for ps in groove.lanes.values() for p in ps)
        assert all(set(p) <= set("Xxo?.") for ps in groove.lanes.values() for p in ps)
    assert all(set(lanes.split()) <= set(PIECES) and set(drawing) <= set("Xxo.") for lanes, drawing in FILLS)


def test_a_description_names_what_is_played():
    for song in SONGS[:20]:
        words = song.describe()
        assert song.style in words
        assert f"{song.tempo_bpm:.0f} bpm" in words
        assert all(PROGRAMS[source][part.program] in words for source, part in song.parts.items())
