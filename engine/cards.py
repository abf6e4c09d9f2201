"""Model cards: `card.toml` beside `weights.safetensors` makes a model folder. Reading and writing; never unpickling."""

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.denoiser import ModelSpec
from engine.errors import ModelError
from engine.networks import build
from engine.request import LIKE, MIXTURE, RESIDUAL

CARD = "card.toml"
WEIGHTS = "weights.safetensors"
SOURCE = re.compile(r"\w[\w -]{0,39}")  # what a source can be called: files are
TAKEN = (MIXTURE, LIKE, RESIDUAL, "input")  # what files beside stems are called


@dataclass(frozen=True)
class Card:
    """What stands in `card.toml`. folder: where it was read; network: key of NETWORKS; arguments: its constructor's;
    about: free text a person reads (title, licence, training data, measured quality)."""

    folder: Path
    spec: ModelSpec
    network: str
    arguments: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    def stamp(self) -> tuple[int, ...]:
        """Another one where card or weights were replaced since: when they were written, their sizes, and where they lie."""
        there = [self.folder / part for part in (CARD, WEIGHTS) if (self.folder / part).exists()]
        return tuple(
            number for found in map(Path.stat, there) for number in (found.st_mtime_ns, found.st_size, found.st_ino)
        )

    def digest(self) -> str:
        """SHA-256 over all that decides what comes of it, hexadecimal: the identity a recipe records. What `about` says does not,
        nor a setting that is as it is for cards without it."""
        chosen = {f.name: value for f in fields(ModelSpec) if (value := getattr(self.spec, f.name)) != f.default}
        told = json.dumps([chosen, self.network, self.arguments], sort_keys=True)
        return hashlib.sha256(hashlib.sha256(told.encode()).digest() + self._digest_of(WEIGHTS)).hexdigest()

    def is_known_as(self, digest: str) -> bool:
        """Whether a recipe means this model: until commit b70773b digests were over all of the card."""
        return digest in (self.digest(), hashlib.sha256(self._digest_of(CARD) + self._digest_of(WEIGHTS)).hexdigest())

    def _digest_of(self, part: str) -> bytes:
        with open(self.folder / part, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()


def read_card(folder: Path) -> Card:
    """Read and check `card.toml`; ModelError names the offending key."""
    try:
        with open(folder / CARD, "rb") as file:
            table = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(
            f"The model card {folder / CARD} cannot be read: {error}.", "Import the model again."
        ) from error
    try:
        spec = dict(table["model"])
        network, arguments = spec.pop("network"), spec.pop("arguments", {})
        unknown = set(spec) - {f.name for f in fields(ModelSpec)}
        if unknown:
            raise ModelError(f"The model card {folder / CARD} has unknown keys: {', '.join(sorted(unknown))}.")
        spec["sources"] = tuple(spec["sources"])
        for name in spec["sources"]:
            if not SOURCE.fullmatch(name) or name.lower() in TAKEN:
                raise ValueError(f"sources: none can be called '{name}'")
        return Card(folder, ModelSpec(**spec), network, arguments, table.get("about", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"The model card {folder / CARD} lacks or misstates {error}.", "Import the model again."
        ) from error


def write_model_folder(
    folder: Path, spec: ModelSpec, network: str, arguments: dict[str, Any], state_dict: dict[str, Tensor], about: dict
) -> Path:
    """Write weights, then the card, each whole or not at all (so that a folder with a card is complete). Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f".{WEIGHTS}.new"
    save_file({name: tensor.contiguous() for name, tensor in state_dict.items()}, weights)
    weights.replace(folder / WEIGHTS)
    model = asdict(spec) | {"sources": list(spec.sources), "network": network, "arguments": arguments}
    temporary = folder / f".{CARD}.new"
    temporary.write_bytes(tomli_w.dumps({"model": model, "about": about}).encode())
    temporary.replace(folder / CARD)
    return folder


def load_network(card: Card) -> nn.Module:
    """The card's network with its weights, in evaluation mode, on the CPU."""
    network = build(card.network, card.arguments, card.spec)
    try:
        network.load_state_dict(load_file(card.weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        first, *lines = (line.strip() for line in str(error).splitlines())
        why = lines[0] if lines and first.endswith(":") else first  # torch begins with a heading
        raise ModelError(f"The weights of '{card.name}' cannot be loaded: {why}", "Import the model again.") from error
    return network.eval()
