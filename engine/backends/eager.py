"""torch, eager: in float32 the reference every other back end is compared with; in bfloat16 and eight bits where those multiply
faster."""

import torch

from engine.cards import Card, load_network
from engine.denoiser import Denoiser
from engine.devices import no_device
from engine.errors import ResourceError
from engine.networks import as_denoiser
from engine.networks.core import Rounded, core_of, replace_core
from engine.networks.eight_bits import EightBits
from engine.networks.unet2d import UNet2d

OTHER = "Use --backend auto, or torch."


def eager(card: Card, device: str) -> Denoiser:
    """The card's network in float32 on `device` ("cpu", "cuda", "mps"). ResourceError when torch has no such device."""
    try:
        network = load_network(card).to(device)
    except (RuntimeError, AssertionError) as error:
        raise no_device(device, error) from error
    return as_denoiser(network, card.spec)


def eager_bf16(card: Card, device: str) -> Denoiser:
    """The same with its core in bfloat16."""
    denoiser = eager(card, device)
    return replace_core(denoiser, Rounded(core_of(denoiser), torch.bfloat16))


def eager_int8(card: Card, device: str) -> Denoiser:
    """The same with the products in its core of eight bits: engine/networks/eight_bits.py. ResourceError for another network than
    the compact one, and where torch or the processor does not have them."""
    denoiser = eager(card, device)
    core = core_of(denoiser)
    if not isinstance(core, UNet2d):
        raise ResourceError(f"'{card.network}' is not computed in eight bits.", OTHER)
    if device != "cpu" or not torch.cpu._is_vnni_supported():
        raise ResourceError("Eight bits need a processor with VNNI, which is not there.", OTHER)
    try:
        return replace_core(denoiser, EightBits(core))
    except (AttributeError, RuntimeError) as error:  # its operators are of torch's own compiler, and may change
        raise ResourceError(f"torch {torch.__version__} does not compute in eight bits here: {error}", OTHER) from error
