"""What surrounds the compact network's core, source by source and in place, for back ends that ask for no gradient.

A batch of transforms is larger than what an allocator keeps for the next call, so that every step of the closed form would begin
with the system clearing new pages of memory, which takes longer than the step. One source's fits the processor's cache.
"""

from typing import Any

import torch
from torch import Tensor, nn

from engine.denoiser import Conditioning
from engine.networks.side_by_side import side_by_side


def fits(x: Tensor) -> bool:
    """On a processor, where no gradient is asked for."""
    return x.device.type == "cpu" and not (torch.is_grad_enabled() and x.requires_grad)


def denoise(network: Any, x: Tensor, sigma: Tensor, told: Conditioning) -> Tensor:
    """LocalGaussian.forward; sigma: (batch, 1, 1). A core that torch runs, runs with the rest of its item; another has threads of
    its own, and hears all items at once."""
    log_sigma, y = sigma.flatten().log(), torch.empty_like(x)
    known = told.known if network.hears_known else None

    def of(tensor: Tensor | None, i: int) -> Tensor | None:
        return None if tensor is None else tensor[i : i + 1]

    @torch.no_grad()
    def begin(i: int) -> Cells:
        conditioning = Conditioning(of(told.mixture, i), known=of(known, i))
        return Cells(network, x[i : i + 1], sigma[i : i + 1], conditioning)

    @torch.no_grad()
    def whole(i: int) -> None:
        cells = begin(i)
        cells.estimate(network.unet(cells.levels, log_sigma[i : i + 1]), y[i])

    if isinstance(network.unet.run, nn.Module):
        side_by_side(whole, len(x))
        return y
    items = side_by_side(begin, len(x))
    offset = network.unet(torch.cat([cells.levels for cells in items]), log_sigma)
    side_by_side(torch.no_grad()(lambda i: items[i].estimate(offset[i : i + 1], y[i])), len(x))
    return y


class Cells:
    """One item between its transform and its estimate. network: a LocalGaussian. x: (1, sources, samples); sigma: (1, 1, 1);
    told.mixture: (1, samples); told.known: (1, sources, samples)."""

    def __init__(self, network: Any, x: Tensor, sigma: Tensor, told: Conditioning):
        self.network, self.sigma = network, sigma
        self.known = None if told.known is None else network.known_cells(told.known)
        self.mixture = None if told.mixture is None else network.transform(told.mixture[:, None])
        self.noisy = [network.transform(one) for one in x.split(1, 1)]
        heard = torch.cat([network.heard_power(one) for one in self.noisy], 1)
        mixture = None if self.mixture is None else network.heard_power(self.mixture)
        self.levels = network.levels(heard, sigma, mixture, known=self.known)

    def estimate(self, offset: Tensor, out: Tensor) -> None:
        """Write the denoised item, (sources, samples): LocalGaussian.estimate over the transform. offset: what the core says."""
        network, spread = self.network, self.network.bands.spread
        gain, share = network.gains(network.said(offset), self.sigma, self.known)
        rest = self.mixture
        for j, m in enumerate(self.noisy):
            m.mul_(spread(gain[:, j : j + 1]))
            if rest is not None:
                rest = rest - (m if self.known is None else m * ~self.known[:, j : j + 1])
        for j, m in enumerate(self.noisy):
            if rest is not None:
                m.add_(rest * spread(share[:, j : j + 1]))
            inverse(network, m, out[j])


def inverse(network: Any, cells: Tensor, out: Tensor) -> None:
    """LocalGaussian.inverse of one source, written to out: its frames laid one over the other by as many additions as a sample has
    frames. cells: (1, 1, bins, frames); out: (samples,)."""
    fft, hop, window = network.fft, network.hop, network.window
    if fft % hop:
        out.copy_(network.inverse(cells, len(out))[0, 0])
        return
    frames = torch.fft.irfft(cells[0, 0].T, fft).mul_(window)
    level = overlapped(window.square().expand(frames.shape), hop)
    y = overlapped(frames, hop).div_(level)[fft // 2 :][: len(out)]
    torch.mul(y, window.square().sum().sqrt(), out=out)


def overlapped(frames: Tensor, hop: int) -> Tensor:
    """(frames, fft) to (samples,), each frame `hop` after the last."""
    count, fft = frames.shape
    y = frames.new_zeros(count + fft // hop - 1, hop)
    for turn, part in enumerate(frames.unflatten(1, (-1, hop)).unbind(1)):
        y[turn : turn + count].add_(part)
    return y.flatten()
