"""onnxruntime's providers: the best there is runs the model, one that fails is named and the next one taken."""

import logging
from types import SimpleNamespace
from unittest.mock import Mock

import onnxruntime
import pytest
import torch
from support.models import write_smallest_model

from engine import formats
from engine.cards import read_card
from engine.errors import ModelError, ResourceError
from engine.export import export
from engine.providers import IN_TURN, SUFFIX, sessions

HONEST = onnxruntime.InferenceSession


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return export(read_card(write_smallest_model(folder / "smallest")), "onnx", "fp32", folder).files[0]


@pytest.fixture
def built(monkeypatch):
    """An onnxruntime that says it was built with these providers, of which some start and others raise what is told; gives back
    what sessions were asked for. Whatever starts is computed on the processor."""

    def pretend(*names: str, **errors: Exception):
        asked: list[list[tuple[str, dict]]] = []

        class Session:
            def __init__(self, path, options, providers, enable_fallback):
                asked.append(providers)
                name = providers[0][0].removesuffix(SUFFIX)
                if isinstance(errors.get(name), Exception):
                    raise errors[name]
                self.here = [] if name in errors else [name + SUFFIX]
                self.real = HONEST(path, options, providers=["CPUExecutionProvider"])

            def get_providers(self):
                return [*self.here, "CPUExecutionProvider"]

            def __getattr__(self, name):
                return getattr(self.real, name)

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [name + SUFFIX for name in names])
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        return asked

    return pretend


def first(asked) -> list[str]:
    return [given[0][0].removesuffix(SUFFIX) for given in asked]


@pytest.mark.parametrize(
    ("names", "device", "taken"),
    [
        (("CPU",), "cpu", "CPU"),
        (("Azure", "CUDA", "CPU"), "cpu", "CPU"),
        (("CPU", "OpenVINO"), "cpu", "OpenVINO"),
        (("CPU", "Dml"), "cpu", "Dml"),
        (("CoreML", "CPU"), "cpu", "CPU"),
        (("CoreML", "CPU"), "mps", "CoreML"),
        (("CPU", "CUDA", "Tensorrt"), "cuda:1", "CUDA"),
        (("CPU", "CUDA"), "cuda", "CUDA"),
    ],
)
def test_the_best_of_what_there_is_is_taken(built, path, names, device, taken):
    asked = built(*names)
    next(sessions(path, device))
    assert first(asked) == [taken]


def test_a_gpu_is_named_by_its_number_and_computes_in_full_precision(built, path):
    asked = built("Tensorrt", "CUDA", "CPU")
    next(sessions(path, "cuda:1"))
    assert asked == [[("CUDAExecutionProvider", {"device_id": 1, "use_tf32": 0})]]


def test_one_that_fails_when_it_runs_gives_way_too_but_not_where_memory_ran_out(built, path, caplog, monkeypatch):
    """OpenVINO of 2026 does: it starts, and fails when it runs."""
    asked = built("OpenVINO", "CPU")
    run, about = formats.open_onnx(path, "cpu")
    given = torch.randn(2, len(about["sources"]) + 2, 64, 16), torch.randn(2)
    wanted, real = run(*given), run.current
    for words, still in (("failed to allocate 9 bytes", "OpenVINO"), ("names mismatch\nand more", "CPU")):
        run.current = SimpleNamespace(
            io_binding=real.io_binding, run_with_iobinding=Mock(side_effect=[RuntimeError(words)])
        )
        with caplog.at_level(logging.WARNING, "stemweave"):
            if still == "OpenVINO":
                with pytest.raises(RuntimeError, match=words):
                    run(*given)
            else:
                torch.testing.assert_close(run(*given), wanted)
        assert first(asked)[-1] == still
    (record,) = caplog.records
    assert record.message == "onnxruntime's OpenVINO cannot be used here, CPU runs the model: names mismatch"
    run.current = SimpleNamespace(
        io_binding=real.io_binding, run_with_iobinding=Mock(side_effect=ValueError("the last"))
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="the last"):
            run(*given)


@pytest.mark.parametrize("failure", [RuntimeError("no driver of that age\nand more"), "does not start"])
def test_one_that_fails_is_named_and_the_next_one_runs_the_model(built, path, caplog, failure):
    asked = built("OpenVINO", "CPU", OpenVINO=failure)
    with caplog.at_level(logging.WARNING, "stemweave"):
        _, about = formats.open_onnx(path, "cpu")
    assert first(asked) == ["OpenVINO", "CPU"]
    (record,) = caplog.records
    assert "OpenVINO cannot be used here, CPU runs the model: " in record.message
    assert record.message.endswith("no driver of that age" if isinstance(failure, Exception) else failure)
    assert about["model"] == "smallest"


def test_where_nothing_starts_the_device_is_named(built, path):
    for names, errors, device in ((("CUDA", "CPU"), {"CUDA": ""}, "cuda"), (("CPU",), {}, "mps"), (("CPU",), {}, "x")):
        built(*names, **errors)
        with pytest.raises(ResourceError, match=f"cannot use the device '{device}'"):
            next(sessions(path, device))
    built("OpenVINO", "CPU", OpenVINO="", CPU=RuntimeError("protobuf parsing failed"))
    with pytest.raises(ModelError, match="cannot be read: protobuf parsing failed"):
        next(sessions(path, "cpu"))
    built("CPU", CPU=RuntimeError("NOT_IMPLEMENTED : Could not find an implementation for Sin(7)"))
    with pytest.raises(ResourceError, match=r"cannot run smallest-fp32\.onnx on 'cpu'"):
        next(sessions(path, "cpu"))


def test_what_is_built_in_but_not_installed_here_gives_way_to_the_processor(path, monkeypatch, caplog):
    """With onnxruntime itself: whatever it names that does not start on this machine, the last one does."""
    names = [name.removesuffix(SUFFIX) for name in onnxruntime.get_available_providers()]
    monkeypatch.setitem(IN_TURN, "cpu", ("Qnn", *(name for name in names if name != "CPU"), "CPU"))
    with caplog.at_level(logging.WARNING, "stemweave"):
        session = next(sessions(path, "cpu"))
    assert session.get_providers()[-1] == "CPUExecutionProvider"
    assert all("cannot be used here" in record.message for record in caplog.records)


def test_audio_of_a_device_that_onnxruntime_does_not_read_is_copied_there_and_back(built, path):
    built("CoreML", "CPU")
    run, about = formats.open_onnx(path, "mps")
    channels = len(about["sources"])
    x, noise = torch.randn(2, channels + 2, 64, 16), torch.randn(2)
    assert run.device.type == "cpu"
    torch.testing.assert_close(run(x, noise), formats.open_onnx(path, "mps")[0](x, noise))


def test_every_device_ends_with_what_must_be_there():
    assert {device: names[-1] for device, names in IN_TURN.items()} == {"cuda": "CUDA", "mps": "CoreML", "cpu": "CPU"}
