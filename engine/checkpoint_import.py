"""Import of the authors' published checkpoints (PyTorch Lightning 1.7) as model folders, running nothing they hold.

A Lightning checkpoint is a zip with a pickle inside, and unpickling a stranger's file can run a stranger's program. So
torch's restricted unpickler reads it, which builds tensors and plain containers and calls nothing else. The one class
the published files need on top, the noise distribution among the hyper-parameters, is replaced by one of ours that
forgets what it is given.
"""

import hashlib
import inspect
import math
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from engine.cards import CARD, write_model_folder
from engine.denoiser import ModelSpec
from engine.errors import ModelError
from engine.networks.msdm_unet import MSDMUNet

PREFIX = "model.unet."
SOURCES = ("bass", "drums", "guitar", "piano")  # order of the channels, exp/train_msdm.yaml
SAMPLE_RATE = 22050
CHUNK = 262144  # samples
SIGMA_DATA = 0.2
# Settings of the package that MSDMUNet has no argument for, since the published networks share them.
FIXED = {"patch_blocks": 1, "use_nearest_upsample": False, "use_context_time": True, "diffusion_dynamic_threshold": 0.0}
NAMED = 5  # offenders an error message names before it only counts
GET_ANOTHER = "Download it again from the authors' page, linked in their repository's ckpts/README.md."


class Forgotten:
    """Stands in for a class of the checkpoint: takes whatever the pickle gives it and keeps nothing."""

    def __new__(cls, *args: Any) -> Self:
        return super().__new__(cls)

    def __init__(self, *args: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


ALLOWED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (Forgotten, "audio_diffusion_pytorch.diffusion.LogNormalDistribution")
]


def import_msdm_checkpoint(
    path: Path, out_folder: Path, name: str | None = None, sources: tuple[str, ...] | None = None
) -> Path:
    """Convert the Lightning checkpoint at path into the model folder out_folder / name, and return that folder.

    sources: names in channel order. The four-channel network has the paper's four; one with a single channel (the
    paper's "weakly supervised" ones) does not say which source it is, so there it must be given. name: of the model,
    "msdm" or "msdm-SOURCE" when not given.
    Raises ModelError where the file is damaged, holds more than weights, or is another network's.
    """
    checkpoint = read_checkpoint(path)
    tensors = network_tensors(checkpoint, path)
    hyper = checkpoint.get("hyper_parameters")
    hyper = hyper if isinstance(hyper, dict) else {}
    arguments = constructor_arguments(hyper, tensors, path)
    network = _empty_network(arguments, path)
    _check_tensors(tensors, network.state_dict(), path)
    sources = _source_names(sources, network.in_channels, path)
    folder = _new_folder(out_folder, name or ("msdm" if len(sources) > 1 else f"msdm-{sources[0]}"))
    spec = ModelSpec(
        sources, SAMPLE_RATE, CHUNK, _sigma_data(hyper, path), level=0, length_multiple=network.length_multiple
    )
    weights = {key: tensor.detach().float() for key, tensor in tensors.items()}
    return write_model_folder(folder, spec, "msdm_unet", arguments, weights, _about(checkpoint, path, sources))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint's dictionary, memory-mapped. Of what the file names, only torch's own safe list is ever called."""
    _check_archive(path)
    with safe_globals(ALLOWED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of unusual pickles; here they end in an error of ours anyway
        try:
            refused = sorted(get_unsafe_globals_in_checkpoint(path))
            checkpoint = None if refused else torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except Exception as error:  # a pickle made to harm can fail in any way, and every way means: not loaded
            raise ModelError(
                f"'{path.name}' is not a PyTorch checkpoint that can be read safely, so it was not loaded.", GET_ANOTHER
            ) from error
    if refused:
        raise ModelError(
            f"'{path.name}' holds more than weights and was not loaded.",
            f"It asks for {_some(refused)}, which loading weights never needs: it could run a stranger's program here."
            " Ask its author for plain weights.",
        )
    if not isinstance(checkpoint, dict):
        raise ModelError(f"'{path.name}' is not a Lightning checkpoint: it holds no dictionary.", GET_ANOTHER)
    return checkpoint


def network_tensors(checkpoint: dict[str, Any], path: Path) -> dict[str, Tensor]:
    """The network's tensors, prefix stripped. The file has each a second time, below `model.diffusion.net.`."""
    state = checkpoint.get("state_dict")
    if not isinstance(state, dict):
        raise ModelError(f"'{path.name}' is not a Lightning checkpoint: it has no 'state_dict'.", GET_ANOTHER)
    tensors = {
        key.removeprefix(PREFIX): value
        for key, value in state.items()
        if isinstance(key, str) and key.startswith(PREFIX) and isinstance(value, Tensor)
    }
    if not tensors:
        raise ModelError(f"'{path.name}' is no MSDM checkpoint: it has no '{PREFIX}*' weights.", GET_ANOTHER)
    return tensors


def constructor_arguments(hyper: dict[str, Any], tensors: dict[str, Tensor], path: Path) -> dict[str, Any]:
    """Arguments of MSDMUNet that differ from its defaults: from the hyper-parameters and the first layer's shape."""
    for key, value in FIXED.items():
        found = hyper.get(key, value)
        if not isinstance(found, int | float) or found != value:
            raise ModelError(f"'{path.name}' was trained with {key} = {str(found)[:40]}; only {value} is supported.")
    defaults = {key: p.default for key, p in inspect.signature(MSDMUNet).parameters.items()}
    published_channels = defaults.pop("in_channels")
    arguments: dict[str, Any] = {}
    for key, default in defaults.items():
        value = hyper.get(key, default)
        if not _plausible(value, default):
            raise ModelError(
                f"The hyper-parameter {key} of '{path.name}' makes no sense: {str(value)[:40]}.", GET_ANOTHER
            )
        if isinstance(default, tuple):
            if list(value) != list(default):
                arguments[key] = list(value)
        elif value != default:
            arguments[key] = value
    first = tensors.get("to_in.module_list.0.block.block1.project.weight")
    if first is not None and first.ndim == 3 and first.shape[1] != published_channels:
        arguments["in_channels"] = first.shape[1]
    return arguments


def _check_archive(path: Path) -> None:
    """ModelError unless path is a whole zip that unpacks to no more than its own size."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked <= path.stat().st_size:
                return
            raise ModelError(f"'{path.name}' is compressed, which PyTorch checkpoints are not.", GET_ANOTHER)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"The checkpoint '{path}' cannot be read: {error}.", "Check the path and the file.") from error
    if start == b"PK\x03\x04":
        raise ModelError(f"'{path.name}' is cut short: the download did not finish.", GET_ANOTHER)
    raise ModelError(
        f"'{path.name}' is not a PyTorch checkpoint.", "Unpack the authors' .tar and give the .ckpt inside."
    )


def _plausible(value: Any, default: Any) -> bool:
    """Same type as the default and of a size no larger network of this kind would pass."""
    if isinstance(default, tuple):
        few = isinstance(value, list | tuple) and len(value) <= 16
        return few and all(_plausible(entry, default[0]) and entry <= 64 for entry in value)
    return type(value) is type(default) and (isinstance(value, bool) or 1 <= value <= 4096)


def _empty_network(arguments: dict[str, Any], path: Path) -> MSDMUNet:
    """The network the weights should fit, without memory behind its own."""
    try:
        with torch.device("meta"):
            network = MSDMUNet(**arguments)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"The hyper-parameters of '{path.name}' fit no network: {error}", GET_ANOTHER) from error
    if CHUNK % network.length_multiple:
        raise ModelError(
            f"The network in '{path.name}' works on multiples of {network.length_multiple} samples,"
            f" which do not fill the published chunk of {CHUNK}."
        )
    return network


def _check_tensors(tensors: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> None:
    """ModelError naming missing, unexpected, misshapen or unusable tensors."""
    faults = [f"{key} is missing" for key in wanted.keys() - tensors.keys()]
    faults += [f"{key} is unexpected" for key in tensors.keys() - wanted.keys()]
    owners: dict[int, str] = {}
    for key in tensors.keys() & wanted.keys():
        tensor, shape = tensors[key], tuple(wanted[key].shape)
        if tuple(tensor.shape) != shape:
            faults.append(f"{key} is {tuple(tensor.shape)} instead of {shape}")
        elif tensor.device.type != "cpu" or tensor.layout != torch.strided or not tensor.is_floating_point():
            faults.append(f"{key} holds no plain floating-point numbers")
        elif owners.setdefault(tensor.untyped_storage().data_ptr(), key) != key:
            faults.append(f"{key} shares its memory with another")
        elif not tensor.isfinite().all():
            faults.append(f"{key} has values that are not finite")
    if faults:
        raise ModelError(f"'{path.name}' does not fit the MSDM network: {_some(sorted(faults))}.", GET_ANOTHER)


def _source_names(sources: tuple[str, ...] | None, channels: int, path: Path) -> tuple[str, ...]:
    if sources is None and channels == len(SOURCES):
        return SOURCES
    if sources is None or len(sources) != channels or len(set(sources)) != channels:
        raise ModelError(
            f"'{path.name}' is a network for {channels} source(s), and it does not say which.",
            f"Name {channels} different source(s), e.g. sources=('bass',); the authors' own: {', '.join(SOURCES)}.",
        )
    return tuple(sources)


def _new_folder(out_folder: Path, name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ModelError(f"'{name}' cannot name a model.", "Use letters, digits, '.', '-' and '_'.")
    if (out_folder / name / CARD).exists():
        raise ModelError(f"There is a model called '{name}' already.", "Choose another name, or delete its folder.")
    return out_folder / name


def _sigma_data(hyper: dict[str, Any], path: Path) -> float:
    value = hyper.get("diffusion_sigma_data", SIGMA_DATA)
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ModelError(f"The hyper-parameter diffusion_sigma_data of '{path.name}' makes no sense.", GET_ANOTHER)
    return float(value)


def _about(checkpoint: dict[str, Any], path: Path, sources: tuple[str, ...]) -> dict[str, Any]:
    """What a person reads on the card; the file's hash says which of the published ones it was."""
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    steps = {key: checkpoint[key] for key in ("epoch", "global_step") if isinstance(checkpoint.get(key), int)}
    return {
        "title": f"Multi-source diffusion model (Mariani et al., 2023): {', '.join(sources)}",
        "licence": "unknown: the authors state none",
        "training_data": "Slakh2100",
        "source_file": path.name,
        "source_sha256": sha256,
    } | steps


def _some(items: list[str]) -> str:
    """The first few of many, and how many more there are."""
    rest = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
