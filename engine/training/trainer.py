"""The training loop: resumable at any checkpoint to the same losses, its model always the moving average of the weights.

It runs on the GPU where there is one, and on several under torch's own launcher (`torchrun`), by Hugging Face's accelerate: every
process takes other examples of a step, their gradients are averaged, and the first keeps the books.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.cards import load_network, read_card, write_model_folder
from engine.denoiser import ModelSpec
from engine.devices import multiplies_bfloat16
from engine.errors import DataError, ModelError
from engine.heap import keep_memory
from engine.networks import LocalGaussian, build
from engine.networks.local_gaussian import power
from engine.networks.open_unmix import OpenUnmix
from engine.networks.text_gaussian import TextGaussian
from engine.training.config import HEAR_MIXTURES, TrainConfig, read_config
from engine.training.examples import Examples
from engine.training.line_ups import RECORDING, LineUps
from engine.training.listening import Listener
from engine.training.losses import Objective
from engine.training.optimizers import Optimizer


def train(config_path: Path, run: Path, on_step: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """Train as `config_path` says, in the folder `run`; go on from its checkpoint when it has one. Returns the model folder.

    on_step gets {"step", "steps", "loss"} after each step. Stopping at any moment loses at most `checkpoint` steps. TensorBoard
    gets the losses and, every tenth checkpoint, what the model makes of a mixture (see listening.py).
    """
    try:
        from accelerate import Accelerator
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DataError("What training needs is not installed.", "pip install 'stemweave[train]'") from error
    config = read_config(config_path)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())  # by itself it forgets CPUs, and takes a Mac's MPS
    if accelerator.device.type == "cpu":
        keep_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    examples, spec = (LineUps if config.text else Examples)(config), spec_of(config)
    network = build(config.network, config.arguments, spec).to(accelerator.device)
    spec = replace(spec, length_multiple=getattr(network, "length_multiple", 1))
    optimizer = Optimizer(network, config)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=False)
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    since = time.process_time()
    first, spent = begin(checkpoint, config, examples, network, average, optimizer)
    objective = accelerator.prepare(Objective(network, spec))
    books = SummaryWriter(str(run / "tensorboard"), purge_step=first) if accelerator.is_main_process else nullcontext()
    with books as board:
        listener = board and Listener(board, examples, config, spec, first)
        for step in range(first, config.steps):
            loss = one_step(accelerator, objective, examples, step, optimizer, config)
            average.update_parameters(network)
            if not listener:
                continue
            listener.board.add_scalar("loss", loss, step)
            if on_step:
                on_step({"step": step + 1, "steps": config.steps, "loss": loss})
            if (step + 1) % config.checkpoint == 0 or step + 1 == config.steps:
                spent += accelerator.num_processes * (time.process_time() - since)
                write_model(run / config.name, config, spec, average.module, step + 1, spent)
                save(checkpoint, step + 1, spent, network, average, optimizer)
                listener.listen(average.module, step)
                since = time.process_time()  # neither saving nor listening is training
        if listener and first >= config.steps:  # trained before, perhaps under another name
            write_model(run / config.name, config, spec, average.module, first, spent)
    accelerator.wait_for_everyone()  # or one would find no model yet that the first is still writing
    accelerator.end_training()
    return run / config.name


def begin(checkpoint: Path, config: TrainConfig, examples, network, average, optimizer) -> tuple[int, float]:
    """Load the checkpoint where there is one, else the weights to begin with; returns the step to go on from and the processor
    seconds spent before it."""
    if checkpoint.exists():
        return resume(checkpoint, network, average, optimizer)
    hours = 0.0
    if config.start:
        hours = start_from(config.start, network, config)
    else:
        fit_input(network, examples)
    average.module.load_state_dict(network.state_dict())
    return 0, 3600 * hours


def one_step(accelerator, objective, examples, step: int, optimizer: Optimizer, config: TrainConfig) -> float:
    """One optimiser step on the examples that belong to `step`; returns the loss, the mean of all processes. What a network draws
    in training (dropout) is a function of (seed, step, process) as its examples are."""
    device = accelerator.device
    dice = np.random.SeedSequence([config.seed, step, accelerator.process_index])
    torch.manual_seed(int(dice.generate_state(1, np.uint64)[0]))
    batch = examples.batch(step, accelerator.process_index).to(device)
    rounded = config.bf16 and multiplies_bfloat16(device)
    with torch.autocast(device.type, torch.bfloat16) if rounded else nullcontext():
        loss = objective(batch)
    accelerator.backward(loss)
    nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
    optimizer.step(rate_at(step, config))
    return accelerator.reduce(loss.detach(), "mean").item()


def spec_of(config: TrainConfig) -> ModelSpec:
    """What the model will be, but for what its network alone can tell."""
    sources = (RECORDING,) if config.text else config.sources
    return ModelSpec(
        sources, config.sample_rate, config.chunk, config.sigma_data, config.level, text=config.text,
        conditional=config.network in HEAR_MIXTURES,
        hears_known=bool(config.arguments.get("hears_known")),
    )  # fmt: skip


def rate_at(step: int, config: TrainConfig) -> float:
    """Learning rate over its peak: linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / max(1, config.warmup)) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))


@torch.no_grad()
def fit_input(network: nn.Module, examples: Examples, batches: int = 20) -> None:
    """Set what a network knows of its input beforehand, from examples that training will not repeat."""
    if isinstance(network, TextGaussian):
        batches *= 4  # there are many words
    device = next(network.parameters()).device
    seen = [examples.batch(2**31 + index).to(device) for index in range(batches)]
    if isinstance(network, LocalGaussian):
        powers = torch.cat([network.bands.pool(power(network.transform(batch.clean))).mean(3) for batch in seen])
        network.mean_power.copy_(powers.mean(0) + 1e-10)
        if isinstance(network, TextGaussian):
            texts = [batch.text for batch in seen if batch.text is not None]
            network.fit_spectrum(powers[:, 0], torch.cat(texts))
    elif isinstance(network, OpenUnmix):
        network.fit_input(torch.cat([batch.clean for batch in seen]).sum(1))


def start_from(folder: Path, network: nn.Module, config: TrainConfig) -> float:
    """Begin with a model's weights; returns the processor hours in them. It may be one that hears no known stems yet. ModelError
    where the folder is none, or of another network."""
    card = read_card(folder)
    deaf = card.spec.hears_known and not config.arguments.get("hears_known")
    if deaf or (card.network, alike(card.arguments)) != (config.network, alike(config.arguments)):
        raise ModelError(
            f"The model {card.name} is a {card.network} with other arguments than the configuration's {config.network}.",
            "Give both the same, or leave out `start`.",
        )
    weights = network.state_dict()
    for name, tensor in load_network(card).state_dict().items():
        missing = weights[name].shape[1] - tensor.shape[1] if tensor.ndim > 1 else 0
        weights[name] = (
            torch.cat([tensor, tensor.new_zeros(len(tensor), missing, *tensor.shape[2:])], 1) if missing else tensor
        )
    network.load_state_dict(weights)  # what was not heard before has no weight yet
    return float(card.about.get("processor_hours", 0.0))


def alike(arguments: dict[str, Any]) -> dict[str, Any]:
    """What must agree for weights to fit."""
    return {key: value for key, value in arguments.items() if key != "hears_known"}


def save(path: Path, step: int, spent: float, network, average, optimizer) -> None:
    """Write the checkpoint beside the old one, then swap: a kill at any moment leaves a whole one."""
    state = {
        "step": step,
        "processor_seconds": spent,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    temporary = path.with_suffix(".new")
    torch.save(state, temporary)
    temporary.replace(path)


def resume(path: Path, network, average, optimizer) -> tuple[int, float]:
    """Load a checkpoint; returns its step and the processor seconds spent until then. DataError where it does not fit."""
    state = torch.load(path, map_location=next(network.parameters()).device, weights_only=True)
    try:
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The checkpoint {path} is of another network or optimizer, or of an older version.",
            "Train in another folder, or name the model it left as `start`.",
        ) from error
    return state["step"], state["processor_seconds"]


def write_model(
    folder: Path, config: TrainConfig, spec: ModelSpec, network: nn.Module, step: int, spent: float
) -> None:
    """The averaged weights as a model folder, in half precision (they are rounded, not the arithmetic that uses them)."""
    about = config.about | {"training_steps": step, "processor_hours": round(spent / 3600, 3)}
    weights = {name: tensor.half() for name, tensor in network.state_dict().items()}
    if isinstance(network, LocalGaussian):
        weights["mean_power"] = network.mean_power  # spans more decades than half precision has
    write_model_folder(folder, spec, config.network, config.arguments, weights, about)
