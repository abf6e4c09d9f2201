"""A small judge of which source a clip is: a network of one hidden layer on its timbre, trained on rendered stems."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.tracks import Tracks
from engine.embedders import mel
from engine.errors import DataError

LEVEL = 0.1  # RMS that clips are brought to
HISS = 10 ** (-50 / 20)  # of that, noise put under every clip: silence between notes shall not give rendered stems away
QUIET = 1e-4  # RMS below which a clip is silent
HIDDEN, DECAY = 64, 1e-3


class StemClassifier:
    """Calls a clip by one of `sources`."""

    def __init__(self, sources: Sequence[str], clips: list[np.ndarray], labels: list[int], sample_rate: int):
        """clips: (frames,) each, mono, with the index of its source in `labels`. DataError unless every source has some."""
        missing = [name for index, name in enumerate(sources) if index not in labels]
        if missing:
            raise DataError(f"There is no stem of {', '.join(missing)} to learn from.", "Render more songs.")
        self.sources, self.sample_rate = tuple(sources), sample_rate
        heard = self._features(clips)
        self._mean, self._spread = heard.mean(0), heard.std(0) + 1e-3
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self._network = nn.Sequential(nn.Linear(heard.shape[1], HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, len(sources)))
        self._fit((heard - self._mean) / self._spread, torch.tensor(labels))

    def _fit(self, heard: Tensor, labels: Tensor) -> None:
        weights = [p for p in self._network.parameters() if p.ndim > 1]
        optimizer = torch.optim.LBFGS(self._network.parameters(), max_iter=300, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self._network(heard), labels)
            loss = loss + DECAY * sum(weight.square().sum() for weight in weights)
            loss.backward()
            return loss

        optimizer.step(loss)

    def _features(self, clips: list[np.ndarray]) -> Tensor:
        """(clips, features), whatever their level."""
        noise = torch.Generator().manual_seed(0)
        embed, found = mel(self.sample_rate), []
        for clip in clips:
            samples = torch.from_numpy(clip.astype(np.float32))
            samples = samples / samples.square().mean().sqrt().clamp_min(1e-9)
            samples = LEVEL * (samples + HISS * torch.randn(len(samples), generator=noise))
            found.append(embed(samples[None])[0])
        return torch.stack(found)

    @torch.no_grad()
    def __call__(self, clip: np.ndarray) -> str:
        """The source that a clip, (frames,), sounds like; "" where it is silent."""
        if np.sqrt(np.mean(np.square(clip, dtype=np.float64))) < QUIET:
            return ""
        scores = self._network((self._features([clip]) - self._mean) / self._spread)
        return self.sources[int(scores.argmax())]


def stem_clips(
    folder: Path, sources: Sequence[str], seconds: float, tracks: int | None, each: int = 3
) -> tuple[list[np.ndarray], list[int], int]:
    """Up to `each` clips that sound of every stem of the first `tracks` tracks, or of all: clips, (frames,) mono, the index of
    each one's source, and their sample rate, which is that of the first track."""
    folder_tracks = Tracks(folder)
    names = folder_tracks.even(tracks)
    rate = folder_tracks.sample_rate(names[0])
    length, clips, labels = round(seconds * rate), [], []
    for name in names:
        frames = folder_tracks.frames(name)
        if folder_tracks.sample_rate(name) != rate or frames < length:
            continue
        stems = folder_tracks.read(name, 0, frames, sources).mean(1)
        for label, stem in enumerate(stems):
            pieces = stem[: frames // length * length].reshape(-1, length)
            sounding = pieces[np.sqrt(np.square(pieces).mean(1)) > 10 * QUIET]
            for piece in sounding[:: max(1, len(sounding) // each)][:each]:
                clips.append(piece)
                labels.append(label)
    return clips, labels, rate
