"""Back ends of a GPU: what is kept and played again, tried without one; the rest where there is one."""

import pytest
import torch
from support.models import write_tiny_model
from torch._dynamo.exc import InternalTorchDynamoError

from engine.backends import BACKENDS, GPU_ONLY, graphs, runs_on
from engine.backends.graphs import KEPT, Graphs
from engine.cards import read_card
from engine.errors import ResourceError
from engine.models import load_model
from engine.networks.core import probe
from engine.pipeline import separate
from engine.presets import load_preset

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")]
second = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no second GPU here")


@pytest.fixture
def recorded(monkeypatch):
    """Graphs of x + 2y whose recordings are plain calls, and the shapes that were recorded."""
    seen = []

    def record(core, own):
        seen.append(tuple(own[0].shape))
        found = torch.empty_like(own[0])
        for tensor in own:
            tensor.fill_(torch.nan)
        return lambda: found.data.copy_(torch.add(own[0], own[1], alpha=2)), found

    monkeypatch.setattr(graphs, "record", record)
    return Graphs(None), seen


def test_a_recording_is_played_on_what_is_given_and_what_it_gave_before_stays(recorded):
    played, seen = recorded
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    first, second = played(x, y), played(y, x)
    torch.testing.assert_close(first, x + 2 * y)
    torch.testing.assert_close(second, y + 2 * x)
    assert seen == [(2, 3)]


def test_what_was_recorded_in_inference_mode_is_played_outside_of_it(recorded):
    """A separation runs in it, and what is filled in does not."""
    played, seen = recorded
    x = torch.randn(2, 3)
    for mode in (torch.inference_mode, torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(played(x, x), 3 * x)
    assert len(seen) == 1


def test_every_shape_is_recorded_once_and_only_so_many_are_kept(recorded):
    played, seen = recorded
    for length in (*range(1, KEPT + 2), 2, 1):
        x = torch.randn(length)
        torch.testing.assert_close(played(x, x), 3 * x)
    assert seen == [(length,) for length in (*range(1, KEPT + 2), 1)]
    assert len(played.kept) == KEPT


def test_every_type_and_device_has_a_recording_of_its_own(recorded):
    played, seen = recorded
    for x in (torch.ones(3), torch.ones(3, dtype=torch.float64), torch.ones(3, device="meta"), torch.ones(3)):
        found = played(x, x)
        assert (found.dtype, found.device) == (x.dtype, x.device)
    assert len(seen) == 3


@pytest.mark.parametrize("backend", sorted(GPU_ONLY))
def test_without_a_gpu_they_say_so_and_nobody_tries_them(tmp_path, backend):
    card = read_card(write_tiny_model(tmp_path / "tiny"))
    with pytest.raises(ResourceError, match="do not run on 'cpu'"):
        load_model(card.folder, "cpu", backend)
    assert not runs_on(backend, "cpu")
    assert runs_on(backend, "cuda:1")
    assert all(runs_on(name, "cpu") for name in set(BACKENDS) - GPU_ONLY)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            InternalTorchDynamoError("no such kernel\nand more"),
            pytest.raises(ResourceError, match="here: no such kernel Use"),
        ),
        (torch.OutOfMemoryError("too large a batch"), pytest.raises(torch.OutOfMemoryError)),
    ],
)
def test_what_cannot_be_compiled_in_the_middle_of_a_job_is_told(monkeypatch, raised, told):
    def compiled(x):
        if len(x) == 3:
            raise raised
        return 2 * x

    monkeypatch.setattr(torch, "compile", lambda core, mode: compiled)
    core = graphs.compiled_core(None, (torch.ones(1),))
    assert core(torch.ones(2)).tolist() == [2, 2]
    with told:
        core(torch.ones(3))


@pytest.mark.parametrize("backend", [pytest.param(name, marks=gpu) for name in BACKENDS])
def test_every_back_end_gives_the_same_stems_on_a_gpu(tmp_path, backend):
    folder = write_tiny_model(tmp_path / "tiny")
    song = 0.1 * torch.randn(2, 50_000, generator=torch.Generator().manual_seed(0)).cumsum(1).numpy() / 30
    preset = load_preset(steps=3, seed=5)
    wanted = separate(load_model(folder, "cuda"), song, 22050, preset)
    found = separate(load_model(folder, "cuda", backend), song, 22050, preset)
    limit = 0.05 if backend.endswith("bf16") else 1e-3
    for name in wanted:
        assert abs(found[name] - wanted[name]).max() < limit


@pytest.mark.parametrize("backend", [pytest.param(name, marks=gpu) for name in sorted(GPU_ONLY)])
@pytest.mark.parametrize("device", ["cuda", pytest.param("cuda:1", marks=second)])
def test_recordings_answer_at_any_shape_on_a_gpu(tmp_path, backend, device):
    folder = write_tiny_model(tmp_path / "tiny")
    reference, model = load_model(folder, device), load_model(folder, device, backend)
    for batch, samples in ((1, 8192), (3, 20001), (1, 8192)):
        given = probe(model.spec, batch, samples, seed=batch, device=device)
        with torch.no_grad():
            torch.testing.assert_close(model.denoiser(*given), reference.denoiser(*given), rtol=1e-3, atol=1e-4)
