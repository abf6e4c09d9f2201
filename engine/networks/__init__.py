"""Networks, one file each, and the table a model card's `network` key is looked up in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from engine.denoiser import Denoiser, ModelSpec
from engine.diffusion.precondition import Preconditioned
from engine.errors import ModelError
from engine.networks.independent import Independent
from engine.networks.local_gaussian import LocalGaussian
from engine.networks.msdm_unet import MSDMUNet
from engine.networks.open_unmix import OpenUnmix
from engine.networks.text_gaussian import TextGaussian

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "msdm_unet": MSDMUNet,
    "local_gaussian": LocalGaussian,
    "text_gaussian": TextGaussian,
    "open_unmix": OpenUnmix,
}
INDEPENDENT = "independent"  # one of them for each source
DENOISERS = LocalGaussian, OpenUnmix  # networks that estimate clean sources; all others are raw


def build(network: str, arguments: dict[str, Any], spec: ModelSpec) -> nn.Module:
    """The network of a card with random weights. ModelError for a name or arguments it does not have."""
    if network == INDEPENDENT:
        one = replace(spec, sources=spec.sources[:1])
        try:
            kind, inner = arguments["network"], arguments["arguments"]
        except KeyError as error:
            raise ModelError(f"The card of independent networks lacks {error}.", "Combine the models again.") from error
        networks = [build(kind, inner, one) for _ in spec.sources]
        if any(isinstance(each, DENOISERS) for each in networks):
            raise ModelError(f"Networks of the kind '{kind}' cannot stand side by side.", "Take msdm_unet.")
        return Independent(networks)
    if network not in NETWORKS:
        raise ModelError(f"There is no network called '{network}'.", f"Networks: {', '.join(NETWORKS)}, {INDEPENDENT}.")
    channels = {"in_channels" if network == "msdm_unet" else "sources": len(spec.sources)}
    try:
        return NETWORKS[network](**channels | arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(f"The network '{network}' cannot be built from its card: {error}.") from error


def as_denoiser(network: nn.Module, spec: ModelSpec) -> Denoiser:
    """Networks that estimate clean sources are denoisers; raw ones need EDM's preconditioning."""
    return network if isinstance(network, DENOISERS) else Preconditioned(network, spec.sigma_data)
