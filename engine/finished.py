"""Finished chunks, kept on disk while their job runs: who has to begin the job again goes on from them, bit for bit."""

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.noise import Noise
from engine.models import Model
from engine.presets import Preset
from engine.sampling import Style, sample
from engine.stemgrid import StemGrid

DIGEST = hashlib.sha256().digest_size  # bytes in front of each file, of what follows


class Finished:
    """The batches of one job. folder: theirs alone, made with the first; whoever ends the job removes it. It grows to the size of
    the job's stems at the model's rate. given: in words all that the result depends on beside what `sample` is handed: model,
    back end, prompts, the preset.

    A batch is found again under the hash of all it was made from, so that nothing else is ever taken for it.
    """

    def __init__(self, folder: Path, given: str):
        self._folder, self._given = folder, given

    def sample(
        self,
        model: Model,
        grid: StemGrid,
        preset: Preset,
        noise: Noise,
        on_step: Callable[[], None],
        *,
        draft: Tensor | None = None,
        style: Style | None = None,
    ) -> Tensor:
        """As engine.sampling.sample, which is asked for what is not there."""
        path = self._folder / self._key(grid, noise, draft, style)
        found = _read(path, grid.shape)
        if found is None:
            made = sample(model, grid, preset, noise, on_step, draft=draft, style=style)
            _write(path, made)
            return made
        for _ in range(preset.calls):
            on_step()
        return found.to(grid.known)

    def _key(self, grid: StemGrid, noise: Noise, draft: Tensor | None, style: Style | None) -> str:
        key = hashlib.sha256(f"{self._given} {noise.seed} {noise.starts}".encode())
        target = style[1] if style else None
        for tensor in (grid.known, grid.known_mask, grid.mixture, grid.mixture_mask, draft, target):
            key.update(str(None if tensor is None else tuple(tensor.shape)).encode())
            if tensor is not None:
                key.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
        return key.hexdigest()


def _read(path: Path, shape: torch.Size) -> Tensor | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if (
        hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]
    ):  # half of it came to the disk before the power went
        return None
    return torch.from_numpy(np.frombuffer(content, np.float32, offset=DIGEST).copy()).reshape(shape)


def _write(path: Path, made: Tensor) -> None:
    """Whole or not at all. A disk that takes no more costs the keeping, not the job."""
    audio = np.ascontiguousarray(made.cpu().numpy(), np.float32)
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(exist_ok=True)
        with open(new, "wb") as file:
            file.write(hashlib.sha256(audio.data).digest())
            file.write(audio.data)
        os.replace(new, path)
    except OSError as error:
        logging.getLogger("stemweave").warning("a finished chunk cannot be kept: %s", error.strerror)
        with suppress(OSError):
            new.unlink()
