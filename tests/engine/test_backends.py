"""Every back end is the same denoiser: same stems, same seed, gradients and all; what is cached is whole or made again."""

import os
import shutil
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from support.models import write_smallest_model, write_tiny_model, write_tiny_paper_model

from engine import networks
from engine.backends import BACKENDS, exported, runs_on
from engine.cards import read_card
from engine.denoiser import Conditioning
from engine.errors import ModelError, ResourceError
from engine.evaluation import si_sdr
from engine.models import load_model
from engine.networks.core import Replaced, probe
from engine.pipeline import separate
from engine.presets import load_preset

HERE = [
    pytest.param(name, marks=pytest.mark.vnni if name == "torch-int8" else ())
    for name in BACKENDS
    if runs_on(name, "cpu") and name not in exported.SLOW  # which have tests of their own
]
ROUNDED = ("torch-bf16", "torchscript-bf16", "torch-int8")
EXPORTED = ("torchscript", "torchscript-bf16", "onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """(2, 50000): two chunks, the last one short."""
    rng = np.random.default_rng(0)
    return (0.1 * np.cumsum(rng.standard_normal((2, 50_000)), 1) / 30).astype(np.float32)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "exports"


def test_the_cache_is_the_users():
    assert exported.cache() == platformdirs.user_cache_path("stemweave")


@pytest.mark.parametrize("backend", HERE)
def test_same_stems_within_the_stated_tolerance_and_the_same_again(folder, song, backend):
    preset = load_preset(steps=3, seed=5)
    wanted = separate(load_model(folder), song, 22050, preset)
    model = load_model(folder, backend=backend)
    found = separate(model, song, 22050, preset)
    for name in model.spec.sources:
        np.testing.assert_allclose(found[name], wanted[name], atol=0.05 if backend in ROUNDED else 1e-3)
        assert si_sdr(found[name], wanted[name]) > 30
    again = separate(load_model(folder, backend=backend), song, 22050, preset)
    for name in found:
        np.testing.assert_array_equal(again[name], found[name])


@pytest.mark.parametrize("backend", HERE)
def test_calls_may_differ_in_batch_length_and_conditioning(folder, backend):
    """Traces that took one of them for fixed would fail, or answer wrongly, at the others."""
    reference, model = load_model(folder), load_model(folder, backend=backend)
    for batch, samples in ((1, 8192), (3, 20001), (2, 8192)):
        x, sigma, told = probe(model.spec, batch, samples, seed=batch)
        for conditioning in (told, None, Conditioning()):
            with torch.no_grad():
                wanted, found = (m.denoiser(x, sigma, conditioning) for m in (reference, model))
            assert (found - wanted).norm() < (0.03 if backend in ROUNDED else 1e-4) * wanted.norm()


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("write", [write_tiny_paper_model, write_smallest_model])
def test_the_papers_network_and_one_whose_overview_is_heard_run_too(tmp_path, write, backend):
    folder = write(tmp_path / "another")
    if backend == "torch-int8" and write is write_tiny_paper_model:
        with pytest.raises(ResourceError, match="not computed in eight bits"):
            load_model(folder, backend=backend)
        return
    reference, model = load_model(folder), load_model(folder, backend=backend)
    given = probe(model.spec, 2, 8192)
    with torch.no_grad():
        wanted, found = (m.denoiser(*given) for m in (reference, model))
    assert (found - wanted).norm() < (0.03 if backend in ROUNDED else 1e-4) * wanted.norm()


@pytest.mark.parametrize("backend", HERE)
def test_guidance_has_its_gradient_by_every_back_end(folder, backend):
    gradients = []
    for model in (load_model(folder), load_model(folder, backend=backend)):
        x, sigma, conditioning = probe(model.spec, 1, 8192)
        x.requires_grad_()
        model.denoiser(x, sigma, conditioning).square().sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


@pytest.mark.parametrize("backend", EXPORTED)
def test_an_export_is_made_once_and_again_when_it_is_damaged(folder, own_cache, backend, monkeypatch):
    card = read_card(folder)
    written = []
    write = exported.write_core
    monkeypatch.setattr(exported, "write_core", lambda *given: [written.append(given), write(*given)])
    for _ in range(2):
        assert isinstance(BACKENDS[backend](card, "cpu").unet, Replaced)
    assert len(written) == 1
    (made,) = own_cache.iterdir()  # nothing half made is left beside it
    (path,) = made.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    BACKENDS[backend](card, "cpu")
    assert len(written) == 2


def test_other_weights_are_another_export(tmp_path, own_cache):
    for name, chunk in (("one", 32768), ("other", 16384)):
        BACKENDS["torchscript"](read_card(write_tiny_model(tmp_path / name, chunk)), "cpu")
    assert len(list(own_cache.iterdir())) == 2


def test_another_version_of_the_code_is_another_export(folder, own_cache, tmp_path, monkeypatch):
    """It is told by the networks' sources, whichever of them changed."""
    copy = tmp_path / "networks"
    shutil.copytree(Path(networks.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(networks, "__file__", str(copy / "__init__.py"))
    exported.code.cache_clear()
    same = exported.code()
    assert same == exported.code.__wrapped__()
    BACKENDS["torchscript"](read_card(folder), "cpu")
    with open(copy / "unet2d.py", "a") as file:
        file.write("# a change")
    exported.code.cache_clear()
    assert exported.code() != same
    BACKENDS["torchscript"](read_card(folder), "cpu")
    monkeypatch.undo()
    exported.code.cache_clear()
    assert exported.code() == same
    assert len(list((tmp_path / "cache" / "exports").iterdir())) == 2


def test_exports_of_other_versions_go_once_nobody_uses_them(folder, own_cache, tmp_path, monkeypatch):
    card, other = read_card(folder), read_card(write_tiny_model(tmp_path / "other", 16384))
    BACKENDS["torchscript"](card, "cpu")
    (kept,) = own_cache.iterdir()
    monkeypatch.setattr(exported, "code", lambda: "another version of it")
    for which in (card, other):
        BACKENDS["torchscript"](which, "cpu")
    left = own_cache / ".new-of-a-killed-program"
    left.mkdir()
    made = set(own_cache.iterdir()) - {kept}
    for path in (kept, *made):
        os.utime(path, (1e9, 1e9))
    monkeypatch.undo()
    monkeypatch.setattr(exported, "cache", lambda: own_cache.parent)
    BACKENDS["torchscript"](card, "cpu")
    assert set(own_cache.iterdir()) == {kept} | made, "nothing goes where nothing is made"
    BACKENDS["torchscript-bf16"](card, "cpu")
    there = set(own_cache.iterdir())
    assert there & ({kept} | made) == {kept}
    assert len(there) == 2


def test_an_export_that_is_used_by_its_version_stays(folder, own_cache, monkeypatch):
    card = read_card(folder)
    BACKENDS["torchscript"](card, "cpu")
    (kept,) = own_cache.iterdir()
    os.utime(kept, (1e9, 1e9))
    BACKENDS["torchscript"](card, "cpu")
    monkeypatch.setattr(exported, "code", lambda: "another version of it")
    BACKENDS["torchscript"](card, "cpu")
    assert kept.exists()


def test_two_that_write_the_same_at_once_both_get_it(folder, own_cache, monkeypatch):
    """While one writes, another has finished: its equal stays, and nothing of ours is left."""
    card = read_card(folder)
    write = exported.write_core

    def late(*given):
        monkeypatch.setattr(exported, "write_core", write)
        BACKENDS["torchscript"](card, "cpu")
        write(*given)

    monkeypatch.setattr(exported, "write_core", late)
    BACKENDS["torchscript"](card, "cpu")
    assert len(list(own_cache.iterdir())) == 1


@pytest.mark.parametrize("backend", EXPORTED)
def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path, monkeypatch, backend):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(exported, "cache", lambda: tmp_path / "file")
    with pytest.raises(ResourceError, match="cannot be kept") as caught:
        BACKENDS[backend](read_card(folder), "cpu")
    assert "--backend torch" in caught.value.hint


@pytest.mark.parametrize("backend", HERE)
def test_devices_and_weights_that_are_not_there_are_told_by_every_back_end(tmp_path, backend):
    folder = write_tiny_model(tmp_path / "mine")
    with pytest.raises(ResourceError, match="cannot use the device"):
        load_model(folder, "quantum", backend)
    (folder / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(folder, backend=backend)


def test_a_processor_without_eight_bits_and_a_torch_without_its_operators_are_told(folder, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    with pytest.raises(ResourceError, match="VNNI") as caught:
        load_model(folder, backend="torch-int8")
    assert "--backend auto" in caught.value.hint
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    monkeypatch.delattr(torch, "quantize_per_tensor")
    with pytest.raises(ResourceError, match="does not compute in eight bits here"):
        load_model(folder, backend="torch-int8")
