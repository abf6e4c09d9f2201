"""Schedules: the falling noise levels a sampler walks down."""

import torch
from torch import Tensor

from engine.errors import PresetError


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Karras et al. 2022, eq. 5: `steps` levels from sigma_max to sigma_min, evenly spaced in sigma^(1/rho), then 0.

    Returns float64 (steps + 1,). One step is the single level sigma_max. Raises PresetError on impossible ranges.
    """
    if steps < 1:
        raise PresetError(f"steps must be at least 1, not {steps}.", "Use --steps 1 or more.")
    if not 0 < sigma_min <= sigma_max:
        raise PresetError(f"The schedule needs 0 < sigma_min <= sigma_max, not {sigma_min} and {sigma_max}.")
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return torch.cat([(top + ramp * (bottom - top)) ** rho, torch.zeros(1, dtype=torch.float64)])
