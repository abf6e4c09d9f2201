"""Examples for a text model: recordings of line-ups, from a lone player to the whole band, with a sentence about each.

The model sees sums and sentences, never the stems of a sum: what a library of solos, duos and bands with their notes would
give. (Ours are added up from rendered stems because we have them; the level of each line-up is the one it has in its band.)
"""

import numpy as np
import torch

from engine.conditioning import encoder
from engine.data.prompts import about_track, sentence
from engine.errors import DataError
from engine.training.config import TrainConfig
from engine.training.examples import SILENCE, TRIES, Batch, Examples

RECORDING = "recording"  # the one source of a text model before it is given prompts
HEARD = 0.05  # of the line-up's RMS: a player below it is not worth a word


class LineUps(Examples):
    """Draws batches as Examples does; each is a function of (seed, step, process) alone."""

    def __init__(self, config: TrainConfig):
        super().__init__(config)
        self.about = {(tracks, name): about_track(tracks.folder / name) for tracks, name in self.tracks}
        self.encode = encoder(config.text)

    def batch(self, step: int, process: int = 0) -> Batch:
        rng = np.random.default_rng([self.config.seed, step, process])
        size = self.config.batch
        recordings, sentences = zip(*(self._recording(rng) for _ in range(size)), strict=True)
        clean = torch.from_numpy(np.stack(recordings))[:, None]
        low, high = np.log(self.config.sigma)
        sigma = torch.from_numpy(np.exp(rng.uniform(low, high, size)).astype(np.float32))
        noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
        told = torch.from_numpy(rng.random((size, 1)) >= self.config.untold)
        text = self.encode(sentences) * told
        return Batch(clean, noise, sigma, torch.zeros(size, dtype=torch.bool), text)

    def _recording(self, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """(samples,) at the level the line-up has in its band, and a sentence; never a silent one."""
        for _ in range(TRIES):
            tracks, name = self._track(rng)
            stems = self._cut(rng, tracks, name)
            band = float(np.sqrt(np.mean(stems.sum(0) ** 2)))
            playing = np.flatnonzero(np.sqrt(np.mean(stems**2, 1)) > HEARD * band)
            if band < SILENCE or not len(playing):
                continue
            size = 1 if rng.random() < self.config.solo else int(rng.integers(1, len(playing) + 1))
            chosen = sorted(rng.choice(playing, size, replace=False))
            line_up = self._at_level(rng, stems, band)[chosen].sum(0)
            return line_up, sentence(self.about[tracks, name], [self.config.sources[row] for row in chosen], rng)
        raise DataError("The tracks hold nothing but silence.", "Render them again.")
