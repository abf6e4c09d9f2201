"""Presets: named settings of a task, in TOML (`presets/tasks/*.toml`), checked on load with the offending key named."""

import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import presets
from engine.diffusion.samplers import CALLS, SAMPLERS
from engine.embedders import EMBEDDERS
from engine.errors import PresetError
from engine.likelihoods import KNOWN, LIKELIHOODS

DEFAULT = "separate"


@dataclass(frozen=True)
class Preset:
    """name; title: one line for people. task: key of TASKS. model: name of a model folder. backend, device: what runs it; "auto"
    is what measures fastest. likelihood, sampler: by name. steps, sigma_min, sigma_max, rho: the Karras schedule.
    churn, resamples: see samplers.
    constrained: the source Dirac eliminates. gamma: width of the Gaussian likelihood over sigma.
    known: how known cells pull, by name; for models that cannot hear them clean, "heard" is "replacement" where whole stems are
    known (accompany, separate) and "reconstruction" elsewhere. guidance: strength of a gradient (see engine/likelihoods).
    emphasis: of what known cells say where they are heard clean; 1: as it is, any other asks the network twice a call.
    embedder: of a style.
    towards: the source that the wanted ones shall sound like, "": none.
    fresh: share of noise in the start where there is a draft to start from, k of Levy et al. draft_sigma: unless it is 0, a
    draft is started from under noise of this sigma instead, and not at sigma_max (SDEdit, Meng et al. 2022).
    temperature: scale of the starting noise; 1 draws a sample, less stays nearer to the mean of the posterior.
    wiener: how much of Wiener's filter by the sources' mean spectra a separation starts from, where the model knows those and there
    is no draft; other models start without.
    overlap: of chunks, in seconds. batch: chunks computed together. seed: fixes the result.
    """

    name: str
    title: str
    task: str = "separate"
    model: str = "default"
    backend: str = "auto"
    device: str = "cpu"
    likelihood: str = "conditional"
    sampler: str = "euler"
    steps: int = 1
    sigma_min: float = 1e-4
    sigma_max: float = 1.0
    rho: float = 7.0
    churn: float = 0.0
    resamples: int = 1
    constrained: str = "bass"
    gamma: float = 0.75
    known: str = "replacement"
    guidance: float = 0.2
    emphasis: float = 1.0
    embedder: str = "mel"
    towards: str = ""
    fresh: float = 0.85
    draft_sigma: float = 0.0
    temperature: float = 1.0
    wiener: float = 0.0
    overlap: float = 1.0
    batch: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for key, kind in {f.name: f.type for f in fields(self)}.items():
            value = getattr(self, key)
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, key, float(value))
            elif not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
                raise PresetError(f"'{key}' must be {kind.__name__}, not {value!r}.")  # type: ignore[union-attr]
        _among("likelihood", self.likelihood, LIKELIHOODS)
        _among("known", self.known, KNOWN)
        _among("embedder", self.embedder, EMBEDDERS)
        _among("sampler", self.sampler, SAMPLERS)
        for key in ("steps", "resamples", "batch"):
            _within(key, getattr(self, key), 1, 10_000)
        for key in ("sigma_min", "sigma_max", "rho", "gamma"):
            _within(key, getattr(self, key), 1e-9, 1e6)
        for key in ("churn", "temperature", "overlap", "guidance", "emphasis", "draft_sigma"):
            _within(key, getattr(self, key), 0, 1e6)
        for key in ("fresh", "wiener"):
            _within(key, getattr(self, key), 0, 1)
        for key in ("sigma_max", "draft_sigma"):
            if (getattr(self, key) or self.sigma_min) < self.sigma_min:
                raise PresetError(f"'sigma_min' ({self.sigma_min}) must not exceed '{key}' ({getattr(self, key)}).")

    @property
    def calls(self) -> int:
        """Calls of a denoiser for one batch of chunks; an emphasis other than 1 asks the network twice in each."""
        return CALLS[self.sampler](self.steps, self.resamples)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def defaults() -> dict[str, Any]:
    """What a preset is where nothing else is said: also what it was before a field was added."""
    return {field.name: field.default for field in fields(Preset) if field.default is not MISSING}


def _among(key: str, value: str, table: dict) -> None:
    if value not in table:
        raise PresetError(f"There is no {key} called '{value}'.", f"Choose one of: {', '.join(table)}.")


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise PresetError(f"'{key}' must be between {low:g} and {high:g}, not {value}.")


def list_presets() -> list[Preset]:
    """All presets that come with stemweave, by name."""
    return [load_preset(path.stem) for path in sorted(presets.TASKS.glob("*.toml"))]


def load_preset(name: str = DEFAULT, **overrides: Any) -> Preset:
    """A preset by name or by path of a .toml file; overrides whose value is None are left as the preset has them."""
    path = Path(name) if name.endswith(".toml") else presets.TASKS / f"{name}.toml"
    if not path.is_file() or (not name.endswith(".toml") and Path(name).name != name):
        known = ", ".join(path.stem for path in sorted(presets.TASKS.glob("*.toml")))
        raise PresetError(f"There is no preset called '{name}'.", f"Presets: {known}.")
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"The preset {path.name} is not valid TOML: {error}.") from error
    table |= {key: value for key, value in overrides.items() if value is not None}
    unknown = set(table) - {f.name for f in fields(Preset)} | {"name"} & set(table)
    if unknown:
        raise PresetError(f"The preset '{path.stem}' has unknown keys: {', '.join(sorted(unknown))}.")
    if "title" not in table:
        raise PresetError(f"The preset '{path.stem}' lacks a title.")
    return Preset(name=path.stem, **table)
