"""The composer: deterministic, varied, in tune, inside the song."""

from collections import Counter

import pytest

from engine.data.composer import STYLES, compose
from engine.data.dataset import SPLITS, song_seed
from engine.data.harmony import SCALES
from engine.data.song import KEYS, PROGRAMS, SOURCES

SONGS = [compose(seed, 12.0) for seed in range(200)]


def test_a_seed_is_a_song():
    assert compose(5, 10.0) == compose(5, 10.0)
    assert compose(5, 10.0) != compose(6, 10.0)


def test_notes_lie_inside_the_song_and_inside_midi():
    for song in SONGS:
        for part in song.parts.values():
            assert all(0 <= n.start_s < n.end_s <= song.seconds + 1e-9 for n in part.notes)
            assert all(0 <= n.pitch <= 127 and 1 <= n.velocity <= 127 for n in part.notes)
            assert list(part.notes) == sorted(part.notes, key=lambda n: (n.start_s, n.pitch))


def test_tempo_is_within_60_to_180():
    assert all(60 <= song.tempo_bpm <= 180 for song in SONGS)


def test_everything_on_the_menu_is_played():
    assert {song.style for song in SONGS} == set(STYLES)
    assert {song.key for song in SONGS} == set(KEYS)
    assert {song.meter for song in SONGS} == {"4/4", "3/4", "6/8"}
    for source in SOURCES:
        assert {song.parts[source].program for song in SONGS if source in song.parts} == set(PROGRAMS[source])


def test_a_source_is_sometimes_absent_and_never_three_at_once():
    absent = Counter(source for song in SONGS for source in SOURCES if source not in song.parts)
    assert all(0.03 < absent[source] / len(SONGS) < 0.25 for source in SOURCES)
    assert all(song.parts for song in SONGS)


def test_registers_are_those_of_the_instruments():
    for song in SONGS:
        if "bass" in song.parts:
            pitches = [n.pitch for n in song.parts["bass"].notes]
            assert min(pitches) >= 24
            assert sum(pitches) / len(pitches) < 60


@pytest.mark.parametrize("source", ["bass", "piano"])
def test_most_notes_are_in_the_key_or_in_the_chords(source):
    inside = total = 0
    for song in SONGS:
        scale = {(KEYS.index(song.key) + step) % 12 for step in SCALES[song.mode]}
        allowed = scale | {pitch for chord in song.chords for pitch in chord.pitch_classes}
        for note in song.parts[source].notes if source in song.parts else ():
            total += 1
            inside += note.pitch % 12 in allowed
    assert inside / total > 0.95


def test_swing_delays_the_second_half_of_a_beat():
    assert any(song.swing > 0.55 for song in SONGS)
    assert any(song.swing == 0.5 for song in SONGS)


def test_the_splits_share_no_song():
    seeds = [song_seed(split, index) for split in SPLITS for index in range(2000)]
    assert len(set(seeds)) == len(seeds)


def test_a_description_names_what_is_played():
    song = SONGS[0]
    words = song.describe()
    assert song.style in words
    assert all(PROGRAMS[source][part.program] in words for source, part in song.parts.items())
