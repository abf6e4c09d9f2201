"""Who owns randomness: noise is a function of (seed, draw, position in the song), of nothing else.

So a job's result does not depend on batch size, on the order of chunks or on how many workers share them, and two chunks
hear the same noise where they overlap. Both channels of a stereo song hear the same noise: equal channels stay equal.
"""

import numpy as np
import torch
from torch import Tensor

from engine.devices import moved

BLOCK = 4096  # samples drawn together; any chunk start is allowed


class Noise:
    """White Gaussian noise for a batch of chunks.

    seed: of the job, any integer (its low 64 bits count). starts: position of each item's first sample in the song (the
    items of one position get the same noise).
    """

    def __init__(self, seed: int, starts: list[int]):
        self.seed, self.starts, self.draws = seed % 2**64, starts, 0

    def like(self, x: Tensor) -> Tensor:
        """The next draw, standard normal, for x: (batch, sources, samples)."""
        if x.shape[0] != len(self.starts):
            raise ValueError(f"Noise for {len(self.starts)} items cannot fill a batch of {x.shape[0]}.")
        rows = {start: self._stretch(start, *x.shape[1:]) for start in dict.fromkeys(self.starts)}
        self.draws += 1
        return moved(torch.stack([rows[start] for start in self.starts]), x.device).to(x)

    def _stretch(self, start: int, sources: int, samples: int) -> Tensor:
        first, last = start // BLOCK, (start + samples - 1) // BLOCK
        blocks = [self._block(index, sources) for index in range(first, last + 1)]
        offset = start - first * BLOCK
        return torch.from_numpy(np.concatenate(blocks, axis=1)[:, offset : offset + samples])

    def _block(self, index: int, sources: int) -> np.ndarray:
        # Philox is counter-based: each (draw, block) is a stream of its own that costs nothing to reach.
        philox = np.random.Philox(key=self.seed, counter=[0, 0, self.draws, index % 2**64])
        return np.random.Generator(philox).standard_normal((sources, BLOCK), dtype=np.float32)
