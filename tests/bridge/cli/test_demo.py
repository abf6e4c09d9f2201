"""The main job on the embedded model: a real server, the wire, the demo song, stems on disk that are better than the mixture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.servers import PATIENCE

from bridge.demo import spare_others
from engine.audio import read_audio
from engine.errors import ResourceError
from engine.evaluation import si_sdr_improvement
from presets import DEMO

SOURCES = ("bass", "drums", "guitar", "piano")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    """The folder it wrote, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "bridge", "demo", "-o", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
    assert process.returncode == 0, process.stderr
    return folder, process.stdout


def test_the_demo_song_is_long_enough_stereo_and_small():
    songs = [read_audio(DEMO / f"{source}.flac") for source in SOURCES]
    assert all(song.sample_rate == 44100 and song.samples.shape == songs[0].samples.shape for song in songs)
    assert songs[0].samples.shape[0] == 2
    assert songs[0].samples.shape[1] >= 20 * 44100
    assert sum((DEMO / f"{source}.flac").stat().st_size for source in SOURCES) <= 6 * 2**20


def test_every_stem_is_nearer_to_the_truth_than_the_mixture(demo):
    folder, _ = demo
    mixture = read_audio(folder / "mixture.wav").samples
    gains = {
        source: si_sdr_improvement(
            read_audio(folder / f"{source}.wav").samples, read_audio(DEMO / f"{source}.flac").samples, mixture
        )
        for source in SOURCES
    }
    assert all(gain > 0 for gain in gains.values()), gains
    assert np.mean(list(gains.values())) > 2.5, gains


def test_stems_and_residual_add_up_to_the_mixture(demo):
    folder, _ = demo
    stems = [read_audio(folder / f"{name}.wav").samples for name in (*SOURCES, "residual")]
    np.testing.assert_allclose(sum(stems), read_audio(folder / "mixture.wav").samples, atol=1e-5)


def test_what_a_demo_wrote_another_may_replace(demo):
    folder, _ = demo
    song = np.sum([read_audio(DEMO / f"{source}.flac").samples for source in SOURCES], axis=0)
    spare_others(folder, [*SOURCES, "residual"], song)
    with pytest.raises(ResourceError, match="already holds mixture.wav, bass.wav"):
        spare_others(folder, [*SOURCES, "residual"], 0.9 * song)


def test_it_reports_and_draws(demo):
    folder, words = demo
    assert "real-time factor" in words
    assert all(source in words for source in SOURCES)
    assert (folder / "spectrograms.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
