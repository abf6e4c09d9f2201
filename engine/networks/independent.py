"""Independent networks, one a source: MSDM's weakly supervised form (section 4.3), for stems that were never heard together."""

import torch
from torch import Tensor, nn


class Independent(nn.Module):
    """Each source through its own single-source network, side by side; all are raw networks of one kind."""

    def __init__(self, networks: list[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.length_multiple = getattr(networks[0], "length_multiple", 1)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """x: (batch, sources, samples); noise: as each network takes it."""
        return torch.cat([network(x[:, j : j + 1], noise) for j, network in enumerate(self.networks)], 1)
