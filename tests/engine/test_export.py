"""Exports: what is written computes what torch computes, says what it is, and nothing that does not is kept or believed."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from support.models import (
    SOURCES,
    write_smallest_model,
    write_tiny_model,
    write_tiny_paper_model,
    write_tiny_text_model,
)

from engine import export as exports
from engine import export_alone
from engine.cards import WEIGHTS, load_network, read_card, write_model_folder
from engine.denoiser import Conditioning, ModelSpec
from engine.errors import ModelError, ResourceError
from engine.export import agreement, export
from engine.formats import FORMATS, KEY, Format, open_onnx, told_where_to_begin, write_onnx
from engine.models import combine_models
from engine.networks import as_denoiser
from engine.networks.core import Rounded, core_inputs, core_of, probe, replace_core


def write_tiny_independent_model(folder):
    parts = [read_card(write_tiny_paper_model(folder.parent / name, (name,))) for name in ("bass", "drums")]
    return combine_models(parts, folder)


WRITERS = {
    "with overview": write_smallest_model, "compact": write_tiny_model, "text": write_tiny_text_model,
    "paper": write_tiny_paper_model, "independent": write_tiny_independent_model,
}  # fmt: skip


@pytest.fixture
def compact(tmp_path):
    return read_card(write_tiny_model(tmp_path / "compact"))


def denoiser_of(card):
    return as_denoiser(load_network(card), card.spec)


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        ("compact", "onnx"),
        ("compact", "torchscript"),
        ("with overview", "onnx"),
        ("with overview", "torchscript"),
        ("paper", "onnx"),
        ("text", "torchscript"),
        ("independent", "onnx"),
    ],
)
def test_every_network_is_exported_to_float_precision_at_any_batch_and_length(tmp_path, kind, format):
    card = read_card(WRITERS[kind](tmp_path / kind))
    report = export(card, format, "fp32", tmp_path / "out")
    assert len(report.errors) == 3
    assert max(report.errors.values()) < 1e-4
    assert report.stems_db > 80
    assert report.files == list((tmp_path / "out").iterdir())
    wanted = denoiser_of(card)
    inputs = core_inputs(wanted, probe(card.spec, 4, 20000, seed=9))
    run, _ = FORMATS[format].open(report.files[0], "cpu")
    with torch.no_grad():
        torch.testing.assert_close(run(*inputs), core_of(wanted)(*inputs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "format", "precision", "stems_db"),
    [
        ("compact", "onnx", "fp16", 50),
        ("with overview", "onnx", "fp16", 50),
        ("with overview", "torchscript", "fp16", 50),
        ("with overview", "torchscript", "bf16", 30),
        ("paper", "torchscript", "bf16", 30),
    ],
)
def test_half_precision_loses_what_it_must_and_is_half_as_large(tmp_path, kind, format, precision, stems_db):
    card = read_card(WRITERS[kind](tmp_path / kind))
    report = export(card, format, precision, tmp_path)
    assert 1e-5 < max(report.errors.values()) < report.tolerance
    assert stems_db < report.stems_db < 100
    assert abs(report.loss_db) < 0.1


def test_the_noise_level_is_told_exactly_in_half_precision(compact):
    """Sines of it would turn bfloat16's steps of 0.03 around 9 into large errors."""
    unet = core_of(denoiser_of(compact))
    rounded = Rounded(unet, torch.bfloat16)
    assert rounded.core.enter.weight.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.core.noise[0].frequencies, unet.noise[0].frequencies, rtol=0, atol=0)
    levels = -9 + torch.linspace(0, 0.03, 5)
    told = rounded.core.noise[0](levels).float()
    torch.testing.assert_close(told, unet.noise[0](levels), rtol=0, atol=4e-3)
    assert unet.enter.weight.dtype == torch.float32


def test_an_export_says_whose_it_is(compact, tmp_path):
    wanted = {
        "model": "compact", "network": "local_gaussian", "sources": ["bass", "drums", "guitar", "piano"], "sample_rate": 22050,
        "chunk": 32768, "sigma_data": 0.05, "precision": "fp32",
        "weights_sha256": hashlib.sha256(compact.weights.read_bytes()).hexdigest(),
    }  # fmt: skip
    (path,) = export(compact, "onnx", "fp32", tmp_path / "out").files
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(properties[KEY]).items() >= (wanted | {"opset": onnx.load(path).opset_import[0].version}).items()
    (path,) = export(compact, "torchscript", "fp32", tmp_path / "script").files
    extra = {KEY: ""}
    torch.jit.load(path, _extra_files=extra)
    assert json.loads(extra[KEY]).items() >= wanted.items()


@pytest.mark.parametrize("kind", ["compact", "text", "paper", "independent"])
def test_the_tensors_of_an_onnx_file_are_named_and_explained(tmp_path, kind):
    card = read_card(WRITERS[kind](tmp_path / kind))
    graph = onnx.load(export(card, "onnx", "fp32", tmp_path / "out").files[0]).graph
    for tensor in (*graph.input, *graph.output):
        assert "batch" in tensor.doc_string
        free = {dim.dim_param for dim in tensor.type.tensor_type.shape.dim} - {""}
        assert free <= {"batch", "length"}


def test_a_torchscript_file_is_bound_to_no_device(tmp_path):
    """A recurrent layer's own zeros would be: loading does not move them along."""
    card = read_card(write_smallest_model(tmp_path / "overview"))
    (path,) = export(card, "torchscript", "fp32", tmp_path / "out").files
    assert "Device" not in str(FORMATS["torchscript"].open(path, "cpu")[0].inlined_graph)
    core = core_of(denoiser_of(card))
    with told_where_to_begin(core):
        pass
    assert not any(module._forward_pre_hooks for module in core.modules())


@pytest.mark.parametrize("hears_known", [False, True])
def test_an_onnx_file_is_used_without_stemweave(tmp_path, monkeypatch, hears_known):
    card = read_card(write_tiny_model(tmp_path / "tiny", hears_known=hears_known))
    (path,) = export(card, "onnx", "fp32", tmp_path / "out").files
    session, about = export_alone.opened(str(path))
    x, sigma, told = probe(card.spec, 1, 20_001)
    told = Conditioning(told.mixture)
    with torch.no_grad():
        wanted = denoiser_of(card)(x, sigma, told)[0].numpy()
    found = export_alone.denoise(session, about, x[0].numpy(), float(sigma), told.mixture[0].numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_example_separates_a_song_where_neither_torch_nor_stemweave_is(tmp_path):
    (path,) = export(read_card(write_tiny_model(tmp_path / "tiny")), "onnx", "fp32", tmp_path / "out").files
    song = 0.1 * np.random.default_rng(0).standard_normal(20_000)
    soundfile.write(tmp_path / "song.wav", song, 22050, subtype="PCM_16")
    without = "import runpy, sys; sys.modules |= {'engine': None, 'torch': None}; runpy.run_path(sys.argv.pop(1), {}, '__main__')"
    command = [sys.executable, "-c", without, export_alone.__file__, str(path), "song.wav"]
    subprocess.run(command, cwd=tmp_path, check=True)
    stems = [soundfile.read(tmp_path / f"{name}.wav")[0] for name in SOURCES]
    np.testing.assert_allclose(sum(stems), song, atol=3e-4)


def test_onnx_is_well_formed_and_its_weights_lie_beside_it_when_they_are_large(compact, tmp_path):
    denoiser = denoiser_of(compact)
    inputs = core_inputs(denoiser, probe(compact.spec, 2, 16384))
    path = tmp_path / "large.onnx"
    write_onnx(core_of(denoiser), inputs, path, {}, external=1)
    assert (tmp_path / "large.onnx.data").stat().st_size > compact.weights.stat().st_size * 0.8
    assert path.stat().st_size < compact.weights.stat().st_size + 200_000
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": inputs[0].numpy(), "noise": inputs[1].numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), core_of(denoiser)(*inputs), rtol=1e-3, atol=1e-4)


def test_an_export_that_computes_something_else_is_not_kept(compact, tmp_path, monkeypatch):
    honest = FORMATS["onnx"]

    def faulty(core, inputs, path, about):
        core.leave.bias.data += 0.01
        honest.write(core, inputs, path, about)
        core.leave.bias.data -= 0.01

    monkeypatch.setitem(exports.FORMATS, "onnx", Format(".onnx", faulty, honest.open))
    with pytest.raises(ModelError, match="is off by"):
        export(compact, "onnx", "fp32", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_export_whose_estimates_are_worse_is_not_kept(compact, tmp_path, monkeypatch):
    """Within the tolerance of what the core computes, the stems may still be of less worth."""
    honest = FORMATS["torchscript"]

    def opened(path, device):
        run, about = honest.open(path, device)
        generator = torch.Generator().manual_seed(0)
        return lambda *inputs: run(*inputs) + 5 * torch.randn(run(*inputs).shape, generator=generator), about

    monkeypatch.setitem(exports.TOLERANCE, "bf16", 1e9)
    monkeypatch.setitem(exports.FORMATS, "torchscript", Format(".pt", honest.write, opened))
    with pytest.raises(ModelError, match=r"lose .* dB in bf16, more than 0\.1"):
        export(compact, "torchscript", "bf16", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_weights_of_another_model_and_weights_that_are_nan_are_told(compact, tmp_path):
    weights = load_file(compact.weights)
    name = next(name for name, tensor in weights.items() if tensor.ndim > 1)
    for changed, words in (
        (dict(list(weights.items())[1:]), r"cannot be loaded: Missing key\(s\) in state_dict"),
        (weights | {name: weights[name][:1]}, "cannot be loaded: size mismatch"),
        (weights | {name: weights[name] * torch.nan}, "computes NaN: its weights are damaged"),
    ):
        save_file({key: tensor.contiguous() for key, tensor in changed.items()}, compact.weights)
        with pytest.raises(ModelError, match=words):
            export(read_card(compact.folder), "torchscript", "fp32", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("format", ["onnx", "torchscript"])  # the third, which takes a minute: test_aoti.py
def test_damaged_missing_and_foreign_exports_are_refused(compact, tmp_path, format):
    (path,) = export(compact, format, "fp32", tmp_path / "out").files
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ModelError, match="cannot be read"):
        FORMATS[format].open(path, "cpu")
    with pytest.raises(ModelError, match="cannot be read"):
        FORMATS[format].open(tmp_path / "nowhere", "cpu")
    foreign = tmp_path / "foreign"
    if format == "onnx":
        from bridge.doctor import IDENTITY

        foreign.write_bytes(IDENTITY)
    else:
        torch.jit.script(torch.nn.Linear(1, 1)).save(foreign)
    with pytest.raises(ModelError, match="not written by stemweave"):
        FORMATS[format].open(foreign, "cpu")


def test_what_cannot_be_exported_is_told(compact, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="no export to 'abacus' in 'fp32'"):
        export(compact, "abacus", "fp32", tmp_path)
    with pytest.raises(ModelError, match="no export to 'onnx' in 'fp8'"):
        export(compact, "onnx", "fp8", tmp_path)
    with pytest.raises(ResourceError, match="cannot run bf16"):
        export(compact, "onnx", "bf16", tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ResourceError, match="needs the package onnx") as caught:
        export(compact, "onnx", "fp32", tmp_path)
    assert "stemweave[export]" in caught.value.hint
    (compact.folder / WEIGHTS).write_bytes(b"not weights")
    with pytest.raises(ModelError, match="weights of 'compact' cannot be loaded"):
        export(compact, "torchscript", "fp32", tmp_path)
    assert not list(tmp_path.glob("*.pt"))


def test_a_network_of_another_package_is_not_exported(tmp_path):
    from engine.networks import build

    spec = ModelSpec(("a", "b"), 22050, 16384, 0.05, conditional=True)
    weights = {name: tensor.clone() for name, tensor in build("open_unmix", {"hidden": 16}, spec).state_dict().items()}
    card = read_card(write_model_folder(tmp_path / "peer", spec, "open_unmix", {"hidden": 16}, weights, {}))
    with pytest.raises(ModelError, match="not a network of this project"):
        export(card, "onnx", "fp32", tmp_path / "out")


def test_gradients_go_through_the_core_itself(compact):
    """What runs it otherwise has none; guidance through it would be silently zero."""
    wanted = denoiser_of(compact)
    replaced = replace_core(denoiser_of(compact), lambda x, noise: torch.zeros_like(x[:, :4]))
    x, sigma, conditioning = probe(compact.spec, 1, 16384)
    gradients = []
    for denoiser in (wanted, replaced):
        leaf = x.clone().requires_grad_()
        denoiser(leaf, sigma, conditioning).square().sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)
    with torch.no_grad():
        assert not torch.equal(wanted(x, sigma, conditioning), replaced(x, sigma, conditioning))


def test_onnxruntime_refuses_devices_it_does_not_have(compact, tmp_path):
    (path,) = export(compact, "onnx", "fp32", tmp_path / "out").files
    with pytest.raises(ResourceError, match="cannot use the device 'mps'"):
        open_onnx(path, "mps")


def test_agreement_is_the_level_of_the_difference():
    wanted = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    found = wanted.clone()
    found[1, 2] *= 1.01
    assert agreement(found, wanted) == pytest.approx(40, abs=0.01)
