"""What a user asks of a task: arrays and where to work on them. Knows nothing of models, so that a client needs no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.audio import Song

MIXTURE, LIKE, AFTER = "mixture", "like", "after:"
RESIDUAL = "residual"  # what stems leave of a mixture


@dataclass(frozen=True)
class Request:
    """What the user gave. All arrays are (channels, frames) at `sample_rate` with one number of channels.

    stems: by source name, of one length. mixture: as long as the stems; a Song need not be in memory to be separated.
    after: the stems of the song a transition leads to. like: a clip to sound like, of any length. wanted: sources to make;
    () leaves it to the task. start, stop: of the stretch to make, in seconds; stop 0: to the end. seconds: how much to
    generate, to go on, or to lead over. channels: to generate.
    prompts: source to what it is, in words, for models that understand them; mixture_prompt: the same of all sources together.
    """

    sample_rate: int
    stems: Mapping[str, np.ndarray] = field(default_factory=dict)
    mixture: np.ndarray | Song | None = None
    after: Mapping[str, np.ndarray] = field(default_factory=dict)
    like: np.ndarray | None = None
    wanted: tuple[str, ...] = ()
    start: float = 0.0
    stop: float = 0.0
    seconds: float = 0.0
    channels: int = 2
    prompts: Mapping[str, str] = field(default_factory=dict)
    mixture_prompt: str = ""

    def parts(self) -> dict[str, np.ndarray | Song]:
        """All audio by role: "mixture", "like", a source's name, or "after:" and a source's name."""
        found: dict[str, np.ndarray | Song] = {} if self.mixture is None else {MIXTURE: self.mixture}
        found |= self.stems
        found |= {AFTER + name: stem for name, stem in self.after.items()}
        return found if self.like is None else found | {LIKE: self.like}

    @classmethod
    def of(cls, sample_rate: int, parts: Iterable[tuple[str, np.ndarray | Song]], **settings) -> "Request":
        """The inverse of parts(); settings: the other fields. Only the mixture may be a Song."""
        found: dict[str, Any] = dict(parts)
        mixture, like = found.pop(MIXTURE, None), found.pop(LIKE, None)
        after = {name.removeprefix(AFTER): found.pop(name) for name in list(found) if name.startswith(AFTER)}
        return cls(sample_rate, found, mixture, after, like, **settings)
