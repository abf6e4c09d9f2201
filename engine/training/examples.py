"""Random examples from folders of tracks: a function of (seed, step, process) alone, so a resumed run sees what it would have
seen, and processes that train together see different ones."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from engine.data.mixing import equalise
from engine.data.tracks import Tracks
from engine.errors import DataError
from engine.training.config import TrainConfig

BLIND = 30.0  # sigma from which noisy sources tell nothing: the loudest cells have an amplitude of about one
VARISPEED = 3.0  # semitones
TRIES = 1000  # for an example that is not silent
SILENCE = 1e-4  # RMS below which a mixture is not worth a step


@dataclass(frozen=True)
class Batch:
    """clean, noise: (batch, sources, samples); sigma: (batch,); has_mixture: bool (batch,). The noise has unit variance but where
    sigma misjudges it. text: (batch, features) of a sentence about each, zero where nothing is said, or None. known: bool, as
    clean, where there shall be no noise, or None."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    has_mixture: Tensor
    text: Tensor | None = None
    known: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        moved = {key: tensor.to(device) for key, tensor in vars(self).items() if tensor is not None}
        return Batch(**moved)


class Examples:
    """Draws batches from all tracks of the configured folders, mono, at the configured rate."""

    def __init__(self, config: TrainConfig):
        self.config = config
        self.tracks = [
            (tracks, name) for folder in config.data for tracks in [Tracks(folder)] for name in tracks.even()
        ]
        self.samples = round(config.seconds * config.sample_rate)
        for tracks, name in self.tracks:
            if tracks.sample_rate(name) != config.sample_rate:
                raise DataError(
                    f"Track {name} is at {tracks.sample_rate(name)} Hz, the configuration says {config.sample_rate} Hz.",
                    "Render the data again at that rate, or change sample_rate in the configuration.",
                )

    def batch(self, step: int, process: int = 0) -> Batch:
        config = self.config
        rng, count = np.random.default_rng([config.seed, step, process]), config.batch
        has_mixture = rng.random(count) < config.mixture
        low, high = np.log(config.sigma)
        sigma = np.exp(rng.uniform(low, high, count))
        blind = has_mixture & (rng.random(count) < config.mask)
        sigma = np.where(blind, BLIND * np.exp(rng.uniform(0, 2, count)), sigma)
        told = ~blind & (rng.random(count) < config.known)
        # Other songs' stems would teach those who hear them that they mean nothing.
        remixed = ~told & (rng.random(count) < config.remix)
        clean = torch.from_numpy(np.stack([self._example(rng, bool(each)) for each in remixed]))
        noise = rng.standard_normal(clean.shape, dtype=np.float32)
        quiet, loud = np.log(config.noise_factor)
        off = np.exp(rng.uniform(quiet, loud, clean.shape[:2])).astype(np.float32)
        noise *= np.where(rng.random(count) < config.misjudged, off.T, 1).T[..., None]
        known = torch.from_numpy(np.stack([self._known(rng) & each for each in told])) if config.known else None
        return Batch(
            clean,
            torch.from_numpy(noise),
            torch.from_numpy(sigma.astype(np.float32)),
            torch.from_numpy(has_mixture),
            known=known,
        )

    def _known(self, rng: np.random.Generator) -> np.ndarray:
        """bool (sources, samples): some whole stems are known, or all stems but a stretch of some."""
        sources = len(self.config.sources)
        known = np.ones((sources, self.samples), dtype=bool)
        whole = rng.random() < 0.5 and sources > 1
        wanted = rng.permutation(sources)[: rng.integers(1, sources + (not whole))]
        length = self.samples if whole else round(self.samples * rng.uniform(0.2, 0.8))
        start = int(rng.integers(self.samples - length + 1))
        known[wanted, start : start + length] = False
        return known

    def _example(self, rng: np.random.Generator, remixed: bool) -> np.ndarray:
        """(sources, samples) at a random level around the configured one; never a silent mixture."""
        for _ in range(TRIES):
            stems = self._remixed(rng) if remixed else self._crop(rng)
            equalised = rng.random(len(stems)) < self.config.equalised
            stems = np.stack(
                [self._equalise(rng, stem) if each else stem for each, stem in zip(equalised, stems, strict=True)]
            )
            spread = self.config.gain_spread_db
            stems = stems * 10 ** (rng.uniform(-spread, spread, (len(stems), 1)) / 20)
            rms = float(np.sqrt(np.mean(stems.sum(0) ** 2)))
            if rms > SILENCE:
                return self._at_level(rng, stems, rms)
        raise DataError(
            "The tracks hold nothing but silence.", f"Do they have files called {self.config.sources[0]}.wav and so on?"
        )

    def _equalise(self, rng: np.random.Generator, stem: np.ndarray) -> np.ndarray:
        return equalise(stem[None], self.config.sample_rate, rng)[0]

    def _at_level(self, rng: np.random.Generator, stems: np.ndarray, rms: float) -> np.ndarray:
        if not self.config.level:
            return stems.astype(np.float32)
        spread = self.config.level_spread_db
        return (stems * self.config.level / rms * 10 ** (rng.uniform(-spread, spread) / 20)).astype(np.float32)

    def _remixed(self, rng: np.random.Generator) -> np.ndarray:
        return np.stack([self._crop(rng, row) for row in range(len(self.config.sources))])

    def _crop(self, rng: np.random.Generator, row: int | None = None) -> np.ndarray:
        """A random stretch of a random track, left, right or middle: (sources, samples), or one source's (samples,)."""
        return self._cut(rng, *self._track(rng), row)

    def _track(self, rng: np.random.Generator) -> tuple[Tracks, str]:
        return self.tracks[rng.integers(len(self.tracks))]

    def _cut(self, rng: np.random.Generator, tracks: Tracks, name: str, row: int | None = None) -> np.ndarray:
        speed = self._speed(rng)
        heard = round(self.samples * speed)
        start = int(rng.integers(0, max(1, tracks.frames(name) - heard + 1)))
        wanted = self.config.sources if row is None else self.config.sources[row : row + 1]
        stereo = tracks.read(name, start, heard, wanted)
        channel = int(rng.integers(0, stereo.shape[1] + 1))
        mono = stereo.mean(1) if channel == stereo.shape[1] else stereo[:, channel]
        if speed != 1:
            mono = resample_poly(mono, speed.denominator, speed.numerator, axis=1)[:, : self.samples].astype(np.float32)
        mono = np.pad(mono, ((0, 0), (0, self.samples - mono.shape[1])))
        return mono if row is None else mono[0]

    def _speed(self, rng: np.random.Generator) -> Fraction:
        """How fast a crop is played, mostly 1."""
        if not self.config.varispeed or rng.random() >= self.config.varispeed:
            return Fraction(1)
        return Fraction(2 ** (rng.uniform(-VARISPEED, VARISPEED) / 12)).limit_denominator(40)
