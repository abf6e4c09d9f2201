"""The compact network with a text beside its input: what a recording that is called so sounds like (GMSDI).

It hears one signal, be it a solo or a whole band, and a sentence about it as a vector; it was trained on such pairs and on no
separated data. As in local_gaussian.py it says only how much power each cell has, v; the sentence tells it a spectrum to
begin with and then turns the screws in every block. Without a sentence (the zero vector) it is a model of any music.
"""

import torch
from torch import Tensor, nn

from engine.denoiser import Conditioning, per_item
from engine.networks.local_gaussian import HEADROOM, POWER_FLOOR, RANGE, LocalGaussian, log_ratio, power, scaled


class TextGaussian(LocalGaussian):
    """A Denoiser for (batch, 1, samples); `Conditioning.text`, (batch, features), says what each item is. Arguments as
    LocalGaussian's; features: of the sentence encoder."""

    SIDE_CHANNELS = 0

    def __init__(self, sources: int = 1, features: int = 384, **arguments):
        super().__init__(sources, **arguments)
        if sources != 1:
            raise ValueError("a text-conditioned network hears one signal, so its card names one source")
        width, bands = self.unet.side, self.bands.count
        last, self.told = nn.Linear(width, bands), nn.Linear(features, width, bias=False)
        self.spectrum = nn.Sequential(nn.Linear(features, width, bias=False), nn.SiLU(), last)
        for weight in (last.weight, last.bias, self.told.weight):
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Denoise x: (batch, 1, samples) at sigma: scalar or (batch,)."""
        text = None if conditioning is None else conditioning.text
        if text is None:
            text = x.new_zeros(len(x), self.told.in_features)
        noisy, noise_power = self.transform(x), per_item(sigma, x)[..., None] ** 2
        v = self.powers_of(noisy, noise_power, text)
        return self.inverse(scaled(noisy, self.bands.spread(v / (v + noise_power))), x.shape[-1])

    def powers_of(self, noisy: Tensor, noise_power: Tensor, text: Tensor, guidance: float = 1.0) -> Tensor:
        """v: (batch, 1, bands, frames) of noisy: complex (batch, 1, bins, frames), noise_power: (batch, 1, 1, 1).

        guidance w: classifier-free (Ho & Salimans 2022), on what the network puts out, which is log v: v = v_0^(1 - w) v_text^w.
        v stays positive whatever w, where the same on the denoised estimate could turn gains negative.
        """
        said = self.log_powers(noisy, noise_power, text)
        if guidance != 1:
            any_music = self.log_powers(noisy, noise_power, torch.zeros_like(text))
            said = any_music + guidance * (said - any_music)
        mean = self.mean_power[:, :, None]
        return mean * (RANGE * (said / RANGE).tanh()).exp() + POWER_FLOOR

    def log_powers(self, noisy: Tensor, noise_power: Tensor, text: Tensor) -> Tensor:
        """log v over the mean of all music, before its range is limited: (batch, 1, bands, frames)."""
        mean = self.expected_power(text)
        audible = HEADROOM * mean / (HEADROOM * mean + noise_power)
        level = audible * log_ratio(self.bands.pool(power(noisy)), mean + noise_power)
        return (mean / self.mean_power[:, :, None]).log() + self.unet(
            level, noise_power.flatten().log() / 2, self.told(self._scaled(text))
        )

    def expected_power(self, text: Tensor) -> Tensor:
        """The mean spectrum of recordings that are called so, known from the text alone: (batch, 1, bands, 1)."""
        return self.mean_power[:, :, None] * self.spectrum(self._scaled(text)).float()[:, None, :, None].exp()

    @torch.no_grad()
    def fit_spectrum(self, powers: Tensor, text: Tensor, ridge: float = 0.1) -> None:
        """What words make expect, before any training: ridge regression of log spectra on the first layer's view of the text.

        powers: (items, bands), mean power of a bin in each band of some recordings; text: (items, features), about each.
        """
        hidden, last = self.spectrum[:-1](self._scaled(text)), self.spectrum[-1]
        assert isinstance(last, nn.Linear)
        target = (powers.clamp_min(POWER_FLOOR) / self.mean_power).log()
        middle, level = hidden.mean(0), target.mean(0)
        seen = hidden - middle
        gram = seen.T @ seen
        gram = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        last.weight.copy_(torch.linalg.solve(gram, seen.T @ (target - level)).T)
        last.bias.copy_(level - last.weight @ middle)

    def _scaled(self, text: Tensor) -> Tensor:
        """Features of variance one, as layers like them: sentences come as vectors of length one."""
        return text * text.shape[-1] ** 0.5
