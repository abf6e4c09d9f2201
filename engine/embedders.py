"""Embedders: what a clip sounds like, as a vector that has a gradient. EMBEDDERS maps a name to `make(sample_rate) -> embed`,
and embed takes (batch, samples) to (batch, features). Any such callable serves."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import PresetError
from engine.torchaudio_shim import torchaudio

Embed = Callable[[Tensor], Tensor]
FLOOR = 1e-8  # power per mel band or bin under which there is silence


def mel(sample_rate: int) -> Embed:
    """Timbre: mean and deviation over time of 64 mel bands in nepers, the mean level taken out: (batch, 128)."""
    spectrum = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=2048, hop_length=512, n_mels=64, f_min=30.0)

    def embed(samples: Tensor) -> Tensor:
        levels = (spectrum.to(samples.device)(samples) + FLOOR).log() / 2
        levels = levels - levels.mean((1, 2), keepdim=True)
        return torch.cat([levels.mean(-1), levels.std(-1)], -1)

    return embed


def chroma(sample_rate: int) -> Embed:
    """Harmony: the share of each of the twelve pitch classes in the energy from 60 Hz to 2 kHz: (batch, 12)."""
    fft = 8192
    frequencies = torch.fft.rfftfreq(fft, 1 / sample_rate)
    heard = torch.nonzero((frequencies > 60) & (frequencies < 2000))[:, 0]
    pitch = (12 * torch.log2(frequencies[heard] / 440)).round().long() % 12
    classes = torch.nn.functional.one_hot(pitch, 12).float()
    window = torch.hann_window(fft)

    def embed(samples: Tensor) -> Tensor:
        nonlocal window, heard, classes  # they move to a GPU once, not at each step
        window, heard, classes = window.to(samples), heard.to(samples.device), classes.to(samples)
        cells = torch.stft(samples, fft, fft // 2, window=window, return_complex=True)
        energy = cells.abs().square().mean(-1)[:, heard] @ classes
        return energy / (energy.sum(-1, keepdim=True) + FLOOR)

    return embed


def passt(sample_rate: int) -> Embed:
    """PaSST (Koutini et al. 2022), the embedder of Levy et al. 2023: 768 features of 10 s at 32 kHz, by the package hear21passt,
    which fetches its weights when it is first used. PresetError where it is not installed."""
    try:
        from hear21passt.base import get_basic_model
    except ImportError as error:
        raise PresetError(
            "The PaSST embedder is not installed.", "pip install hear21passt, or --embedder mel"
        ) from error
    network = get_basic_model(mode="embed_only").eval()
    # The default width of 6 lets aliases through.
    to_32k = torchaudio.transforms.Resample(sample_rate, 32000, lowpass_filter_width=64)

    def embed(samples: Tensor) -> Tensor:
        network.to(samples.device)
        return network(to_32k.to(samples.device)(samples)[:, :320_000])

    return embed


EMBEDDERS: dict[str, Callable[[int], Embed]] = {"mel": mel, "chroma": chroma, "passt": passt}
