"""Published checkpoints become model folders; damaged, foreign and hostile files become a ModelError and nothing else."""

import contextlib
import os
import pickle
import random
import tomllib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import engine.checkpoint_import as importing
from engine.cards import load_network, read_card
from engine.checkpoint_import import import_msdm_checkpoint
from engine.errors import ModelError
from engine.networks.msdm_unet import MSDMUNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from audio_diffusion_pytorch import LogNormalDistribution

SMALL = dict(
    channels=32,
    patch_factor=4,
    multipliers=[1, 1, 2],
    factors=[2, 2],
    num_blocks=[1, 1],
    attentions=[False, True],
    attention_heads=2,
    attention_features=8,
)


def checkpoint(sources: int = 4, **changes) -> dict:
    """A checkpoint laid out as Lightning 1.7.7 saves it with save_weights_only, around a small random network."""
    network = MSDMUNet(in_channels=sources, **SMALL)
    tensors = network.state_dict()
    state = {f"model.{part}.{key}": tensors[key] for part in ("unet", "diffusion.net") for key in tensors}
    hyper = {
        **{"learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.99, "in_channels": sources, "patch_blocks": 1},
        **{"kernel_sizes_init": [1, 3, 7], "use_nearest_upsample": False, "diffusion_dynamic_threshold": 0.0},
        **{"diffusion_sigma_distribution": LogNormalDistribution(-3.0, 1.0), "diffusion_sigma_data": 0.25},
        **SMALL,
    }
    return {
        "epoch": 419,
        "global_step": 123456,
        "pytorch-lightning_version": "1.7.7",
        "state_dict": state,
        "loops": None,
        "hparams_name": "kwargs",
        "hyper_parameters": hyper,
        **changes,
    }


def saved(content, folder: Path, name: str = "epoch=419-valid_loss=0.014.ckpt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def refusal(path: Path, out: Path, **arguments) -> ModelError:
    """The error an import ends in, after which nothing may have been written."""
    with pytest.raises(ModelError) as caught:
        import_msdm_checkpoint(path, out, **arguments)
    assert caught.value.hint
    assert not out.exists()
    return caught.value


def test_a_checkpoint_becomes_a_model_folder_with_the_same_weights(tmp_path):
    original = checkpoint()
    folder = import_msdm_checkpoint(saved(original, tmp_path), tmp_path / "models")
    assert folder == tmp_path / "models" / "msdm"
    written = load_file(folder / "weights.safetensors")
    state = original["state_dict"]
    assert len(written) == len(state) // 2
    assert all(torch.equal(tensor, state[f"model.unet.{key}"]) for key, tensor in written.items())


def test_the_card_says_what_the_model_is(tmp_path):
    path = saved(checkpoint(), tmp_path)
    card = read_card(import_msdm_checkpoint(path, tmp_path / "models", name="avid-darkness"))
    assert card.name == "avid-darkness"
    assert card.spec.sources == ("bass", "drums", "guitar", "piano")
    assert (card.spec.sample_rate, card.spec.chunk, card.spec.length_multiple) == (22050, 262144, 16)
    assert (card.spec.sigma_data, card.spec.level) == (0.25, 0)
    assert card.arguments == SMALL
    assert card.about["licence"] == "unknown: the authors state none"
    assert card.about["epoch"] == 419
    assert card.about["source_sha256"] == importing.hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_imported_network_computes_what_the_original_did(tmp_path):
    original = checkpoint()
    network = MSDMUNet(**SMALL).eval()
    network.load_state_dict(
        {k.removeprefix("model.unet."): v for k, v in original["state_dict"].items() if "unet" in k}
    )
    loaded = load_network(read_card(import_msdm_checkpoint(saved(original, tmp_path), tmp_path / "models")))
    x, c_noise = torch.randn(1, 4, 64), torch.tensor([-0.5])
    with torch.no_grad():
        assert torch.equal(loaded(x, c_noise), network(x, c_noise))


def test_a_one_source_checkpoint_needs_its_source_named(tmp_path):
    path = saved(checkpoint(sources=1), tmp_path)
    assert "source" in refusal(path, tmp_path / "models").message
    refusal(path, tmp_path / "models", sources=("bass", "drums"))
    card = read_card(import_msdm_checkpoint(path, tmp_path / "models", sources=("drums",)))
    assert (card.name, card.spec.sources, card.arguments["in_channels"]) == ("msdm-drums", ("drums",), 1)


def test_published_hyper_parameters_need_no_arguments(tmp_path):
    with torch.device("meta"):
        tensors = {size: MSDMUNet(in_channels=size).state_dict() for size in (4, 1)}
    published = {
        "multipliers": [1, 2, 4, 4, 4, 4, 4],
        "factors": [4, 4, 4, 2, 2, 2],
        "channels": 256,
        "patch_blocks": 1,
    }
    for hyper in (published, {}):
        assert importing.constructor_arguments(hyper, tensors[4], Path("x.ckpt")) == {}
        assert importing.constructor_arguments(hyper, tensors[1], Path("x.ckpt")) == {"in_channels": 1}


def test_reading_needs_neither_the_package_nor_its_class(tmp_path, monkeypatch):
    path = saved(checkpoint(), tmp_path)
    monkeypatch.setattr("audio_diffusion_pytorch.diffusion.LogNormalDistribution.__init__", None)
    read = importing.read_checkpoint(path)
    distribution = read["hyper_parameters"]["diffusion_sigma_distribution"]
    assert type(distribution) is importing.Forgotten
    assert vars(distribution) == {}
    assert not any(
        importing.Forgotten in entry for entry in torch.serialization.get_safe_globals() if isinstance(entry, tuple)
    )


class Payload:
    """What a hostile author pickles: unpickling it the ordinary way calls `call` with `arguments`."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def test_the_payload_of_these_tests_does_run_when_unpickled_carelessly(tmp_path):
    pickle.loads(pickle.dumps(Payload(os.mkdir, str(tmp_path / "harm"))))
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict", "callbacks"])
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path, place, protocol):
    harm = tmp_path / "harm"
    hostile = checkpoint()
    hostile[place] = {**hostile.get(place, {}), "model.unet.x": Payload(os.mkdir, str(harm))}
    path = tmp_path / "hostile.ckpt"
    torch.save(hostile, path, pickle_protocol=protocol)
    error = refusal(path, tmp_path / "models")
    assert not harm.exists()
    if protocol == 2:  # torch's own; it reads no other, and so cannot name what is inside
        assert "posix.mkdir" in error.hint or "nt.mkdir" in error.hint
        assert "stranger's program" in error.hint


@pytest.mark.parametrize("content", [Payload(eval, "1+1"), Payload(getattr, "x", "upper"), np.float64(1), Path("x")])
def test_any_other_global_is_refused_by_name(tmp_path, content):
    error = refusal(saved(checkpoint(extra=content), tmp_path), tmp_path / "models")
    assert "holds more than weights" in error.message
    assert any(word in error.hint for word in ("eval", "getattr", "scalar", "Path"))


def test_allow_listing_a_class_does_not_let_its_arguments_run(tmp_path):
    harm = tmp_path / "harm"
    distribution = LogNormalDistribution(-3.0, 1.0)
    distribution.mean = Payload(os.mkdir, str(harm))
    content = checkpoint()
    content["hyper_parameters"]["diffusion_sigma_distribution"] = distribution
    assert "mkdir" in refusal(saved(content, tmp_path), tmp_path / "models").hint
    assert not harm.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path, share):
    path = saved(checkpoint(), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    error = refusal(path, tmp_path / "models")
    assert ("cut short" if share else "not a PyTorch checkpoint") in error.message


def test_files_that_are_no_checkpoint_are_refused(tmp_path):
    text, other_zip, missing = tmp_path / "a.ckpt", tmp_path / "b.ckpt", tmp_path / "c.ckpt"
    text.write_text("<html>quota exceeded</html>")
    with zipfile.ZipFile(other_zip, "w") as archive:
        archive.writestr("song.wav", "RIFF")
    assert "not a PyTorch checkpoint" in refusal(text, tmp_path / "models").message
    assert "read safely" in refusal(other_zip, tmp_path / "models").message
    assert "cannot be read" in refusal(missing, tmp_path / "models").message
    assert "cannot be read" in refusal(tmp_path, tmp_path / "models").message


def test_old_and_plain_pickles_are_refused(tmp_path):
    path = tmp_path / "old.ckpt"
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=False)
    refusal(path, tmp_path / "models")
    path.write_bytes(pickle.dumps(Payload(os.mkdir, str(tmp_path / "harm"))))
    refusal(path, tmp_path / "models")
    assert not (tmp_path / "harm").exists()


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    assert "compressed" in refusal(path, tmp_path / "models").message


@pytest.mark.parametrize("content", [[1, 2], {"weights": torch.zeros(2)}, {"state_dict": {"layer": torch.zeros(2)}}])
def test_other_networks_are_refused(tmp_path, content):
    assert "checkpoint" in refusal(saved(content, tmp_path), tmp_path / "models").message


def test_wrong_tensors_are_named_and_counted(tmp_path):
    content = checkpoint()
    state = content["state_dict"]
    del state["model.unet.to_mapping.0.bias"]
    state["model.unet.surprise"] = torch.zeros(1)
    state["model.unet.to_mapping.2.bias"] = torch.zeros(7)
    message = refusal(saved(content, tmp_path), tmp_path / "models").message
    assert "to_mapping.0.bias is missing" in message
    assert "surprise is unexpected" in message
    assert "to_mapping.2.bias is (7,) instead of (128,)" in message
    state.update({f"model.unet.more{i}": torch.zeros(1) for i in range(10)})
    message = refusal(saved(content, tmp_path), tmp_path / "models").message
    assert message.count(" is ") == 5
    assert "and 8 more" in message


@pytest.mark.parametrize(
    ("tensor", "fault"),
    [
        (torch.full((128,), torch.nan), "not finite"),
        (torch.zeros(128, dtype=torch.int64), "floating-point"),
        (torch.zeros(128).to_sparse(), "floating-point"),
        (torch.zeros(128, device="meta"), "floating-point"),
    ],
)
def test_unusable_numbers_are_named(tmp_path, tensor, fault):
    content = checkpoint()
    content["state_dict"]["model.unet.to_mapping.0.bias"] = tensor
    message = refusal(saved(content, tmp_path), tmp_path / "models").message
    assert "to_mapping.0.bias" in message
    assert fault in message


@pytest.mark.parametrize(
    "hyper",
    [
        {"patch_blocks": 4},
        {"use_nearest_upsample": True},
        {"channels": 10**9},
        {"channels": "256"},
        {"factors": [4, 4, 4]},
        {"num_blocks": [10**9, 1]},
        {"attentions": [1, 0]},
        {"resnet_groups": 7},
        {"patch_factor": 8, "factors": [3, 2]},
        {"diffusion_sigma_data": float("nan")},
        {"diffusion_dynamic_threshold": torch.zeros(3)},
    ],
)
def test_hyper_parameters_that_make_no_sense_are_refused(tmp_path, hyper):
    content = checkpoint()
    content["hyper_parameters"].update(hyper)
    with pytest.raises(ModelError):
        import_msdm_checkpoint(saved(content, tmp_path), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_an_import_never_overwrites_a_model_or_leaves_its_folder(tmp_path):
    path = saved(checkpoint(), tmp_path)
    folder = import_msdm_checkpoint(path, tmp_path / "models")
    before = (folder / "card.toml").read_bytes()
    with pytest.raises(ModelError, match="already"):
        import_msdm_checkpoint(path, tmp_path / "models")
    assert (folder / "card.toml").read_bytes() == before
    for name in ("../escape", "/tmp/escape", ".hidden", "a/b"):
        with pytest.raises(ModelError, match="cannot name"):
            import_msdm_checkpoint(path, tmp_path / "models", name=name)
    assert tomllib.loads(before.decode())["model"]["network"] == "msdm_unet"


def test_flipped_bytes_end_in_an_import_or_a_model_error(tmp_path):
    whole = saved(checkpoint(), tmp_path).read_bytes()
    chance = random.Random(0)
    start = whole.index(b"data.pkl")
    for attempt in range(40):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[start + chance.randrange(4000)] = chance.randrange(256)
        path = tmp_path / "damaged.ckpt"
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):
            import_msdm_checkpoint(path, tmp_path / "models", name=f"try{attempt}")
