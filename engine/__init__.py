"""The engine: the model and the mathematics. What a program needs of it is named here; the rest may move.

A request's way:
    request, recipe         what is asked; what a result was made of
    audio, headers, presets at the door, checked
    tasks, stemgrid         it becomes a grid of sources by time; repeats, likeness, seams: what a gap starts from
    pipeline, filling       a song of any length goes through in chunks (chunks); finished: kept, should the job be begun again
    sampling                one batch of them: diffusion/ (samplers, schedules) under likelihoods/ and conditioning/
    denoiser, networks/     what is sampled from; prompting, embedders: words and clips
    models, cards           it is found and loaded; backends/, devices, memory, heap: what runs it
    export, formats         it becomes a file; aoti, providers, described: kinds of them; export_alone: one without this package;
                            checkpoint_import: the authors'

Beside it: data/ and training/ make models, evaluation/ and bench/ measure them.

Names are looked up when they are first used, so that a process that only wants the errors does not load torch.
"""

from importlib import import_module
from typing import Any

PUBLIC = {
    "list_models": "engine.models",
    "load_model": "engine.models",
    "list_presets": "engine.presets",
    "load_preset": "engine.presets",
    "read_audio": "engine.audio",
    "write_audio": "engine.audio",
    "separate": "engine.pipeline",
    "perform": "engine.filling",
    "prompt": "engine.prompting",
    "Request": "engine.request",
    "evaluate": "engine.evaluation",
    "train": "engine.training",
    "StemweaveError": "engine.errors",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'engine' has no attribute '{name}'")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(PUBLIC)
