"""Eight bits: near float32, item by item, at any length; its parts are the layers they stand for."""

import pytest
import torch
from torch import nn

from engine.export import relative_error
from engine.networks.eight_bits import ConvIn8, EightBits, GrowIn8, LinearIn8, rounded
from engine.networks.unet2d import UNet2d

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # once, that they will go


@pytest.fixture
def core() -> UNet2d:
    """As if it were trained."""
    torch.manual_seed(0)
    made = UNet2d(6, 4, 64, (8, 12), (4, 4), 16, (16, 2), 4).eval().requires_grad_(False)
    for ending in (made.leave, made.overview.leave, made.down[0].across.expand, made.up[0].across.expand):
        nn.init.normal_(ending.weight, std=0.3)
    return made


@pytest.mark.vnni
@pytest.mark.parametrize("frames", [1, 16, 37])
def test_the_core_is_near_at_any_length_with_and_without_an_overview_and_more_to_hear(core, frames):
    x, log_sigma = torch.randn(3, 6, 64, frames), torch.tensor([-3.0, 0.0, 1.0])
    for told in (None, torch.randn(3, core.side)):
        assert relative_error(EightBits(core)(x, log_sigma, told), core(x, log_sigma, told)) < 0.03
    core.overview = None
    assert relative_error(EightBits(core)(x, log_sigma), core(x, log_sigma)) < 0.03


@pytest.mark.vnni
def test_a_loud_item_does_not_change_what_is_said_of_another(core):
    x, log_sigma = torch.randn(2, 6, 64, 16), torch.zeros(2)
    run = EightBits(core)
    louder = torch.stack([x[0], 1000 * x[1]])
    torch.testing.assert_close(run(louder, log_sigma)[0], run(x, log_sigma)[0], rtol=0, atol=0.02)


def test_bytes_reach_from_end_to_end_and_keep_zero():
    for x in (torch.tensor([[-1.0, 0.0, 3.0]]), torch.zeros(2, 2), torch.full((1, 3), 5.0), -torch.ones(1, 2)):
        b, scale, zero = rounded(x)
        assert b.dtype == torch.uint8
        torch.testing.assert_close(scale * (b.float() - zero), x, rtol=0, atol=scale / 2 + 1e-6)
        assert 0 <= zero <= 255


@pytest.mark.vnni
@pytest.mark.parametrize(
    ("layer", "in_8", "x"),
    [
        (nn.Conv2d(6, 10, 3, padding=1), ConvIn8, torch.randn(1, 6, 12, 7)),
        (nn.Conv2d(6, 10, 2, stride=2), ConvIn8, torch.randn(1, 6, 12, 8)),
        (nn.ConvTranspose2d(6, 10, (4, 2), stride=(4, 2)), GrowIn8, torch.randn(1, 6, 5, 7)),
        (nn.Linear(6, 10), lambda linear: LinearIn8(linear.weight, linear.bias), torch.randn(9, 6)),
    ],
)
def test_a_layer_is_itself_in_eight_bits(layer, in_8, x):
    with torch.no_grad():
        x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
        assert relative_error(in_8(layer)(x), layer(x)) < 0.02


@pytest.mark.vnni
def test_what_is_not_finite_stays_so_and_does_not_raise(core):
    x = torch.randn(2, 6, 64, 16)
    x[1, 0, 0, 0] = torch.inf
    assert EightBits(core)(x, torch.zeros(2)).isnan().all()
