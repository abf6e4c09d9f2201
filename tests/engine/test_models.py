"""Model folders and cards: found by name, checked on reading, never half written."""

import hashlib

import pytest
from support.models import write_tiny_model

from engine.cards import CARD, WEIGHTS, read_card
from engine.errors import ModelError, ResourceError
from engine.models import find_model, list_models, load_model


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path))
    return tmp_path


def test_a_model_is_found_by_name_listed_and_loaded(models):
    write_tiny_model(models / "mine")
    assert find_model("mine") == models / "mine"
    assert "mine" in [card.name for card in list_models()]
    assert load_model("mine").spec.sources == ("bass", "drums", "guitar", "piano")


def test_the_embedded_default_is_there_small_enough_and_says_where_it_comes_from():
    card = read_card(find_model("default"))
    assert card.spec.conditional
    assert card.weights.stat().st_size <= 32 * 2**20
    assert {"title", "training_data", "sound_font_licence", "licence"} <= set(card.about)


def test_an_unknown_model_names_those_there_are(models):
    write_tiny_model(models / "mine")
    with pytest.raises(ModelError, match="no model called 'yours'") as caught:
        find_model("yours")
    assert "mine" in caught.value.hint


@pytest.mark.parametrize("name", ["../mine", "a/../mine", ""])
def test_a_name_is_not_a_way_out_of_the_models_folder(models, name):
    write_tiny_model(models / "mine")
    (models / "a").mkdir()
    with pytest.raises(ModelError):
        find_model(name)


def test_a_card_with_an_unknown_key_or_without_one_is_refused(models):
    card = write_tiny_model(models / "mine") / CARD
    good = card.read_text()
    card.write_text(good.replace("sigma_data", "sigma_date"))
    with pytest.raises(ModelError, match="sigma_date"):
        read_card(models / "mine")
    card.write_text(good.replace("chunk", "#chunk"))
    with pytest.raises(ModelError, match="chunk"):
        read_card(models / "mine")
    card.write_text("not toml [")
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(models / "mine")


@pytest.mark.parametrize("name", ["../x", "/abs", "input", "residual"])
def test_a_source_whose_file_would_be_another_is_refused(models, name):
    card = write_tiny_model(models / "mine") / CARD
    card.write_text(card.read_text().replace('"bass"', f'"{name}"'))
    with pytest.raises(ModelError, match=f"none can be called '{name}'"):
        read_card(models / "mine")


@pytest.mark.parametrize("content", [b"not toml [", b"\xff\xfe\x00", b""])
def test_one_damaged_card_costs_the_list_itself_only_and_is_named(models, content):
    for name in ("a", "b", "c"):
        write_tiny_model(models / name)
    (models / "b" / CARD).write_bytes(content)
    damaged: list[ModelError] = []
    assert [card.name for card in list_models(damaged)][:2] == ["a", "c"]
    assert len(damaged) == 1
    assert str(models / "b") in damaged[0].message


def test_damaged_or_missing_weights_are_refused(models):
    weights = write_tiny_model(models / "mine") / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model("mine")
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model("mine")


def test_an_unknown_network_back_end_or_device_is_refused(models):
    card = write_tiny_model(models / "mine") / CARD
    with pytest.raises(ModelError, match="no back end called 'abacus'"):
        load_model("mine", backend="abacus")
    with pytest.raises(ResourceError, match="cannot use the device"):
        load_model("mine", device="quantum")
    card.write_text(card.read_text().replace("local_gaussian", "crystal_ball"))
    with pytest.raises(ModelError, match="no network called 'crystal_ball'"):
        load_model("mine")


def test_the_digest_changes_with_weights_and_settings_and_with_nothing_else(models):
    folder = write_tiny_model(models / "mine")
    card, before = folder / CARD, read_card(folder).digest()
    text = card.read_text()
    card.write_text(text + 'measured = "better than thought"\n# a word\n')
    assert "measured" in read_card(folder).about
    assert read_card(folder).digest() == before
    card.write_text(text.replace('text = ""\n', ""))  # as a card from before there was such a setting
    assert card.read_text() != text
    assert read_card(folder).digest() == before
    card.write_text(text.replace("sample_rate = ", "sample_rate = 1"))
    assert read_card(folder).digest() != before
    card.write_text(text)
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert read_card(folder).digest() != before


def test_recipes_of_older_versions_name_a_model_by_all_of_its_card(models):
    folder = write_tiny_model(models / "mine")
    parts = [hashlib.sha256((folder / part).read_bytes()).digest() for part in (CARD, WEIGHTS)]
    card = read_card(folder)
    assert card.is_known_as(hashlib.sha256(b"".join(parts)).hexdigest())
    assert card.is_known_as(card.digest())
    assert not card.is_known_as("ab" * 32)
