"""Models: finding them by name, and loading one on a device, run by a back end."""

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs
from safetensors.torch import load_file

import presets
from engine.backends import BACKENDS
from engine.backends.auto import AUTO, REFERENCE, Asked, choose
from engine.cards import CARD, Card, read_card, write_model_folder
from engine.denoiser import Denoiser, ModelSpec
from engine.errors import ModelError, StemweaveError
from engine.heap import keep_memory
from engine.networks import INDEPENDENT

DEFAULT = "default"


@dataclass(frozen=True)
class Model:
    """A loaded model: its card and a denoiser that takes and gives tensors on `device`, run by `backend`, one of BACKENDS."""

    card: Card
    denoiser: Denoiser
    device: str
    backend: str = REFERENCE

    @property
    def spec(self) -> ModelSpec:
        return self.card.spec


def model_folders() -> list[Path]:
    """Where models are looked for: $STEMWEAVE_MODELS (paths joined as in PATH), the user's data folder, the embedded."""
    configured = [Path(p) for p in os.environ.get("STEMWEAVE_MODELS", "").split(os.pathsep) if p]
    return [*configured, user_models(), presets.MODELS]


def user_models() -> Path:
    """The folder `stemweave models import` writes to."""
    return platformdirs.user_data_path("stemweave") / "models"


def list_models(damaged: list[ModelError] | None = None) -> list[Card]:
    """All readable cards, first found wins where two share a name. damaged: takes what is wrong with the others."""
    cards: dict[str, Card] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            try:
                cards.setdefault(card.parent.name, read_card(card.parent))
            except ModelError as error:
                if damaged is not None:
                    damaged.append(error)
    return list(cards.values())


def find_model(name: str | Path) -> Path:
    """Folder of a model given by name or by path. Raises ModelError naming what there is."""
    if (Path(name) / CARD).is_file():
        return Path(name)
    for folder in model_folders():
        if (folder / name / CARD).is_file() and Path(name).name == str(name):
            return folder / name
    known = ", ".join(sorted(card.name for card in list_models())) or "none"
    raise ModelError(
        f"There is no model called '{name}'.",
        f"Models here: {known}. List them with: stemweave models list; add one with: stemweave models import CKPT",
    )


def load_model(
    name: str | Path = DEFAULT, device: str = "cpu", backend: str = REFERENCE, cancelled: Asked = None
) -> Model:
    """Load a model by name or folder on a torch device, run by one of BACKENDS, or by "auto": the fastest, else torch. cancelled:
    asked while that is found out; raises Cancelled. On "cpu" this process keeps the memory it is done with from now on."""
    card = read_card(find_model(name))
    if device.startswith("cpu"):
        keep_memory()
    chosen = resolve_backend(card, device, backend, cancelled)
    try:
        return Model(card, BACKENDS[chosen](card, device), device, chosen)
    except StemweaveError as error:
        if backend != AUTO or chosen == REFERENCE:
            raise
        logging.getLogger("stemweave").warning("the back end %s fails, torch is used: %s", chosen, error)
        return Model(card, BACKENDS[REFERENCE](card, device), device)


def resolve_backend(card: Card, device: str, backend: str, cancelled: Asked = None) -> str:
    """The key of BACKENDS that is meant: for "auto" what measured fastest here. ModelError for one there is not."""
    if backend == AUTO:
        return choose(card, device, cancelled).backend
    if backend not in BACKENDS:
        raise ModelError(f"There is no back end called '{backend}'.", f"Back ends: {', '.join([AUTO, *BACKENDS])}.")
    return backend


def combine_models(cards: list[Card], folder: Path) -> Path:
    """Single-source models side by side as one model in `folder` (MSDM's weakly supervised form), sources in the order given.

    ModelError unless each has one source, no two the same, and all are of one kind, rate, chunk and sigma_data.
    """
    first = cards[0]
    for card in cards:
        alike = (card.network, card.arguments, replace(card.spec, sources=())) == (
            first.network,
            first.arguments,
            replace(first.spec, sources=()),
        )
        if len(card.spec.sources) != 1 or card.spec.conditional or not alike:
            raise ModelError(
                f"'{card.name}' cannot stand beside '{first.name}'.",
                "Combine models of one source each, of the same network, sample rate, chunk and sigma_data.",
            )
    sources = tuple(card.spec.sources[0] for card in cards)
    if len(set(sources)) < len(sources):
        raise ModelError(f"Two of the models make the same source: {', '.join(sources)}.", "Name each source once.")
    if (folder / CARD).exists():
        raise ModelError(f"There is a model called '{folder.name}' already.", "Choose another name.")
    weights = {
        f"networks.{index}.{key}": tensor
        for index, card in enumerate(cards)
        for key, tensor in load_file(card.weights).items()
    }
    arguments = {"network": first.network, "arguments": first.arguments}
    about = {"title": f"Independent sources: {', '.join(card.name for card in cards)}"}
    return write_model_folder(folder, replace(first.spec, sources=sources), INDEPENDENT, arguments, weights, about)
