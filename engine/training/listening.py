"""What a run sounds like, in TensorBoard: a mixture's stems as the model separates them by then, beside the true ones."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from engine.cards import Card
from engine.denoiser import ModelSpec
from engine.models import Model
from engine.networks import as_denoiser
from engine.pipeline import separate
from engine.presets import load_preset
from engine.request import RESIDUAL
from engine.training.config import TrainConfig
from engine.training.examples import Examples

EVERY = 10  # checkpoints from one listening to the next
EXAMPLE = 2**31 - 1  # of the training songs, but the example of no step


class Listener:
    """Separates one example, mixed down, by the averaged network: in one call where it hears mixtures, else by the zero-shot
    posterior. Draws nothing from torch's own dice, on which training may depend."""

    def __init__(self, board, examples: Examples, config: TrainConfig, spec: ModelSpec, step: int):
        """board: a SummaryWriter, which gets the mixture and the true stems now, as of `step`; nothing of models of one source."""
        self.board, self.config = board, config
        self.card = Card(Path(config.name), spec, config.network, config.arguments)
        stems = examples.batch(EXAMPLE).clean[0]
        self.mixture = stems.sum(0, keepdim=True)
        silent = {} if spec.conditional else {"sigma_max": 1.0}  # what hears no mixture knows no spectra to start from
        self.preset = load_preset("separate" if spec.conditional else "separate-zero-shot", **silent)
        self.preset = dataclasses.replace(self.preset, constrained=spec.sources[0])
        if len(spec.sources) > 1:
            self._add("mixture", self.mixture, step)
            for source, stem in zip(spec.sources, stems, strict=True):
                self._add(f"{source}/true", stem, step)

    def listen(self, network: nn.Module, step: int) -> None:
        """At a checkpoint, the one after `step`: put down what the network makes of the mixture, if it is time to."""
        checkpoint, last = (step + 1) // self.config.checkpoint, step + 1 == self.config.steps
        if len(self.card.spec.sources) == 1 or (checkpoint % EVERY and not last):
            return
        device = str(next(network.parameters()).device)
        model = Model(self.card, as_denoiser(network.eval(), self.card.spec), device)
        stems = separate(model, self.mixture.numpy(), self.card.spec.sample_rate, self.preset)
        for source in stems.keys() - {RESIDUAL}:
            self._add(f"{source}/separated", torch.from_numpy(stems[source]), step)

    def _add(self, name: str, samples: torch.Tensor, step: int) -> None:
        self.board.add_audio(name, samples.clamp(-1, 1), step, self.card.spec.sample_rate)
