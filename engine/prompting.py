"""Prompts make a model: a text-conditioned network and a sentence a source are a model with those sources, for any task."""

import re
from collections.abc import Mapping
from dataclasses import replace

from engine.cards import SOURCE, TAKEN, Card
from engine.conditioning import Prompted, encoder, whole_prompt
from engine.errors import PresetError
from engine.models import Model
from engine.networks import TextGaussian
from engine.request import Request

MOST, LONGEST = 16, 300  # prompts, characters of each


def prompt(
    model: Model, prompts: Mapping[str, str], whole: str | None = None, *, coherent: bool = True, guidance: float = 1.0
) -> Model:
    """`model` with the sources `prompts` names, each what its sentence says, to be given to `perform` or `separate`.

    whole: what their mixture is called, by default all prompts in turn; coherent=False makes sources that know nothing of
    each other. guidance: how hard the text pulls, 1 as trained. The sum of K sources has sqrt(K) times their noise, so presets
    should begin with a sigma_max the model was trained beyond. PresetError for a model without text or an empty prompt.
    """
    check(model.card, prompts, whole or "")
    network = model.denoiser
    if not isinstance(network, TextGaussian):
        raise PresetError("Only the back end 'torch' understands prompts.", "Leave --backend out.")
    sentences = [*prompts.values(), whole or whole_prompt(prompts)]
    texts = encoder(model.spec.text)(sentences).to(model.device)
    denoiser = Prompted(network, texts[:-1], texts[-1] if coherent else None, guidance)
    spec = replace(model.spec, sources=tuple(prompts))
    return replace(model, card=replace(model.card, spec=spec), denoiser=denoiser)


def told(model: Model, request: Request) -> Model:
    """`model` with the prompts of a request, as prompt() makes it; as it is where it has sources of its own or was prompted before.

    Where the mixture is given and nothing is said of it, the sources are tied by nothing else (engine/conditioning/coherent.py).
    """
    if isinstance(model.denoiser, Prompted) and not request.prompts:
        return model
    if told_card(model.card, request) is model.card:
        return model
    whole = request.mixture_prompt
    return prompt(model, sentences(request), whole or None, coherent=bool(whole) or request.mixture is None)


def told_card(card: Card, request: Request) -> Card:
    """The card with the sources of a request in place of a text model's one; the same card for a model without text. PresetError
    for prompts it cannot follow."""
    if not card.spec.text and not request.prompts and not request.mixture_prompt:
        return card
    prompts = sentences(request)
    check(card, prompts, request.mixture_prompt)
    return replace(card, spec=replace(card.spec, sources=tuple(prompts)))


def sentences(request: Request) -> dict[str, str]:
    """What each source that is prompted, given or wanted is called, by its name if nothing else was said; in the order of names, so
    that a result depends on no order in which they were told."""
    names = sorted({*request.prompts, *request.stems, *request.after, *request.wanted})
    return {name: request.prompts.get(name, re.sub("[-_]", " ", name)) for name in names}


def check(card: Card, prompts: Mapping[str, str], whole: str = "") -> None:
    """PresetError unless the model follows prompts and can follow these."""
    if not card.spec.text:
        raise PresetError(
            f"The model '{card.name}' does not understand prompts.",
            "Choose one that does with --model; train one with: stemweave train presets/training/text.toml --run runs/text",
        )
    if not prompts:
        raise PresetError("There is no prompt.", "Give one a source, such as --prompt bass='fretless bass'.")
    if len(prompts) > MOST:
        raise PresetError(f"{len(prompts)} sources are too many to prompt.", f"Prompt at most {MOST}.")
    for name, text in prompts.items():
        if not SOURCE.fullmatch(name) or name.lower() in TAKEN:
            raise PresetError(
                f"A source cannot be called '{name}'.", "Give it a short name of letters and digits, such as bass."
            )
        if not text.strip():
            raise PresetError(f"The prompt of '{name}' is empty.", "Say what it is, such as 'fretless bass'.")
    if max(len(text) for text in (whole, *prompts.values())) > LONGEST:
        raise PresetError("A prompt is too long.", f"Say it in at most {LONGEST} characters.")
