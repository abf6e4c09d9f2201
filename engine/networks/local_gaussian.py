"""The compact network: a denoiser that is exact for Gaussians and learns where the energy is.

In every cell (t, f) of a short-time Fourier transform the sources are taken as independent complex Gaussians,
S_j ~ N(0, v_j(t, f)): the local Gaussian model of source separation (Duong, Vincent & Gribonval, 2010). The network sees
the noisy sources, and the mixture where it is given, and predicts only the powers v_j; the estimate then follows in closed
form, so that the sums and the limits hold whatever the network says:

    m_j = v_j / (v_j + sigma^2) X_j            E[S_j | X_j],          p_j = v_j sigma^2 / (v_j + sigma^2)   its variance
    D_j = m_j                                  without the mixture
    D_j = m_j + p_j / sum_i p_i (Y - sum_i m_i)    with it, E[S_j | X, Y = sum_i S_i]

As sigma grows the last line becomes v_j / sum_i v_i Y, a mask on the mixture: the strongest prior a small separation network
can have. As sigma vanishes D tends to x. Before training (output zero) v_j is the mean spectrum of source j, so the network
starts as the best stationary Gaussian denoiser (a Wiener filter) instead of as noise.

A cell that is known, which a network trained so is told, has no noise: sigma is zero there, m_j = X_j, p_j = 0. Y is then what the
other cells add up to.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.denoiser import Conditioning, per_item
from engine.networks import in_place
from engine.networks.bands import Bands
from engine.networks.core import Replaced
from engine.networks.unet2d import UNet2d

HEADROOM = 10.0  # how far cells rise over their band's mean; where noise covers even that, noisy sources tell nothing
RANGE = 12.0  # nepers of power (52 dB) the network may go from the mean, softly, so that no cell is stuck at the limit
POWER_FLOOR = 1e-12  # -120 dB full scale per cell: below 16-bit dither, above float32 underflow


class LocalGaussian(nn.Module):
    """A Denoiser for (batch, sources, samples) at any length.

    sources: number of sources. fft, hop: of the transform, in samples. channels: of the U-Net's levels.
    patch: (bands, frames) that make one cell of the U-Net. overview: units and layers of what runs beside it, or none.
    across: how many rows of cells are squeezed into one where blocks hear all of them, or 0.
    hears_known: also hears which cells have no noise.
    Buffer `mean_power`: (sources, bands), mean power of a bin of each source in each band, set from training data.
    """

    CORE = "unet"
    SIDE_CHANNELS = 2  # heard beside the sources: the level of the mixture, and whether it is given

    def __init__(
        self,
        sources: int = 4,
        fft: int = 2048,
        hop: int = 512,
        bands: int = 512,
        channels: tuple[int, ...] = (96, 128, 160, 192),
        patch: tuple[int, int] = (4, 4),
        context: int = 320,
        overview: tuple[int, int] | None = None,
        across: int = 0,
        hears_known: bool = False,
    ):
        super().__init__()
        self.fft, self.hop, self.hears_known = fft, hop, hears_known
        self.bands = Bands(fft // 2 + 1, bands)
        heard = sources + self.SIDE_CHANNELS + (sources if hears_known else 0)
        self.unet = UNet2d(heard, sources, bands, tuple(channels), (patch[0], patch[1]), context, overview, across)
        self.register_buffer("window", torch.hann_window(fft), persistent=False)
        self.register_buffer("mean_power", torch.full((sources, bands), 1e-4))
        self.mean_power: Tensor
        self.window: Tensor

    def forward(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Denoise x: (batch, sources, samples) at sigma: scalar or (batch,); conditioning.mixture: (batch, samples);
        conditioning.known: bool, the shape of x, heard only by a network with `hears_known`."""
        told = conditioning or Conditioning()
        if isinstance(self.unet, Replaced) and in_place.fits(x):
            return in_place.denoise(self, x, per_item(sigma, x), told)
        given = None if told.mixture is None else self.transform(told.mixture[:, None])
        known = None if told.known is None or not self.hears_known else self.known_cells(told.known)
        return self.inverse(self.estimate(self.transform(x), per_item(sigma, x), given, known=known), x.shape[-1])

    def estimate(
        self,
        noisy: Tensor,
        sigma: Tensor,
        mixture: Tensor | None,
        has_mixture: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """The same in the transform. noisy: complex (batch, sources, bins, frames); sigma: (batch, 1, 1);
        mixture: complex (batch, 1, bins, frames); has_mixture: bool (batch,), to mix both kinds in one batch of training;
        known: bool (batch, sources, 1, frames)."""
        v = self.powers(noisy, sigma, mixture, has_mixture, known)
        gain, share = self.gains(v, sigma, known)
        m = scaled(noisy, self.bands.spread(gain))
        if mixture is None:
            return m
        if has_mixture is not None:
            share = share * has_mixture[:, None, None, None]
        wanted = m if known is None else m * ~known
        return m + scaled(mixture - wanted.sum(1, keepdim=True), self.bands.spread(share))

    def powers(
        self,
        noisy: Tensor,
        sigma: Tensor,
        mixture: Tensor | None,
        has_mixture: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """v: (batch, sources, bands, frames), the network's estimate of every source's power in every cell. Arguments as above."""
        given = None if mixture is None else self.heard_power(mixture)
        levels = self.levels(self.heard_power(noisy), sigma, given, has_mixture, known)
        return self.said(self.unet(levels, sigma.flatten().log()))

    def heard_power(self, cells: Tensor) -> Tensor:
        """Complex (batch, channels, bins, frames) to their mean power a band, (batch, channels, bands, frames)."""
        return self.bands.pool(power(cells))

    def said(self, offset: Tensor) -> Tensor:
        """v, as the core says it: nepers from the mean, of the same shape."""
        return self.mean_power[:, :, None] * (RANGE * (offset / RANGE).tanh()).exp() + POWER_FLOOR

    def levels(
        self,
        noisy: Tensor,
        sigma: Tensor,
        mixture: Tensor | None,
        has_mixture: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """What the core hears: (batch, inputs, bands, frames). noisy, mixture: their `heard_power`; the rest as above."""
        mean, noise_power = self.mean_power[:, :, None], noise_in(sigma, known)
        audible = HEADROOM * mean / (HEADROOM * mean + noise_power)
        levels = [audible * log_ratio(noisy, mean + noise_power)]
        if mixture is None:
            levels += [torch.zeros_like(levels[0][:, :2])]
        else:
            level = log_ratio(mixture, mean.sum(0, keepdim=True))
            given = torch.ones_like(level)
            if has_mixture is not None:
                given = given * has_mixture[:, None, None, None]
            levels += [level * given, given]
        if self.hears_known:
            flags = torch.zeros_like(levels[0]) if known is None else known.expand_as(levels[0]).to(levels[0])
            levels += [flags]
        return torch.cat(levels, 1)

    @staticmethod
    def gains(v: Tensor, sigma: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the closed form multiplies by, each as v is: v / (v + sigma^2) and p_j / sum_i p_i."""
        noise_power = noise_in(sigma, known)
        gain = v / (v + noise_power)
        p = gain * noise_power
        total = p.sum(1, keepdim=True)
        return gain, p / (total if known is None else total.clamp_min(POWER_FLOOR * POWER_FLOOR))

    def stationary(self, mixture: Tensor, wanted: Tensor) -> Tensor:
        """What the sources would be if each were steady noise of its mean spectrum, by Wiener's filter; they add up to the mixture.
        mixture: (batch, samples); wanted: bool (batch, sources), those it holds, of which there may be none. Returns (batch,
        sources, samples)."""
        v = (self.mean_power[:, :, None] + POWER_FLOOR) * wanted[..., None, None]
        share = v / v.sum(1, keepdim=True).clamp_min(POWER_FLOOR)
        return self.inverse(scaled(self.transform(mixture[:, None]), self.bands.spread(share)), mixture.shape[-1])

    def known_cells(self, known: Tensor) -> Tensor:
        """bool (batch, sources, samples) to (batch, sources, 1, frames): the frames that hear no sample which is not known."""
        unknown = F.pad((~known).float(), (self.fft // 2, self.fft // 2))
        step = math.gcd(self.fft, self.hop)  # stretches first, for most are heard by several frames
        stretches = unknown[..., : unknown.shape[-1] // step * step].unflatten(-1, (-1, step)).amax(-1)
        return F.max_pool1d(stretches, self.fft // step, self.hop // step)[:, :, None] == 0

    def energy(self, banded: Tensor) -> Tensor:
        """Sum over the cells of what bands.pool made means of: (..., bands, frames) to (...)."""
        return (banded * self.bands.width[:, None]).sum((-2, -1))

    def transform(self, x: Tensor) -> Tensor:
        """(batch, channels, samples) to complex (batch, channels, bins, frames), scaled so that white noise of standard
        deviation sigma has power sigma^2 in every cell."""
        flat = torch.stft(
            x.reshape(-1, x.shape[-1]).float(),
            self.fft,
            self.hop,
            window=self._unit_window(),
            return_complex=True,
            pad_mode="constant",
        )
        return flat.contiguous().reshape(*x.shape[:-1], *flat.shape[-2:])  # rows of time, as all that follows lies

    def inverse(self, cells: Tensor, samples: int) -> Tensor:
        """The transform's inverse: exact, linear, (batch, channels, bins, frames) to (batch, channels, samples)."""
        flat = torch.istft(
            cells.reshape(-1, *cells.shape[-2:]), self.fft, self.hop, window=self._unit_window(), length=samples
        )
        return flat.reshape(*cells.shape[:2], samples)

    def _unit_window(self) -> Tensor:
        """The window of energy one, which scales both ways as `transform` says."""
        return self.window * self.window.square().sum().rsqrt()


def noise_in(sigma: Tensor, known: Tensor | None) -> Tensor:
    """Power of the noise in each cell, in a shape that fits (batch, sources, bands, frames): sigma^2, zero where known."""
    noise_power = sigma[..., None] ** 2
    return noise_power if known is None else noise_power * ~known


def scaled(cells: Tensor, gain: Tensor) -> Tensor:
    """cells times real gains; torch would make the gains complex first and take twice as long."""
    return torch.view_as_complex(torch.view_as_real(cells) * gain[..., None])


def power(cells: Tensor) -> Tensor:
    """|cells|^2, real."""
    return cells.real.square() + cells.imag.square()


def log_ratio(a: Tensor, b: Tensor) -> Tensor:
    """Level of a over b, in nepers of power halved and kept within what a network likes: about -6 to 6."""
    return 0.5 * ((a + POWER_FLOOR).log() - (b + POWER_FLOOR).log()).clamp(-12, 12)
