"""A song of any length, rate and up to two channels through a model: resample, chunk, sample, overlap-add, resample back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from engine import tasks
from engine.audio import StreamResampler, check_audio, fit, resample
from engine.chunks import Chunk, plan
from engine.diffusion.noise import Noise
from engine.errors import Cancelled
from engine.models import Model
from engine.presets import Preset
from engine.sampling import sample
from engine.stemgrid import StemGrid

RESIDUAL = "residual"
SHORTEST = 8192  # samples a network is given at least
SILENCE = 1e-6  # RMS (-120 dBFS) under which there is nothing to separate

OnProgress = Callable[[float], None]
OnPartial = Callable[[int, dict[str, np.ndarray]], None]


def separate(
    model: Model,
    samples: np.ndarray,
    sample_rate: int,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    on_partial: OnPartial | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, np.ndarray]:
    """Stems of samples: (channels, frames) at sample_rate, by source name, and "residual", each of the same shape.

    Stems and residual add up to the input. on_progress: 0 to 1, after each network call. on_partial(start, {name: (channels,
    n)}): finished stretches, in order, without gaps. cancelled: asked between network calls; raises Cancelled.
    """
    check_audio(samples, sample_rate)
    tasks.check(preset, model.spec)
    names = (*model.spec.sources, RESIDUAL)
    stems = {name: np.zeros(samples.shape, dtype=np.float32) for name in names}
    done = 0
    for piece in _pieces(model, samples, sample_rate, preset, on_progress, cancelled):
        stop = min(done + piece.shape[-1], samples.shape[1])
        rest = samples[:, done:stop].astype(np.float32)
        for name, stem in zip(model.spec.sources, piece[..., : stop - done], strict=True):
            stems[name][:, done:stop] = stem
            rest = rest - stem
        stems[RESIDUAL][:, done:stop] = rest
        if on_partial and stop > done:
            on_partial(done, {name: stem[:, done:stop] for name, stem in stems.items()})
        done = stop
    return stems


def _pieces(model, samples, sample_rate, preset, on_progress, cancelled) -> Iterator[np.ndarray]:
    """Finished stretches of all sources at the song's own rate: (sources, channels, n), together exactly as long as the song."""
    rate, sources, channels = model.spec.sample_rate, len(model.spec.sources), samples.shape[0]
    left = samples.shape[1]
    level = active_rms(samples, sample_rate)
    if level < SILENCE:
        yield np.zeros((sources, *samples.shape), dtype=np.float32)
        return
    song = resample(samples, sample_rate, rate) * np.float32(model.spec.level / level)
    resamplers = [StreamResampler(rate, sample_rate, channels) for _ in range(sources)]
    for stretch, last in _stretches(model, song, preset, Watch(on_progress, cancelled)):
        back = stretch * np.float32(level / model.spec.level)
        piece = np.stack([resampler.push(stem, last) for resampler, stem in zip(resamplers, back, strict=True)])
        if last:
            piece = np.stack([fit(stem, left) for stem in piece])
        left -= piece.shape[-1]
        yield piece


def _stretches(model: Model, song: np.ndarray, preset: Preset, watch: "Watch") -> Iterator[tuple[np.ndarray, bool]]:
    """Overlap-add of the chunks at the model's rate: ((sources, channels, n), whether it is the last), in order."""
    chunk = model.spec.chunk
    chunks = plan(song.shape[1], chunk, min(round(preset.overlap * model.spec.sample_rate), chunk // 3))
    at_once = max(1, preset.batch // song.shape[0])
    groups = [chunks[i : i + at_once] for i in range(0, len(chunks), at_once)]
    watch.expect(len(groups) * preset.calls)
    tail = np.zeros((len(model.spec.sources), song.shape[0], 0), dtype=np.float32)
    for group in groups:
        for piece, stems in zip(group, _sample(model, song, group, preset, watch), strict=True):
            stems *= piece.window()
            stems[..., : tail.shape[-1]] += tail
            ready = piece.length - piece.fade_out
            tail = stems[..., ready:]
            yield stems[..., :ready], piece is chunks[-1]


def _sample(model: Model, song: np.ndarray, group: list[Chunk], preset: Preset, watch: "Watch") -> list[np.ndarray]:
    """One batch: all channels of all chunks of the group. Returns (sources, channels, length) for each chunk."""
    mixture = torch.from_numpy(_padded(song, group, model.spec.length_multiple)).to(model.device)
    channels = song.shape[0]
    noise = Noise(preset.seed, [chunk.start for chunk in group for _ in range(channels)])
    with torch.inference_mode():
        stems = sample(model, StemGrid.to_separate(mixture, len(model.spec.sources)), preset, noise, watch.step)
    return [
        stems[i * channels : (i + 1) * channels, :, : chunk.length].transpose(0, 1).cpu().numpy().copy()
        for i, chunk in enumerate(group)
    ]


def _padded(song: np.ndarray, group: list[Chunk], multiple: int) -> np.ndarray:
    """(chunks * channels, samples): the group's audio, zeros after the end of shorter ones."""
    longest = max(SHORTEST, *(chunk.length for chunk in group))
    batch = np.zeros((len(group), song.shape[0], longest + -longest % multiple), dtype=np.float32)
    for row, chunk in zip(batch, group, strict=True):
        row[:, : chunk.length] = song[:, chunk.start : chunk.stop]
    return batch.reshape(-1, batch.shape[-1])


def active_rms(samples: np.ndarray, sample_rate: int) -> float:
    """RMS over the seconds that are not much quieter (20 dB) than the loudest: what a fader would be set by."""
    second = min(sample_rate, samples.shape[1])
    seconds = samples[:, : samples.shape[1] // second * second].reshape(samples.shape[0], -1, second)
    powers = np.square(seconds, dtype=np.float64).mean(axis=(0, 2))
    return float(np.sqrt(powers[powers >= powers.max() / 100].mean()))


@dataclass
class Watch:
    """Counts network calls, reports progress, and stops the work when asked to."""

    on_progress: OnProgress | None
    cancelled: Callable[[], bool] | None
    expected: int = 1
    calls: int = 0

    def expect(self, calls: int) -> None:
        self.expected = calls
        self._ask()

    def step(self) -> None:
        self.calls += 1
        if self.on_progress:
            self.on_progress(self.calls / self.expected)
        self._ask()

    def _ask(self) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled()
