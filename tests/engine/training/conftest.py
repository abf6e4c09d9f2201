"""A small data set, and a configuration that trains on it."""

import numpy as np
import pytest
import soundfile
from support.models import TINY

RATE = 8000


@pytest.fixture
def config(tmp_path):
    """Two songs whose sources are tones apart by an octave, and a configuration that reads them."""
    rng = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    for song in range(2):
        folder = tmp_path / "data" / f"Track{song:05d}"
        folder.mkdir(parents=True)
        for pitch, source in zip((110, 1500, 440, 880), ("bass", "drums", "guitar", "piano"), strict=True):
            gate = np.repeat(rng.random(16) > 0.3, len(time) // 16)
            tone = 0.2 * np.sin(2 * np.pi * pitch * 2 ** (song / 12) * time) * gate
            soundfile.write(folder / f"{source}.wav", np.stack([tone, tone], 1), RATE)
    path = tmp_path / "config.toml"
    arguments = ", ".join(f"{key} = {value}" for key, value in TINY.items())
    path.write_text(
        f'name = "tones"\nnetwork = "local_gaussian"\ndata = ["data"]\nsample_rate = {RATE}\nseconds = 0.5\nbatch = 4\n'
        f"steps = 12\nwarmup = 3\ncheckpoint = 4\nbf16 = false\narguments = {{ {arguments} }}\n"
    )
    return path
