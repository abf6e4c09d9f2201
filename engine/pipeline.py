"""A song of any length, rate and up to two channels through a model: resample, chunk, sample, overlap-add, resample back.

The song is read twice: once for its level, once to be separated, stretch after stretch. Memory does not grow with its length.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine import tasks
from engine.audio import Song, StreamResampler, Window, fit, resampled, resampled_frames
from engine.chunks import Chunk, plan
from engine.devices import moved
from engine.diffusion.noise import Noise
from engine.errors import Cancelled
from engine.models import Model
from engine.presets import Preset
from engine.request import RESIDUAL
from engine.sampling import Sample, sample
from engine.stemgrid import StemGrid

SHORTEST = 8192  # samples a network is given at least
SILENCE = 1e-6  # RMS (-120 dBFS) under which there is nothing to separate

OnProgress = Callable[[float], None]


def separate(
    model: Model,
    samples: np.ndarray,
    sample_rate: int,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sample: Sample = sample,
) -> dict[str, np.ndarray]:
    """Stems of samples: (channels, frames) at sample_rate, by source name, and "residual", each of the same shape.

    Stems and residual add up to the input. on_progress: 0 to 1, after each network call. cancelled: asked between network calls;
    raises Cancelled. sample: see engine.finished.
    """
    song = Song.of(samples, sample_rate)
    return joined(
        separate_song(model, song, preset, on_progress=on_progress, cancelled=cancelled, sample=sample), song.frames
    )


def joined(stretches: Iterable[dict[str, np.ndarray]], frames: int | None) -> dict[str, np.ndarray]:
    """Stretches, one after the other, as one of so many frames; None: there is but one."""
    whole: dict[str, np.ndarray] = {}
    stop = 0
    for stretch in stretches:
        start, stop = stop, stop + next(iter(stretch.values())).shape[1]
        if frames in (None, stop - start):
            return stretch
        for name, piece in stretch.items():
            whole.setdefault(name, np.empty((len(piece), frames), dtype=np.float32))[:, start:stop] = piece
    return whole


def separate_song(
    model: Model,
    song: Song,
    preset: Preset,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    sample: Sample = sample,
) -> Iterator[dict[str, np.ndarray]]:
    """The same stretch by stretch, as they are finished: {name: (channels, n)}, n > 0, in order, without gaps. What is not taken
    yet is not computed yet. cancelled: asked during the first reading, too."""
    tasks.check(preset, model.spec)
    watch = Watch(on_progress, cancelled)
    level = active_rms(song, watch.ask)
    kept: deque[np.ndarray] = deque()  # what was heard and has no stems yet

    def heard() -> Iterator[np.ndarray]:
        for block in song.blocks():
            kept.append(block)
            yield block

    mixture, done = Window(kept.popleft() for _ in itertools.count()), 0
    pieces: Iterator[np.ndarray]
    if level < SILENCE:
        pieces = (np.zeros((len(model.spec.sources), *block.shape), dtype=np.float32) for block in heard())
    else:
        pieces = _pieces(model, replace(song, blocks=heard), level, preset, watch, sample)
    for piece in pieces:
        if not piece.shape[-1]:
            continue
        start, done = done, done + piece.shape[-1]
        stretch = dict(zip(model.spec.sources, piece, strict=True))
        yield stretch | {RESIDUAL: rest(mixture.take(start, done), piece)}


def rest(mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """What the stems, (sources, channels, n), leave of the mixture, one after the other."""
    for stem in stems:
        mixture = mixture - stem
    return mixture


def _pieces(
    model: Model, song: Song, level: float, preset: Preset, watch: "Watch", sample: Sample
) -> Iterator[np.ndarray]:
    """Finished stretches of all sources at the song's own rate: (sources, channels, n), together exactly as long as the song."""
    rate, left = model.spec.sample_rate, song.frames
    resamplers = [StreamResampler(rate, song.sample_rate, song.channels) for _ in model.spec.sources]
    for stretch, last in _stretches(model, song, level, preset, watch, sample):
        back = stretch / np.float32(model.spec.gain(level))
        piece = np.stack([resampler.push(stem, last) for resampler, stem in zip(resamplers, back, strict=True)])
        piece = np.stack([fit(stem, left) for stem in piece]) if last else piece[..., :left]
        left -= piece.shape[-1]
        yield piece


def _stretches(
    model: Model, song: Song, level: float, preset: Preset, watch: "Watch", sample: Sample
) -> Iterator[tuple[np.ndarray, bool]]:
    """Overlap-add of the chunks at the model's rate: ((sources, channels, n), whether it is the last), in order."""
    rate, chunk = model.spec.sample_rate, model.spec.chunk
    gain = np.float32(model.spec.gain(level))
    mixture = Window(block * gain for block in resampled(song, rate))
    chunks = plan(
        resampled_frames(song.frames, song.sample_rate, rate), chunk, min(round(preset.overlap * rate), chunk // 3)
    )
    at_once = max(1, preset.batch // song.channels)
    groups = [chunks[i : i + at_once] for i in range(0, len(chunks), at_once)]
    watch.expect(len(groups) * preset.calls)
    tail = np.zeros((len(model.spec.sources), song.channels, 0), dtype=np.float32)
    for group in groups:
        heard = [mixture.take(group[0].start, piece.stop)[:, piece.start - group[0].start :] for piece in group]
        for piece, stems in zip(group, _sample(model, heard, group, preset, watch, sample), strict=True):
            stems *= piece.window()
            stems[..., : tail.shape[-1]] += tail
            ready = piece.length - piece.fade_out
            tail = stems[..., ready:]
            yield stems[..., :ready], piece is chunks[-1]


def _sample(
    model: Model, heard: list[np.ndarray], group: list[Chunk], preset: Preset, watch: "Watch", sample: Sample
) -> list[np.ndarray]:
    """One batch: heard is (channels, length) of each chunk of the group. Returns (sources, channels, length) for each."""
    mixture = moved(torch.from_numpy(_padded(heard, model.spec.length_multiple)), model.device)
    channels = heard[0].shape[0]
    noise = Noise(preset.seed, [chunk.start for chunk in group for _ in range(channels)])
    without_gradients = torch.no_grad if preset.towards else torch.inference_mode  # in the latter nobody can take any
    with without_gradients():
        stems = sample(model, StemGrid.to_separate(mixture, len(model.spec.sources)), preset, noise, watch.step).cpu()
    return [
        stems[i * channels : (i + 1) * channels, :, : chunk.length].transpose(0, 1).numpy().copy()
        for i, chunk in enumerate(group)
    ]


def _padded(heard: list[np.ndarray], multiple: int) -> np.ndarray:
    """(chunks * channels, samples): the group's audio, zeros after the end of shorter ones."""
    longest = max(SHORTEST, *(chunk.shape[1] for chunk in heard))
    batch = np.zeros((len(heard), len(heard[0]), longest + -longest % multiple), dtype=np.float32)
    for row, chunk in zip(batch, heard, strict=True):
        row[:, : chunk.shape[1]] = chunk
    return batch.reshape(-1, batch.shape[-1])


def active_rms(song: Song, on_block: Callable[[], None] = lambda: None) -> float:
    """RMS over the seconds that are not much quieter (20 dB) than the loudest: what a fader would be set by. Reads all of the song
    and with that checks it."""
    blocks, second = Window(song.blocks()), min(song.sample_rate, song.frames)
    powers = []
    for start in range(0, song.frames, second):
        on_block()
        start = min(start, song.frames - second)  # the last second is a whole one, too
        powers.append(np.square(blocks.take(start, start + second), dtype=np.float64).mean())
    counted = np.array(powers)
    return float(np.sqrt(counted[counted >= counted.max() / 100].mean()))


@dataclass
class Watch:
    """Counts network calls, reports progress, and stops the work when asked to."""

    on_progress: OnProgress | None
    cancelled: Callable[[], bool] | None
    expected: int = 1
    calls: int = 0

    def expect(self, calls: int) -> None:
        self.expected = calls
        self.ask()

    def step(self) -> None:
        self.calls += 1
        if self.on_progress:
            self.on_progress(self.calls / self.expected)
        self.ask()

    def ask(self) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled()
