"""torch, eager: the reference every other back end is compared with."""

from engine.cards import Card, load_network
from engine.denoiser import Denoiser
from engine.errors import ResourceError
from engine.networks import as_denoiser


def eager(card: Card, device: str) -> Denoiser:
    """The card's network in float32 on `device` ("cpu", "cuda", "mps"). ResourceError when torch has no such device."""
    try:
        network = load_network(card).to(device)
    except (RuntimeError, AssertionError) as error:
        message = f"torch cannot use the device '{device}': {error}"
        raise ResourceError(message, "See what there is: stemweave doctor") from error
    return as_denoiser(network, card.spec)
