"""Open-Unmix from its own package behind this project's seam: a peer to measure against, trained on the same examples."""

import torch
from torch import Tensor, nn

from engine.denoiser import Conditioning
from engine.errors import ModelError
from engine.torchaudio_shim import torchaudio


class OpenUnmix(nn.Module):
    """A conditional-only Denoiser: what it is given of x and sigma it does not hear, only the mixture.

    sources: number of sources, each with an openunmix.model.OpenUnmix of `hidden` units. em: rounds of expectation-maximisation
    after it, the package's own multichannel Wiener filter. ModelError where the package is not installed.
    """

    def __init__(self, sources: int = 4, hidden: int = 512, em: int = 1, fft: int = 4096, hop: int = 1024):
        super().__init__()
        assert torchaudio  # the package imports it, which needs the shim beside a CPU-only torch
        try:
            from openunmix.model import OpenUnmix as Target
            from openunmix.model import Separator
        except ImportError as error:
            raise ModelError(
                "Open-Unmix is not installed.", "Install it with: pip install 'stemweave[peers]'"
            ) from error
        targets = {str(index): Target(fft // 2 + 1, 1, hidden) for index in range(sources)}
        self.separator = Separator(targets, niter=em, n_fft=fft, n_hop=hop, nb_channels=1)

    def forward(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Stems of conditioning.mixture: (batch, samples), in the shape of x: (batch, sources, samples)."""
        if conditioning is None or conditioning.mixture is None:
            raise ModelError("Open-Unmix only separates a mixture.", "Choose another model for this task.")
        return self.separator(conditioning.mixture[:, None])[:, :, 0]

    def magnitudes(self, audio: Tensor) -> Tensor:
        """(batch, samples) to (batch, 1, bins, frames), as the package makes them."""
        return self.separator.complexnorm(self.separator.stft(audio[:, None]))

    def loss(self, clean: Tensor) -> Tensor:
        """The package's own: mean squared error of each source's magnitudes. clean: (batch, sources, samples)."""
        mixture = self.magnitudes(clean.sum(1))
        targets = self.separator.target_models.values()
        errors = [target(mixture) - self.magnitudes(clean[:, row]) for row, target in enumerate(targets)]
        return torch.stack([error.square().mean() for error in errors]).sum()

    def fit_input(self, mixtures: Tensor) -> None:
        """Mean and spread of the mixtures' magnitudes in each bin, what the package's targets are scaled by. (batch, samples)."""
        heard = self.magnitudes(mixtures)[:, 0]
        mean, spread = heard.mean((0, 2)), heard.std((0, 2))
        spread = spread.clamp(min=float(spread.max()) * 1e-4)
        for target in self.separator.target_models.values():
            target.input_mean.data.copy_(-mean)
            target.input_scale.data.copy_(1 / spread)
