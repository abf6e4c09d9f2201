"""What a training run is made of: a TOML file, checked on reading."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.errors import DataError

HEAR_MIXTURES = ("local_gaussian", "open_unmix")


@dataclass(frozen=True)
class TrainConfig:
    """name: of the model. data: folders of tracks, relative to the file. seconds: length of an example; batch: examples a step, of
    each process. rate: peak learning rate, reached after `warmup` steps and brought to zero by a cosine at `steps`.
    level: RMS the mixtures are brought to, +- level_spread_db; 0: they are left as they are. gain_spread_db: of each source around
    what it was.
    remix: share of examples whose sources come from different songs. mixture: share that is given its mixture (none by default
    where the network is not of HEAR_MIXTURES); mask: share of those with so much noise that only the mixture is left to go by.
    known: share of all others that are told which stems, or which of their stretches, are clean already (networks with
    `hears_known`); their mixture is of what is not.
    varispeed: share of crops played up to VARISPEED semitones off; equalised: share of stems that get a random equaliser.
    sigma: range of noise levels, sampled log-uniformly. misjudged: share of examples in which each source has its own noise,
    noise_factor (a range, sampled log-uniformly) times as loud as sigma says: likelihoods leave samples in such states; the
    source that Dirac eliminates has the noise of all others, and without starting noise there is less than sigma says.
    text: a sentence encoder (engine/conditioning): examples are then recordings of line-ups with a sentence about each, `solo` the
    share of lone players, `untold` the share without the sentence. `remix`, `mixture`, `mask`, `known`, `equalised`, `misjudged`,
    `noise_factor` and `gain_spread_db` do not apply.
    checkpoint: steps between checkpoints.
    muon: move the matrices inside U-Nets by Muon, not AdamW. start: a model folder of the same network to go
    on from, relative to the file.
    bf16: run the network in bfloat16 where the processor is good at it. about: goes into the card.
    """

    name: str
    network: str
    data: tuple[Path, ...]
    sources: tuple[str, ...] = ("bass", "drums", "guitar", "piano")
    sample_rate: int = 44100
    arguments: dict[str, Any] = field(default_factory=dict)
    seconds: float = 4.0
    batch: int = 8
    steps: int = 2000
    rate: float = 1e-3
    warmup: int = 50
    decay: float = 0.01
    muon: bool = False
    start: Path | None = None
    ema: float = 0.998
    seed: int = 1
    chunk: int = 262144
    sigma_data: float = 0.05
    level: float = 0.1
    level_spread_db: float = 6.0
    gain_spread_db: float = 5.0
    remix: float = 0.25
    mixture: float = 0.65
    mask: float = 0.7
    known: float = 0.0
    varispeed: float = 0.0
    equalised: float = 0.0
    sigma: tuple[float, float] = (3e-4, 1.0)
    misjudged: float = 0.0
    noise_factor: tuple[float, float] = (0.1, 2.0)
    text: str = ""
    solo: float = 0.5
    untold: float = 0.15
    checkpoint: int = 100
    bf16: bool = True
    threads: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def read_config(path: Path) -> TrainConfig:
    """Read and check; DataError names the offending key."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"The training configuration {path} cannot be read: {error}.") from error
    unknown = set(table) - {f.name for f in fields(TrainConfig)}
    if unknown:
        raise DataError(f"The training configuration {path} has unknown keys: {', '.join(sorted(unknown))}.")
    missing = {"name", "network", "data"} - set(table)
    if missing:
        raise DataError(f"The training configuration {path} lacks: {', '.join(sorted(missing))}.")
    table["data"] = tuple(path.parent / folder for folder in table["data"])
    if "start" in table:
        table["start"] = path.parent / table["start"]
    for key in ("sources", "sigma", "noise_factor"):
        if key in table:
            table[key] = tuple(table[key])
    deaf = table["network"] not in HEAR_MIXTURES
    if deaf:
        table.setdefault("mixture", 0.0)
    config = TrainConfig(**table)
    if deaf and config.mixture:
        raise DataError(f"{path} gives the network mixtures, which it does not hear.", "Leave `mixture` out, or say 0.")
    if config.known and not config.arguments.get("hears_known"):
        raise DataError(
            f"{path} tells the network what is known, which it does not hear.",
            "Add hears_known = true to its arguments.",
        )
    return config
