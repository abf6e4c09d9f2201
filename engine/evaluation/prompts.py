"""Prompts: whether what is made of words is the source that the words are of, by a classifier trained on stems."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.audio import resample
from engine.data.prompts import NICKNAMES
from engine.data.song import PROGRAMS
from engine.evaluation.classifier import StemClassifier, stem_clips
from engine.evaluation.metrics import wilson
from engine.filling import perform
from engine.models import Model
from engine.presets import Preset
from engine.prompting import check
from engine.request import Request

PROMPTS = {source: (*NICKNAMES[source], *PROGRAMS[source].values()) for source in NICKNAMES}
"""Everything a source is called in training, by nickname and by instrument."""


@dataclass
class PromptRow:
    """how: "rendered stem" (what the classifier makes of the truth), "prompted alone" or "prompted in a band". heard: what the
    classifier called the clips, "" being silence, with their numbers."""

    how: str
    source: str
    heard: Counter = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Of the clips that are called what they should be, 0 to 1."""
        return self.heard[self.source] / self.heard.total()

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, of the share."""
        return wilson(self.heard[self.source], self.heard.total())


def evaluate_prompts(
    model: Model,
    stems: Path,
    heldout: Path,
    preset: Preset,
    *,
    rounds: int = 1,
    tracks: int = 300,
    limit: int | None = None,
    seconds: float = 3.0,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[PromptRow]:
    """model: one that understands prompts. preset: of generate. stems, heldout: folders of tracks for the classifier, to be trained
    on (the first `tracks`) and to be tried on (the first `limit`, or all). Every prompt of PROMPTS is made `rounds` times, alone
    and with one of each other source, tied by their sum. Rows in that order, for each source."""
    check(model.card, {"bass": "bass"})  # before minutes of reading stems
    classifier = StemClassifier(tuple(PROMPTS), *stem_clips(stems, tuple(PROMPTS), seconds, tracks))
    rows = {
        (how, s): PromptRow(how, s)
        for how in ("rendered stem", "prompted alone", "prompted in a band")
        for s in PROMPTS
    }
    clips, labels, rate = stem_clips(heldout, tuple(PROMPTS), seconds, limit)
    for clip, label in zip(clips, labels, strict=True):
        heard = classifier(resample(clip[None], rate, classifier.sample_rate)[0])
        rows["rendered stem", classifier.sources[label]].heard[heard] += 1
    asked = list(_line_ups(rounds))
    for index, (how, prompts) in enumerate(asked):
        request = Request(model.spec.sample_rate, seconds=seconds, channels=1, prompts=prompts)
        made = perform(model, request, dataclasses.replace(preset, seed=preset.seed + index))
        for source, stem in made.items():
            rows[how, source].heard[_heard(classifier, stem, model.spec.sample_rate)] += 1
        if on_clip:
            on_clip(index + 1, len(asked))
    return [row for row in rows.values() if row.heard]


def _line_ups(rounds: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Each prompt by itself, then bands of one prompt a source in which each has its turn."""
    for _ in range(rounds):
        for source, texts in PROMPTS.items():
            yield from (("prompted alone", {source: text}) for text in texts)
        for texts in zip(*PROMPTS.values(), strict=True):
            yield "prompted in a band", dict(zip(PROMPTS, texts, strict=True))


def _heard(classifier: StemClassifier, stem: np.ndarray, rate: int) -> str:
    return classifier(resample(stem, rate, classifier.sample_rate)[0])


def total(rows: list[PromptRow], how: str) -> tuple[float, tuple[float, float]]:
    """Share of all clips of a kind that were called what they should be, and its 95 % interval."""
    chosen = [row for row in rows if row.how == how]
    hits, of = sum(row.heard[row.source] for row in chosen), sum(row.heard.total() for row in chosen)
    return hits / of, wilson(hits, of)
