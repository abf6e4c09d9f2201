"""torch, eager: in float32 the reference every other back end is compared with; in bfloat16 where that is multiplied faster."""

import torch

from engine.cards import Card, load_network
from engine.denoiser import Denoiser
from engine.errors import ResourceError
from engine.networks import as_denoiser
from engine.networks.core import Rounded, core_of, replace_core


def eager(card: Card, device: str) -> Denoiser:
    """The card's network in float32 on `device` ("cpu", "cuda", "mps"). ResourceError when torch has no such device."""
    try:
        network = load_network(card).to(device)
    except (RuntimeError, AssertionError) as error:
        message = f"torch cannot use the device '{device}': {error}"
        raise ResourceError(message, "See what there is: stemweave doctor") from error
    return as_denoiser(network, card.spec)


def eager_bf16(card: Card, device: str) -> Denoiser:
    """The same with its core in bfloat16."""
    denoiser = eager(card, device)
    return replace_core(denoiser, Rounded(core_of(denoiser), torch.bfloat16))
