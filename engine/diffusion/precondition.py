"""EDM preconditioning: a raw network becomes a denoiser (Karras et al. 2022, table 1 and section 5)."""

from torch import Tensor, nn

from engine.denoiser import Conditioning, per_item


class Preconditioned(nn.Module):
    """D(x, s) = clamp(c_skip x + c_out F(c_in x, c_noise), -1, 1).

    c_skip = d^2 / (s^2 + d^2), c_out = s d / sqrt(s^2 + d^2), c_in = 1 / sqrt(s^2 + d^2), c_noise = ln(s) / 4, d = sigma_data.
    The clamp to full scale is part of the published model's denoiser, in training and in sampling.
    """

    CORE = "network"

    def __init__(self, network: nn.Module, sigma_data: float):
        super().__init__()
        self.network, self.sigma_data = network, sigma_data

    def forward(self, x: Tensor, sigma: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """x: (batch, sources, samples), sigma: scalar or (batch,). Unconditional: conditioning is not used."""
        s, d = per_item(sigma, x), self.sigma_data
        total = s**2 + d**2
        raw = self.network(x * total.rsqrt(), s.flatten().log() / 4)
        return (x * d**2 / total + raw * s * d * total.rsqrt()).clamp(-1, 1)
