"""A model folder with random weights, small enough that a test may load it many times."""

from pathlib import Path

import torch

from engine.cards import write_model_folder
from engine.denoiser import ModelSpec
from engine.networks import build

SOURCES = ("bass", "drums", "guitar", "piano")
TINY = {
    "fft": 512, "hop": 128, "bands": 64, "channels": [8, 12], "patch": [4, 4], "context": 16, "overview": [16, 2], "across": 4,
}  # fmt: skip
SMALLEST = TINY | {"channels": [8], "overview": [8, 2]}
TINY_PAPER = {
    "channels": 32, "patch_factor": 8, "multipliers": [1, 2, 2], "factors": [4, 2], "num_blocks": [1, 1],
    "attentions": [False, True], "attention_heads": 2, "attention_features": 8,
}  # fmt: skip


def write_tiny_model(folder: Path, chunk: int = 32768, sample_rate: int = 22050, hears_known: bool = False) -> Path:
    """Write `folder` as a model called by its last part; random but fixed weights, about 20 thousand. Returns folder."""
    spec = ModelSpec(SOURCES, sample_rate, chunk, 0.05, conditional=True, hears_known=hears_known)
    arguments = TINY | ({"hears_known": True} if hears_known else {})
    torch.manual_seed(0)
    network = build("local_gaussian", arguments, spec)
    for ending in (network.unet.leave, network.unet.down[0].across.expand):
        torch.nn.init.normal_(ending.weight, std=0.3)
    about = {"title": "random weights"}
    return write_model_folder(folder, spec, "local_gaussian", arguments, network.state_dict(), about)


def write_smallest_model(folder: Path) -> Path:
    """The same with as few layers as there can be, for compiling takes time by the layer; its overview is heard. Returns folder."""
    spec = ModelSpec(SOURCES, 22050, 32768, 0.05, conditional=True)
    torch.manual_seed(0)
    network = build("local_gaussian", SMALLEST, spec)
    for ending in (network.unet.leave, network.unet.overview.leave):
        torch.nn.init.normal_(ending.weight, std=0.3)
    return write_model_folder(
        folder, spec, "local_gaussian", SMALLEST, network.state_dict(), {"title": "random weights"}
    )


def write_tiny_paper_model(folder: Path, sources: tuple[str, ...] = SOURCES) -> Path:
    """The same of the paper's U-Net, small. Returns folder."""
    spec = ModelSpec(sources, 22050, 16384, 0.05, length_multiple=64)
    torch.manual_seed(0)
    network = build("msdm_unet", TINY_PAPER, spec)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return write_model_folder(folder, spec, "msdm_unet", TINY_PAPER, network.state_dict(), {"title": "random weights"})


def write_tiny_text_model(folder: Path, encoder: str = "words", sample_rate: int = 22050) -> Path:
    """The same of a text-conditioned model, by default with the encoder that has no weights. Returns folder."""
    spec = ModelSpec(("recording",), sample_rate, 32768, 0.05, text=encoder)
    torch.manual_seed(0)
    network = build("text_gaussian", TINY, spec)
    for parameter in (network.unet.leave.weight, network.spectrum[-1].weight, network.told.weight):
        torch.nn.init.normal_(parameter, std=0.3)
    return write_model_folder(folder, spec, "text_gaussian", TINY, network.state_dict(), {"title": "random weights"})
