"""Models: finding them by name, and loading one on a device, run by a back end."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import presets
from engine.backends import BACKENDS
from engine.cards import CARD, Card, read_card
from engine.denoiser import Denoiser, ModelSpec
from engine.errors import ModelError

DEFAULT = "default"


@dataclass(frozen=True)
class Model:
    """A loaded model: its card and a denoiser that takes and gives tensors on `device`."""

    card: Card
    denoiser: Denoiser
    device: str

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


def list_models() -> list[Card]:
    """All readable cards, first found wins where two share a name; a damaged card raises ModelError."""
    cards: dict[str, Card] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            cards.setdefault(card.parent.name, read_card(card.parent))
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


def load_model(name: str | Path = DEFAULT, device: str = "cpu", backend: str = "torch") -> Model:
    """Load a model by name or folder on a torch device, run by one of BACKENDS."""
    card = read_card(find_model(name))
    if backend not in BACKENDS:
        raise ModelError(f"There is no back end called '{backend}'.", f"Back ends: {', '.join(BACKENDS)}.")
    return Model(card, BACKENDS[backend](card, device), device)
