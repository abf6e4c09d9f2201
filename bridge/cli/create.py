"""`stemweave generate`, `accompany`, `infill`, `regenerate`, `continue`, `transition`, `restyle` and `redo`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.console import err
from bridge.cli.making import checked, found, make
from bridge.cli.options import (
    AsJson,
    Backend,
    Device,
    MixturePrompt,
    ModelName,
    Output,
    Overwrite,
    PresetName,
    Prompt,
    Seed,
    Server,
    Steps,
    overrides_of,
    prompts_of,
)  # fmt: skip
from bridge.files import read_parts, stem_paths
from engine.errors import AudioError, ModelError
from engine.presets import defaults, list_presets
from engine.recipe import fingerprint, otherwise, read_recipe
from engine.request import AFTER, LIKE, MIXTURE

Stems = Annotated[
    list[str], typer.Argument(metavar="STEMS...", help="NAME=FILE, or a folder with files called bass.wav and so on")
]
Want = Annotated[list[str] | None, typer.Option(help="a source to make; may be repeated. By default the task decides")]
Start = Annotated[float, typer.Option("--from", min=0, help="where to begin, in seconds")]
Stop = Annotated[float, typer.Option("--to", min=0, help="where to end, in seconds; 0: at the end of the song")]
Mixture = Annotated[Path | None, typer.Option(help="what all sources together must add up to")]


def generate(
    output: Output,
    seconds: Annotated[float, typer.Option(help="how long")] = 10.0,
    want: Want = None,
    rate: Annotated[int, typer.Option(min=8000, max=192000, help="Hz")] = 44100,
    mono: Annotated[bool, typer.Option("--mono", help="one channel instead of two")] = False,
    preset: PresetName = "generate", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make all sources of a song out of nothing (MSDM: total generation)."""
    request = {"sample_rate": rate, "seconds": seconds, "channels": 1 if mono else 2, "wanted": tuple(want or ())}
    request |= prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device)
    make({}, request, preset, chosen, output, server, overwrite, as_json)


def accompany(
    stems: Stems, output: Output, want: Want = None,
    preset: PresetName = "accompany", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the sources that are missing to play along with the stems that are given (MSDM: partial generation)."""
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device)
    request = {"wanted": tuple(want or ())} | prompts_of(prompt, mixture_prompt)
    make(stem_paths(stems), request, preset, chosen, output, server, overwrite, as_json)


def infill(
    stems: Stems, output: Output, start: Start, stop: Stop, want: Want = None, mixture: Mixture = None,
    preset: PresetName = "infill", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a stretch of some stems anew, out of what is around it and of the other stems."""
    paths = stem_paths(stems) | ({MIXTURE: mixture} if mixture else {})
    request = {"wanted": tuple(want or ()), "start": start, "stop": stop} | prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device)
    make(paths, request, preset, chosen, output, server, overwrite, as_json)


def regenerate(
    stems: Stems, output: Output, start: Start = 0.0, stop: Stop = 0.0, want: Want = None, mixture: Mixture = None,
    fresh: Annotated[float | None, typer.Option(min=0, max=1, help="1: nothing of what was there, less: more of it")] = None,
    preset: PresetName = "regenerate", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Vary a stretch of some stems: infill that starts from what was there."""
    paths = stem_paths(stems) | ({MIXTURE: mixture} if mixture else {})
    request = {"wanted": tuple(want or ()), "start": start, "stop": stop} | prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device, fresh=fresh)
    make(paths, request, preset, chosen, output, server, overwrite, as_json)


def continue_(
    stems: Stems, output: Output, seconds: Annotated[float, typer.Option(help="how much more")] = 4.0, want: Want = None,
    preset: PresetName = "continue", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Go on where the stems end."""
    request = {"wanted": tuple(want or ()), "seconds": seconds} | prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device)
    make(stem_paths(stems), request, preset, chosen, output, server, overwrite, as_json)


def transition(
    stems: Stems, output: Output,
    after: Annotated[list[str], typer.Option(metavar="NAME=FILE|FOLDER", help="stems of the song to lead to; may be repeated")],
    seconds: Annotated[float, typer.Option(help="how long the transition is")] = 2.5, want: Want = None,
    preset: PresetName = "transition", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Lead from one song into another, starting from their crossfade."""
    paths = stem_paths(stems) | stem_paths(after, AFTER)
    request = {"wanted": tuple(want or ()), "seconds": seconds} | prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(model=model, steps=steps, seed=seed, backend=backend, device=device)
    make(paths, request, preset, chosen, output, server, overwrite, as_json)


def restyle(
    stems: Stems, output: Output, like: Annotated[Path | None, typer.Option(help="a clip to sound like")] = None,
    towards: Annotated[str | None, typer.Option(help="a source of the model to sound like, such as piano")] = None,
    start: Start = 0.0, stop: Stop = 0.0, want: Want = None,
    embedder: Annotated[str | None, typer.Option(help="mel (timbre), chroma (harmony) or passt")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="how hard the clip or the source pulls")] = None,
    preset: PresetName = "restyle", model: ModelName = None, steps: Steps = None, seed: Seed = None, backend: Backend = None,
    device: Device = None, prompt: Prompt = None, mixture_prompt: MixturePrompt = None, server: Server = None,
    overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Vary a stretch of some stems so that it sounds like a clip, or like a source."""
    request = {"wanted": tuple(want or ()), "start": start, "stop": stop} | prompts_of(prompt, mixture_prompt)
    chosen = overrides_of(
        model=model,
        steps=steps,
        seed=seed,
        backend=backend,
        device=device,
        embedder=embedder,
        guidance=guidance,
        towards=towards,
    )
    paths = stem_paths(stems) | ({LIKE: like} if like else {})
    make(paths, request, preset, chosen, output, server, overwrite, as_json)


def redo(
    result: Annotated[Path, typer.Argument(help="a stem that stemweave wrote, or the recipe.json beside it")],
    output: Output, server: Server = None, overwrite: Overwrite = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a result again by the recipe written in it: the same model, inputs, settings and seed. It is the same bit for bit where
    torch and the number of its threads are the same too."""
    recipe = read_recipe(result)
    paths = {role: Path(entry["path"]) for role, entry in recipe.inputs.items()}
    settings = defaults() | recipe.preset  # what was not there yet when it was made was as it is by default
    name = settings.pop("name")
    settings.pop("title")
    if name not in {preset.name for preset in list_presets()}:  # it was read from a file
        name = settings["task"]  # all of its settings are replaced
    card = checked(name, settings)[1]
    if not card.is_known_as(recipe.model["sha256"]):
        raise ModelError(
            f"The model '{recipe.model['name']}' is not the one this was made with.",
            "Bring that one back, or make a new take.",
        )
    rate, parts = read_parts(paths) if paths else (recipe.sample_rate, [])
    changed = [str(paths[role]) for role, part in parts if fingerprint(part) != recipe.inputs[role]["sha256"]]
    if changed:
        raise AudioError(
            f"{', '.join(changed)} changed since this was made.", "Bring back what it was, or make a new take."
        )
    request = {"sample_rate": rate} | recipe.settings | {"wanted": tuple(recipe.settings["wanted"])}
    server = found(server)
    if server == "none" and (others := otherwise(recipe)):
        said = f"made with {', '.join(others)}: the last digits of samples may differ"
        err.print(said, style="yellow", soft_wrap=True)
    make(paths, request, name, settings, output, server, overwrite, as_json)
