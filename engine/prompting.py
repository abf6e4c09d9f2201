"""Prompts make a model: a text-conditioned network and a sentence a source are a model with those sources, for any task."""

from collections.abc import Mapping
from dataclasses import replace

from engine.conditioning import Prompted, encoder, whole_prompt
from engine.errors import PresetError
from engine.models import Model
from engine.networks import TextGaussian


def prompt(
    model: Model, prompts: Mapping[str, str], whole: str | None = None, *, coherent: bool = True, guidance: float = 1.0
) -> Model:
    """`model` with the sources `prompts` names, each what its sentence says, to be given to `perform` or `separate`.

    whole: what their mixture is called, by default all prompts in turn; coherent=False makes sources that know nothing of
    each other. guidance: how hard the text pulls, 1 as trained. The sum of K sources has sqrt(K) times their noise, so presets
    should begin with a sigma_max the model was trained beyond. PresetError for a model without text or an empty prompt.
    """
    network = model.denoiser
    if not isinstance(network, TextGaussian):
        raise PresetError(
            f"The model '{model.card.name}' does not understand prompts.",
            "Choose one that does with --model; train one with: stemweave train presets/training/text.toml --run runs/text",
        )
    if not prompts:
        raise PresetError("There is no prompt.", "Give one a source, such as bass='fretless bass'.")
    for name, text in prompts.items():
        if not text.strip():
            raise PresetError(f"The prompt of '{name}' is empty.", "Say what it is, such as 'fretless bass'.")
    sentences = [*prompts.values(), whole or whole_prompt(prompts)]
    texts = encoder(model.spec.text)(sentences).to(model.device)
    denoiser = Prompted(network, texts[:-1], texts[-1] if coherent else None, guidance)
    spec = replace(model.spec, sources=tuple(prompts))
    return replace(model, card=replace(model.card, spec=spec), denoiser=denoiser)
