"""Compiling ahead of time: a network with recurrent layers of both kinds, at any batch and length, in every precision."""

import json
import zipfile

import pytest
import torch
from support.models import SOURCES, write_smallest_model
from torch import nn

from engine.aoti import in_steps, open_aoti, write_aoti
from engine.backends import BACKENDS, exported
from engine.backends.auto import choose, measure
from engine.cards import read_card
from engine.errors import ModelError, ResourceError
from engine.export import export, relative_error
from engine.models import load_model
from engine.networks.core import Replaced, probe


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return read_card(write_smallest_model(tmp_path_factory.mktemp("models") / "smallest"))


@pytest.fixture(scope="module")
def cached(card, tmp_path_factory):
    """The cache's folder, in which the back end `aoti` has been used once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "cache", lambda: folder)
        BACKENDS["aoti"](card, "cpu")
    return folder


@pytest.fixture
def package(cached):
    (path,) = cached.glob("exports/*/*.pt2")
    return path


def test_it_answers_as_torch_does_at_any_batch_and_length(card, cached, monkeypatch):
    monkeypatch.setattr(exported, "cache", lambda: cached)
    monkeypatch.setattr(exported, "write_core", lambda *_: pytest.fail("compiled again"))
    reference, model = load_model(card.folder), load_model(card.folder, backend="aoti")
    assert isinstance(model.denoiser.unet, Replaced)
    for batch, samples in ((2, 16384), (1, 8192), (3, 20001), (1, 512), (2, 100_000)):
        given = probe(card.spec, batch, samples, seed=batch)
        with torch.no_grad():
            assert relative_error(model.denoiser(*given), reference.denoiser(*given)) < 1e-5


def test_a_package_says_whose_it_is_and_for_what(card, package):
    about = open_aoti(package, "cpu")[1]
    wanted = {
        "model": "smallest",
        "sources": list(SOURCES),
        "precision": "fp32",
        "device": "cpu",
        "torch": torch.__version__,
    }
    assert about.items() >= wanted.items()
    with pytest.raises(ResourceError, match="compiled for 'cpu', not for 'cuda'"):
        open_aoti(package, "cuda:0")


def test_bf16_is_exported_and_compared(card, tmp_path):
    report = export(card, "aoti", "bf16", tmp_path)
    assert [path.name for path in report.files] == ["smallest-bf16.pt2"]
    assert 1e-5 < max(report.errors.values()) < report.tolerance
    assert 30 < report.stems_db < 100


def test_damaged_missing_and_foreign_packages_are_refused_before_anything_in_them_runs(package, tmp_path, monkeypatch):
    monkeypatch.setattr(torch._inductor, "aoti_load_package", lambda *_, **__: pytest.fail("it ran"))
    whole, path = package.read_bytes(), tmp_path / "damaged.pt2"
    middle = len(whole) // 2
    for damaged in (
        whole[:-2000],
        whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        b"",
        b"no package",
    ):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot be read"):
            open_aoti(path, "cpu")
    with pytest.raises(ModelError, match="cannot be read"):
        open_aoti(tmp_path / "nowhere", "cpu")
    with zipfile.ZipFile(path, "w") as foreign:
        foreign.writestr("data/x_metadata.json", json.dumps({"AOTI_DEVICE_KEY": "cpu"}))
    with pytest.raises(ModelError, match="not written by stemweave"):
        open_aoti(path, "cpu")


@pytest.mark.parametrize("layer", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_recurrent_layers_in_steps_are_the_layers_themselves(layer, bidirectional, dtype):
    for batch_first in (True, False):
        own = layer(6, 8, 2, batch_first=batch_first, bidirectional=bidirectional).to(dtype)
        steps = in_steps(nn.Sequential(own))
        x = torch.randn(3, 7, 6).to(dtype)
        with torch.no_grad():
            wanted, found = own(x)[0].float(), steps(x)[0].float()
        assert relative_error(found, wanted) < (1e-6 if dtype == torch.float32 else 2e-2)


def test_without_a_compiler_it_is_told(card, tmp_path):
    absent = torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)})
    with absent, pytest.raises(ResourceError, match="needs a C\\+\\+ compiler") as caught:
        export(card, "aoti", "fp32", tmp_path / "out")
    assert "g++" in caught.value.hint
    assert "--backend torch" in caught.value.hint
    assert not list((tmp_path / "out").iterdir())


def test_what_torch_cannot_compile_is_told(tmp_path):
    class Unwritten(nn.Module):
        def forward(self, x, noise):
            return torch.from_numpy(x.numpy() + 1)

    with pytest.raises(ResourceError, match="cannot compile this model"):
        write_aoti(Unwritten(), (torch.zeros(2, 3, 4), torch.zeros(2)), tmp_path / "x.pt2", {})


def test_another_machine_has_a_package_of_its_own(card, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "cache", lambda: tmp_path)
    exported._folder(card, "cpu", "aoti", "fp32").mkdir(parents=True)
    told = "model name\t: A {model}\nflags\t\t: fpu {flags}\ncpu MHz\t\t: {speed}\n"
    here = {"model": 1, "flags": "avx2", "speed": 1000}
    names = []
    for number, change in enumerate(({}, {"speed": 2000}, {"flags": "avx2 amx"}, {"model": 2})):
        path = tmp_path / str(number)
        path.write_text(told.format(**here | change))
        names.append(exported.processor(path))
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert exported.processor(tmp_path / "nowhere") not in names
    assert exported.made(card, "cpu", "aoti")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 97)
        assert not exported.made(card, "cpu", "aoti")
    monkeypatch.setattr(exported, "processor", lambda: names[0])
    assert not exported.made(card, "cpu", "aoti")


def test_another_gpu_has_a_package_of_its_own(card, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a GPU at {device}")
    folders = [exported._folder(card, device, "aoti", "fp32") for device in ("cpu", "cuda:0", "cuda:1", "cuda:0")]
    assert len(set(folders)) == 3
    assert folders[1] == folders[3]


def test_auto_does_not_let_anybody_wait_for_it_but_tries_what_was_compiled(card, cached, tmp_path, monkeypatch):
    from engine.backends import auto

    monkeypatch.setattr(auto, "BACKENDS", {name: BACKENDS[name] for name in ("torch", "aoti")})
    monkeypatch.setattr(auto, "SMALL", 0)
    monkeypatch.setattr(auto, "cache", lambda: tmp_path)
    monkeypatch.setattr(exported, "cache", lambda: tmp_path / "empty")
    assert choose(card, "cpu").others == {
        "aoti": "not tried: compiling takes minutes; once it was used by --backend aoti, it is"
    }
    monkeypatch.setattr(exported, "cache", lambda: cached)
    assert auto.remembered(card, "cpu") is None  # what was chosen without it
    assert "times as fast as torch" in measure(card, "cpu").others["aoti"]
