"""What moves the weights: AdamW, or Muon for the matrices inside a network and AdamW for the rest."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.networks.unet2d import UNet2d
from engine.training.config import TrainConfig
from engine.training.muon import Muon


class Optimizer:
    """The optimizer a configuration names, as one.

    Muon (Jordan et al. 2024) replaces the update of a matrix by the nearest orthogonal one, so that directions the loss seldom
    speaks of are learnt as fast as the others. A convolution is to it the matrix from all it hears to its channels.
    """

    def __init__(self, network: nn.Module, config: TrainConfig):
        inside = matrices(network) if config.muon else []
        known = {id(weight) for weight in inside}
        others = [weight for weight in network.parameters() if id(weight) not in known]
        self.adamw = torch.optim.AdamW(others, lr=config.rate, weight_decay=config.decay, betas=(0.9, 0.99))
        self.parts: list[torch.optim.Optimizer] = [self.adamw]
        if inside:
            self.parts.append(Muon(inside, lr=config.rate, weight_decay=config.decay))
        self.rate, self.decay = config.rate, config.decay

    def step(self, share: float) -> None:
        """Move the weights by their gradients, at `share` of the peak rate; then forget the gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.rate * share
            part.step()
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)
            for group in part.param_groups:  # a run goes on as its configuration says now, in this as in all else
                group["weight_decay"] = self.decay


def matrices(network: nn.Module) -> list[Tensor]:
    """What Muon moves of `network`: the inner matrices of its U-Nets."""
    return [weight for module in network.modules() if isinstance(module, UNet2d) for weight in module.inner()]
