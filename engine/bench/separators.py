"""Beside the separators a producer would take otherwise, from PyPI: the same song, whole, from samples to samples, in the same run.

Their weights are random: what is compared is time, and that does not depend on them. Sizes are those of the published models.
"""

import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.bench.rounds import demo_stems, ratio, turns
from engine.errors import ModelError, StemweaveError
from engine.models import DEFAULT, load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.torchaudio_shim import torchaudio

DEMUCS: dict[str, Any] = {"bottom_channels": 512, "dconv_mode": 3, "t_layers": 5, "segment": Fraction(39, 5)}
"""What the published `htdemucs` has other than by default (Rouard et al. 2023; their repository's grid `mmi`)."""
SOURCES = ("drums", "bass", "other", "vocals")  # of both

Separate = Callable[[], Any]


@torch.no_grad()
def bench_separators(
    rounds: int = 3, model: str = DEFAULT, seconds: float | None = None, demucs_size: dict[str, Any] = DEMUCS
) -> list[dict[str, Any]]:
    """A row each for Demucs, Open-Unmix and ours by the default preset: the demo song in stereo, or its first `seconds`.

    seconds: the fastest of the rounds, without loading (what else the machine does only ever adds). real_time_factor: those over
    the song's. ratio: Demucs's time over this one's, median over rounds. found: "measured", or what to install.
    """
    stems, rate = demo_stems()
    mixture = np.stack(list(stems.values())).sum(0)[:, : None if seconds is None else round(seconds * rate)]
    preset = load_preset()
    ours = load_model(model, preset.device, preset.backend)
    makers: dict[str, Callable[[], Separate]] = {
        "the song, Demucs (htdemucs)": lambda: _demucs(demucs_size, torch.from_numpy(mixture)),
        "the song, Open-Unmix (umxhq)": lambda: _open_unmix(torch.from_numpy(mixture)),
        f"the song, ours ({preset.name}, {ours.backend})": lambda: partial(separate, ours, mixture, rate, preset),
    }  # fmt: skip
    ways, missing = _ready(makers)
    times = turns(ways, rounds)
    first, length = next(iter(makers)), mixture.shape[1] / rate
    return missing + [
        {
            "way": name, "found": "measured", "seconds": min(taken), "real_time_factor": min(taken) / length,
            "ratio": ratio(times[first], taken) if first in times else None,
        }
        for name, taken in times.items()
    ]  # fmt: skip


def _ready(makers: dict[str, Callable[[], Separate]]) -> tuple[dict[str, Separate], list[dict[str, Any]]]:
    """Those that are installed, run once for what is only paid once, and a row for each that is not."""
    ways, missing = {}, []
    for name, make in makers.items():
        try:
            ways[name] = make()
            ways[name]()
        except StemweaveError as error:
            missing.append({"way": name, "found": str(error)})
    return ways, missing


def _demucs(size: dict[str, Any], song: Tensor) -> Separate:
    """Its own way to separate: pieces that overlap by a quarter, one after the other. song: (2, frames)."""
    assert torchaudio  # the package may import it, which needs the shim beside a CPU-only torch
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from demucs.apply import apply_model
            from demucs.htdemucs import HTDemucs
    except ImportError as error:
        raise ModelError("Demucs is not installed.", "Install it with: pip install 'stemweave[peers]'") from error
    network = HTDemucs(list(SOURCES), **size).eval()
    return partial(apply_model, network, song[None], shifts=0, split=True, overlap=0.25, progress=False)


def _open_unmix(song: Tensor) -> Separate:
    """Its own way to separate: the song at once, then one round of Wiener filtering. song: (2, frames)."""
    assert torchaudio
    try:
        from openunmix import umxhq
    except ImportError as error:
        raise ModelError("Open-Unmix is not installed.", "Install it with: pip install 'stemweave[peers]'") from error
    separator = umxhq(targets=list(SOURCES), niter=1, pretrained=False).eval()
    return partial(separator, song[None])
