"""Audio that is wrong, each file in one way, and what its user is told."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
BAD = {
    "missing": "There is no file", "text": "not an audio file", "empty": "holds no samples", "nan": "not numbers",
    "inf": "not numbers", "six": "6 channels", "cut": "ends early",
}  # fmt: skip
"""Kind to words of its message."""


def bad(folder: Path, kind: str) -> Path:
    """A file of a kind in BAD."""
    rng, path = np.random.default_rng(0), folder / "bad.wav"
    noise = 0.1 * rng.standard_normal((5000, 2))
    contents = {
        "empty": np.zeros((0, 2)), "nan": np.where(np.arange(5000)[:, None] == 9, np.nan, noise),
        "inf": np.where(np.arange(5000)[:, None] == 9, np.inf, noise), "six": np.zeros((100, 6)), "cut": noise,
    }  # fmt: skip
    if kind == "text":
        path.write_text("this is a poem")
    elif kind != "missing":
        soundfile.write(path, contents[kind], RATE, subtype="FLOAT")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:9000])
    return path
