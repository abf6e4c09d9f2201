"""Open-Unmix behind the denoiser seam: its own arithmetic, trained by our loop, and no use without a mixture."""

import pytest
import torch

from engine.denoiser import Conditioning
from engine.errors import ModelError
from engine.networks.open_unmix import OpenUnmix


@pytest.fixture
def network() -> OpenUnmix:
    torch.manual_seed(0)
    return OpenUnmix(sources=3, hidden=16).eval()


@torch.no_grad()
def test_stems_are_the_targets_magnitudes_through_the_packages_wiener_filter(network):
    from openunmix.filtering import wiener  # now that the network has seen to torchaudio

    mixture = torch.randn(1, 20000)
    stems = network(torch.zeros(1, 3, 20000), torch.tensor(1.0), Conditioning(mixture=mixture))
    cells = torch.stft(mixture, 4096, 1024, window=torch.hann_window(4096), return_complex=True)
    said = torch.stack([target(cells.abs()[:, None]) for target in network.separator.target_models.values()], -1)
    filtered = wiener(said[0].permute(2, 1, 0, 3), torch.view_as_real(cells).permute(2, 1, 0, 3), 1)
    spectra = torch.view_as_complex(filtered.permute(4, 2, 1, 0, 3).contiguous())
    expected = torch.istft(spectra[:, 0], 4096, 1024, window=torch.hann_window(4096), length=20000)
    torch.testing.assert_close(stems[0], expected, rtol=1e-3, atol=1e-4)


def test_its_loss_falls(network):
    torch.manual_seed(1)
    clean = torch.randn(2, 3, 20000) * torch.tensor([1.0, 0.3, 0.1])[None, :, None]
    network.train()
    network.fit_input(clean.sum(1))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = network.loss(clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_without_a_mixture_it_says_that_it_only_separates(network):
    with pytest.raises(ModelError, match="only separates"):
        network(torch.zeros(1, 3, 20000), torch.tensor(1.0))
