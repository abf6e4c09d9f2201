"""`auto`: the fastest back end whose stems are near enough, found once, remembered, and never a reason to fail."""

import logging
import os

import pytest
import torch
from support.models import write_tiny_model

from engine import models
from engine.backends import BACKENDS, auto, runs_on
from engine.backends.auto import Choice, choose, measure, remembered
from engine.backends.exported import SLOW
from engine.cards import read_card
from engine.denoiser import Denoiser
from engine.devices import is_here
from engine.errors import Cancelled, ModelError, ResourceError
from engine.models import load_model


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A model that is not too small to measure, and a cache of its own."""
    monkeypatch.setattr(auto, "SMALL", 0)
    monkeypatch.setattr(auto, "BUDGET", float("inf"))
    monkeypatch.setattr(auto, "cache", lambda: tmp_path / "cache")
    return read_card(write_tiny_model(tmp_path / "tiny"))


class Timed:
    """A denoiser that is off by a share of its estimate, and that the stopwatch of these tests says takes so many seconds."""

    def __init__(self, denoiser: Denoiser, seconds: float, error: float):
        self.denoiser, self.seconds, self.error = denoiser, seconds, error

    def __call__(self, *given):
        return self.denoiser(*given) * (1 + self.error)


@pytest.fixture
def offered(monkeypatch):
    """Gives torch's time and, by name, (seconds, error) or an exception of others."""

    def offer(torch: float, **others: tuple[float, float] | Exception) -> None:
        def backend(entry):
            def make(card, device):
                if isinstance(entry, Exception):
                    raise entry
                return Timed(BACKENDS["torch"](card, device), *entry)

            return make

        table = {"torch": (torch, 0.0)} | others
        monkeypatch.setattr(auto, "BACKENDS", {name: backend(entry) for name, entry in table.items()})
        monkeypatch.setattr(auto, "_seconds", lambda denoiser, given: denoiser.seconds)

    return offer


def test_the_fastest_that_is_near_enough_is_taken_and_the_others_are_told(card, offered):
    offered(
        1.0, quick=(0.5, 0.001), quicker=(0.4, 0.01), careless=(0.1, 0.1), slow=(9.0, 0.0),
        absent=ResourceError("No such library.", "Install it."), broken=ZeroDivisionError("by zero"),
    )  # fmt: skip
    choice = measure(card, "cpu")
    assert choice.backend == "quicker"
    assert choice.reason == "2.50 times as fast as torch, stems differ by -40 dB"
    assert choice.others["quick"] == "2.00 times as fast as torch, stems differ by -60 dB"
    assert choice.others["careless"] == "too far off: its stems differ from torch's by -20 dB"
    assert choice.others["slow"] == "0.11 times as fast as torch"
    assert choice.others["absent"] == "cannot be used: No such library. Install it."
    assert "by zero" in choice.others["broken"]


@pytest.mark.parametrize("multiplies", [False, True])
def test_bfloat16_is_not_tried_where_the_processor_only_imitates_it(card, offered, monkeypatch, multiplies):
    offered(1.0, **{"torch-bf16": (0.1, 0.0)})
    monkeypatch.setattr(auto, "multiplies_bfloat16", lambda device: multiplies)
    choice = measure(card, "cpu")
    assert choice.backend == ("torch-bf16" if multiplies else "torch")
    assert ("imitate" in choice.others["torch-bf16"]) != multiplies


def test_on_a_machine_too_busy_to_measure_torch_stays(card, offered, monkeypatch):
    offered(1.0, quick=(0.5, 0.0))
    monkeypatch.setattr(auto, "BUDGET", -1.0)
    choice = measure(card, "cpu")
    assert (choice.backend, choice.others) == ("torch", {"quick": "not tried: the machine was too busy"})
    assert choice.reason == "the machine was too busy to try others"


def test_what_was_found_on_a_busy_machine_is_soon_measured_again(card, offered, monkeypatch):
    offered(1.0, quick=(0.5, 0.0))
    for budget, backend in ((-1.0, "torch"), (float("inf"), "quick"), (-1.0, "quick")):
        monkeypatch.setattr(auto, "BUDGET", budget)
        assert choose(card, "cpu").backend == backend
        (place,) = (auto.cache() / "backends").iterdir()
        monkeypatch.setattr(auto, "BUDGET", float("inf"))
        assert choose(card, "cpu").backend == backend, "at once it is not"
        os.utime(place, (1e9, 1e9))


def test_cancel_is_heard_while_it_is_measured_and_nothing_is_remembered(card, offered, monkeypatch):
    """Before each that is tried, and before each call of those that were."""
    offered(1.0, quick=(0.5, 0.0), quicker=(0.4, 0.0))
    asked: list[bool] = []
    choose(card, "cpu", lambda: asked.append(True) or False)
    assert len(asked) == 2 + 3 * auto.ROUNDS
    (place,) = (auto.cache() / "backends").iterdir()
    place.unlink()
    for turn in range(1, len(asked) + 1):
        turns = iter(range(1, turn + 1))
        with pytest.raises(Cancelled):
            choose(card, "cpu", lambda turns=turns, last=turn: next(turns) == last)
    with pytest.raises(Cancelled):
        load_model(card.folder, backend="auto", cancelled=lambda: True)
    assert remembered(card, "cpu") is None


def test_other_code_is_measured_again(card, offered, monkeypatch):
    offered(1.0, quick=(0.5, 0.0))
    choose(card, "cpu")
    monkeypatch.setattr(auto, "code", lambda: "another version")
    assert remembered(card, "cpu") is None


def test_what_answers_with_no_number_is_too_far_off(card, offered):
    offered(1.0, broken=(0.1, float("nan")))
    choice = measure(card, "cpu")
    assert choice.backend == "torch"
    assert "too far off" in choice.others["broken"]


def test_torch_stays_where_little_is_gained(card, offered):
    offered(1.0, little=(0.95, 0.0))
    assert (measure(card, "cpu").backend, measure(card, "cpu").reason) == ("torch", "no other is faster")


def test_it_is_measured_once_and_remembered_for_this_model(card, offered, tmp_path, monkeypatch):
    offered(1.0, quick=(0.5, 0.0))
    assert remembered(card, "cpu") is None
    first = choose(card, "cpu")
    monkeypatch.setattr(auto, "measure", lambda *_: pytest.fail("measured again"))
    assert choose(card, "cpu") == first == remembered(card, "cpu")
    assert remembered(read_card(write_tiny_model(tmp_path / "other", 16384)), "cpu") is None


def test_a_damaged_memory_is_measured_again(card, offered):
    offered(1.0, quick=(0.5, 0.0))
    first = choose(card, "cpu")
    (place,) = (auto.cache() / "backends").iterdir()
    for text in ("", "{", "[]", '{"backend": "quick"}', '{"backend": "gone", "reason": "", "others": {}}'):
        place.write_text(text)
        assert choose(card, "cpu") == first


def test_where_nothing_can_be_remembered_it_is_found_all_the_same(card, offered, tmp_path, monkeypatch, caplog):
    offered(1.0, quick=(0.5, 0.0))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(auto, "cache", lambda: tmp_path / "file")
    assert choose(card, "cpu").backend == "quick"
    assert "cannot be remembered" in caplog.text


def test_small_and_large_models_are_not_measured(card, monkeypatch):
    monkeypatch.setattr(auto, "SMALL", 10**9)
    assert "so small" in choose(card, "cpu").reason
    monkeypatch.setattr(auto, "SMALL", 0)
    monkeypatch.setattr(auto, "LARGE", 0)
    assert "too large" in choose(card, "cpu").reason
    assert choose(card, "cpu").backend == "torch"


def test_the_real_ones_are_all_measured(card, monkeypatch):
    monkeypatch.setattr(auto, "multiplies_bfloat16", lambda device: True)
    choice = measure(card, "cpu")
    assert set(choice.others) == {name for name in BACKENDS if runs_on(name, "cpu")} - {"torch"}
    cannot = set(SLOW) | (set() if torch.cpu._is_vnni_supported() else {"torch-int8"})
    assert all("times as fast" in found for name, found in choice.others.items() if name not in cannot)


def test_a_model_is_loaded_by_what_auto_chose(card, monkeypatch):
    monkeypatch.setattr(models, "choose", lambda *_: Choice("torch-bf16", "", {}))
    assert load_model(card.folder, backend="auto").backend == "torch-bf16"
    assert load_model(card.folder).backend == "torch"


def test_what_was_chosen_and_fails_later_is_told_and_torch_takes_over(card, monkeypatch, caplog):
    def gone(*_):
        raise ResourceError("The library is gone.", "Install it.")

    monkeypatch.setattr(models, "choose", lambda *_: Choice("torch-bf16", "", {}))
    monkeypatch.setitem(models.BACKENDS, "torch-bf16", gone)
    with caplog.at_level(logging.WARNING, "stemweave"):
        assert load_model(card.folder, backend="auto").backend == "torch"
    assert "The library is gone" in caplog.text
    with pytest.raises(ResourceError, match="gone"):
        load_model(card.folder, backend="torch-bf16")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cpu:x", ""])
def test_a_device_that_is_not_there_is_told_as_ever(card, device):
    for backend in ("auto", "torch"):
        with pytest.raises(ResourceError, match=f"cannot use the device '{device}'"):
            load_model(card.folder, device, backend)


def test_a_gpu_beyond_those_there_are_is_told_before_it_is_asked_anything(card, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ResourceError, match="there are 2"):
        choose(card, "cuda:2")
    assert not is_here("cuda:2")
    assert is_here("cuda:1")


def test_a_model_that_cannot_be_loaded_at_all_is_told_as_ever(card):
    card.weights.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(card.folder, backend="auto")
