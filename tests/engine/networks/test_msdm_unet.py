"""The paper's network against the package it was trained with, audio-diffusion-pytorch 0.0.43, on the same random weights."""

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from engine.diffusion.precondition import Preconditioned
from engine.errors import ShapeError
from engine.networks.msdm_unet import MSDMUNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from audio_diffusion_pytorch import AudioDiffusionModel

PUBLISHED = dict(
    channels=256, patch_blocks=1, patch_factor=16, attention_features=128, diffusion_sigma_data=0.2
)  # exp/train_msdm.yaml, where it differs from the package's own defaults
SMALL = dict(
    channels=32,
    patch_factor=4,
    multipliers=[1, 2, 3, 4],
    factors=[2, 3, 2],
    num_blocks=[1, 2, 1],
    attentions=[False, True, True],
    attention_heads=2,
    attention_features=8,
    attention_multiplier=3,
    resnet_groups=4,
)
SMALL_MULTIPLE = 4 * 2 * 3 * 2


def reference(device: str = "cpu", **arguments) -> nn.Module:
    with torch.device(device):
        return AudioDiffusionModel(**{"patch_blocks": 1, "diffusion_sigma_data": 0.2, **arguments}).eval()


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Every parameter random, gains and biases too, at levels that keep activations near one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.endswith(("norm.weight", ".g")):
            parameter.data.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith("to_time.0.0.weights"):
            parameter.data.normal_(generator=generator)
        else:
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 12  # biases within +-0.5
            parameter.data.uniform_(-math.sqrt(3 / fan_in), math.sqrt(3 / fan_in), generator=generator)


def sharing_weights(network: nn.Module, **arguments) -> MSDMUNet:
    """Our network on the very tensors of the reference, so that memory holds them once."""
    with torch.device("meta"):
        ours = MSDMUNet(**arguments)
    ours.load_state_dict(network.state_dict(), strict=True, assign=True)
    return ours.eval()


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over largest value."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def small(seed: int = 0, **changes) -> MSDMUNet:
    network = MSDMUNet(**{"in_channels": 2, **SMALL, **changes})
    randomise(network, seed)
    return network.eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("sources", "parameters"), [(4, 405_497_700), (1, 405_491_100)])
def test_published_size_names_and_shapes(sources, parameters):
    with torch.device("meta"):
        ours = MSDMUNet(in_channels=sources)
    theirs = reference("meta", in_channels=sources, **PUBLISHED).unet
    assert sum(p.numel() for p in ours.parameters()) == parameters
    assert {n: t.shape for n, t in ours.state_dict().items()} == {n: t.shape for n, t in theirs.state_dict().items()}
    assert ours.length_multiple == 8192


def test_names_and_shapes_noted_from_the_checkpoint_layout():
    with torch.device("meta"):
        tensors = MSDMUNet().state_dict()
    assert len(tensors) == 434
    noted = {
        "to_time.0.0.weights": (128,),
        "to_time.0.1.weight": (1024, 257),
        "to_in.module_list.0.block.block1.project.weight": (16, 4, 3),
        "to_in.module_list.0.block.to_scale_shift.to_scale_shift.1.weight": (32, 1024),
        "downsamples.0.downsample.weight": (512, 256, 9),
        "downsamples.3.transformer.attention.fn.to_kv.weight": (2048, 1024),
        "downsamples.3.transformer.feed_forward.3.g": (1, 2048, 1),
        "bottleneck.attention.fn.attention.to_out.1.g": (1024,),
        "upsamples.0.upsample.weight": (1024, 1024, 4),
        "to_out.module_list.0.block.to_out.weight": (4, 16, 1),
    }
    assert {name: tuple(tensors[name].shape) for name in noted} == noted


@pytest.mark.parametrize("skip_scale", [True, False])
@pytest.mark.parametrize("bottleneck", [True, False])
def test_small_network_agrees_with_reference(skip_scale, bottleneck):
    arguments = dict(in_channels=2, **SMALL, use_skip_scale=skip_scale, use_attention_bottleneck=bottleneck)
    theirs = reference(**arguments).unet
    randomise(theirs)
    ours = sharing_weights(theirs, **arguments)
    x, c_noise = noise(2, 2, 20 * SMALL_MULTIPLE), torch.tensor([-1.3, 0.4])
    with torch.no_grad():
        assert distance(ours(x, c_noise), theirs(x, c_noise)) < 1e-5


def test_parity_would_notice_a_wrong_skip_scale():
    arguments = dict(in_channels=2, **SMALL)
    theirs = reference(**arguments).unet
    randomise(theirs)
    ours = sharing_weights(theirs, **arguments, use_skip_scale=False)
    x, c_noise = noise(1, 2, 20 * SMALL_MULTIPLE), torch.tensor([0.4])
    with torch.no_grad():
        assert distance(ours(x, c_noise), theirs(x, c_noise)) > 1e-2


def test_published_network_agrees_with_reference():
    theirs = reference("meta", in_channels=4, **PUBLISHED).to_empty(device="cpu")
    randomise(theirs.unet)
    ours = sharing_weights(theirs.unet)
    clean = 0.2 * noise(1, 4, 65536, seed=1)
    for sigma in (1e-3, 0.1, 1.0, 20.0):
        x = clean + sigma * noise(1, 4, 65536, seed=2)
        c_in, c_noise = 1 / math.hypot(sigma, 0.2), torch.tensor([math.log(sigma) / 4])
        with torch.no_grad():
            assert distance(ours(c_in * x, c_noise), theirs.unet(c_in * x, c_noise)) < 1e-4
            denoised = Preconditioned(ours, 0.2)(x, torch.tensor(sigma))
            assert distance(denoised, theirs.diffusion.denoise_fn(x, sigma=sigma)) < 1e-4


def test_every_parameter_gets_a_gradient():
    network = small()
    network(noise(1, 2, 4 * SMALL_MULTIPLE), torch.tensor([0.3])).square().mean().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_items_of_a_batch_do_not_see_each_other():
    network, x, c_noise = small(), noise(2, 2, 8 * SMALL_MULTIPLE), torch.tensor([-0.5, 0.5])
    with torch.no_grad():
        together = network(x, c_noise)
        apart = torch.cat([network(x[i : i + 1], c_noise[i : i + 1]) for i in range(2)])
    assert distance(together, apart) < 1e-5


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ((1, 2, SMALL_MULTIPLE + 1), 1),
        ((1, 2, 0), 1),
        ((1, 3, SMALL_MULTIPLE), 1),
        ((2, SMALL_MULTIPLE), 2),
        ((2, 2, SMALL_MULTIPLE), 1),
    ],
)
def test_wrong_shapes_are_refused(shape, times):
    with pytest.raises(ShapeError):
        small()(torch.zeros(shape), torch.zeros(times))


def test_the_hint_names_the_next_good_length():
    with pytest.raises(ShapeError) as caught:
        small()(torch.zeros(1, 2, SMALL_MULTIPLE + 1), torch.zeros(1))
    assert f"{2 * SMALL_MULTIPLE} samples" in caught.value.hint


@pytest.mark.parametrize(
    "arguments", [{"factors": [2, 2]}, {"channels": 30}, {"factors": [2, 1, 2]}, {"kernel_multiplier_downsample": 3}]
)
def test_arguments_that_fit_no_network_are_refused(arguments):
    with pytest.raises(ValueError):
        MSDMUNet(**{**SMALL, **arguments})
