"""Coherent generation: sources that were never heard together, made so that their sum is likely as a mixture.

GMSDI's model knows p(x | text) of recordings alone. A prompt a source gives K densities p_k, one for each, but nothing that ties
them; the prompt of the whole gives the density p_Y of what they add up to. The abstract of the paper says that coherent sources
can be had of these; its body could not be read where this was written, so what follows is OURS.

**The joint.** Of all joint densities whose sum is distributed as p_Y, take the one nearest to independent sources:

    q = argmin KL(q || prod_k p_k)  subject to  y = sum_k x_k ~ p_Y,    which is    q(x) = prod_k p_k(x_k) * p_Y(y) / p_I(y)

where p_I is the density of the sum of *independent* sources. (KL splits into that of the sum and that of the sources given the
sum; the first is fixed, the second is zero where q(x | y) = p_I(x | y).) Three things follow. Where the mixture prompt says no more
than the sources do, p_Y = p_I, they stay independent; one source alone is left as it is. And q(x | y) = p_I(x | y): once the
mixture is *given* the coupling has nothing left to say, so the Dirac separator needs no mixture prompt.

**The denoiser.** In a cell of the transform the network says x_k ~ N(0, v_k), the sum y ~ N(0, V), and independence would give
it u = sum_k v_k. So q is a Gaussian with precision diag(1 / v_k) + c 1 1^T, c = 1/V - 1/u. Heard as X = x + sigma n it has the
precision diag(1 / p_k) + c 1 1^T and the linear term X / sigma^2, where

    m_k = v_k / (v_k + sigma^2) X_k,        p_k = v_k sigma^2 / (v_k + sigma^2)

are the estimate of source k by itself and its variance. Sherman and Morrison's formula inverts it:

    D_k = E_q[x_k | X] = m_k - p_k c M / (1 + c P),       M = sum_k m_k,  P = sum_k p_k

or, with Y = M / (1 + c P), the estimate of the sum, D_k = m_k + p_k / P (Y - M): separation of an estimated mixture, the same
line as in networks/local_gaussian.py. Since P < u, 1 + c P > 1 - P / u > 0: nothing can blow up.

**What V is taken from.** The sum of the noisy sources is a mixture at a noise level of its own, sum_k X_k = y + sqrt(K) sigma n, so
the network reads it there, under the prompt of the whole; v_k it reads from X_k at sigma under the prompt of source k.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def coherent(
    noisy: Tensor,
    noise_power: Tensor,
    v: Tensor,
    whole: Tensor,
    times: Callable[[Tensor, Tensor], Tensor] = torch.mul,
) -> Tensor:
    """D of above. noisy: (batch, sources, ...), real or complex; v: (batch, sources, ...), powers; whole: (batch, 1, ...), the
    power of the sum; noise_power: sigma^2, broadcast against them. times: what multiplies cells, of the shape of noisy, by gains
    of v's. Returns the shape of noisy."""
    gain, share = coupling(noise_power, v, whole)
    m = times(noisy, gain)
    return m + times(m.sum(1, keepdim=True), share)


def coupling(noise_power: Tensor, v: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """(m_k / X_k, (D_k - m_k) / M), both the shape of v: all that depends on powers alone.

    With c = (u - V) / (u V) and 1 - P / u = sum_k v_k g_k / u, g_k the gain, the fraction is one of positive sums: nothing cancels.
    """
    gain, u = v / (v + noise_power), v.sum(1, keepdim=True)
    p = gain * noise_power
    below = whole * (v * gain).sum(1, keepdim=True) + u * p.sum(1, keepdim=True)
    return gain, p * (whole - u) / below
