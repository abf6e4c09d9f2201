"""Recipes are read back from what they were written into, and from nothing else."""

import json
import struct
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile
import torch

from engine import audio
from engine.audio import write_audio
from engine.errors import AudioError
from engine.recipe import Recipe, computes, otherwise, package_version, read_recipe

RATE = 8000
SILENCE = np.zeros((1, 100), np.float32)


def recipe_from(folder: str) -> Recipe:
    inputs = {name: {"path": f"{folder}/{name}.wav", "sha256": "0" * 64} for name in ("bass", "after:bass")}
    return Recipe({"name": "default", "sha256": "1" * 64}, {"name": "transition", "seed": 3}, {}, RATE, inputs)


@pytest.mark.parametrize("folder", ["/songs", "/" + "x" * 5000, "/Lieder/über 世界/" * 100])
@pytest.mark.parametrize("limit", [audio.WAV_LIMIT, 0])
def test_a_recipe_of_any_length_is_read_back_from_a_stem(tmp_path, monkeypatch, folder, limit):
    """libsndfile reads no comment of more than 2 kB, though it writes it; without a limit the file is an RF64."""
    monkeypatch.setattr(audio, "WAV_LIMIT", limit)
    recipe = recipe_from(folder)
    assert read_recipe(write_audio(tmp_path / "bass.wav", SILENCE, RATE, recipe.text())) == recipe
    (tmp_path / "recipe.json").write_text(recipe.text())
    assert read_recipe(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_recipe_that_another_program_copied_is_read(tmp_path, suffix):
    """Into another kind of file, and behind the audio."""
    recipe = recipe_from("/songs")
    with soundfile.SoundFile(tmp_path / f"bass.{suffix}", "w", RATE, 1) as file:
        if suffix == "wav":
            file.write(SILENCE.T)
        file.comment = recipe.text()
        file.write(SILENCE.T)
    assert read_recipe(tmp_path / f"bass.{suffix}") == recipe


def test_a_recipe_of_another_version_is_read(tmp_path):
    """An earlier one said nothing of what computed it; a later one may say more."""
    told = asdict(recipe_from("/songs"))
    del told["computed"]
    (tmp_path / "recipe.json").write_text(json.dumps({"stemweave": told | {"mood": "blue"}}))
    assert read_recipe(tmp_path / "recipe.json") == recipe_from("/songs")


def test_a_recipe_tells_what_would_be_made_with_another_torch_or_number_of_threads():
    here = replace(recipe_from("/songs"), package=package_version(), computed=computes())
    assert otherwise(here) == []
    assert otherwise(recipe_from("/songs")) == [], "nothing is known"
    threads = torch.get_num_threads()
    assert otherwise(replace(here, computed=computes() | {"threads": 99})) == [f"threads 99 (here {threads})"]


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content


NO_RECIPE = {
    "nothing": b"",
    "no audio": b"words",
    "head only": b"RIFF\0\0\0\0WAVE",
    "cut in a chunk": b"RIFF\0\0\0\0WAVEdat",
    "no comment": b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(8)),
    "another's comment": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"made by hand\0")),
    "no text": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"\xff\xfe")),
    "a comment of four gigabytes": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"x", 2**32 - 1)),
    "nothing but chunks": b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"") * 10_000 + chunk(b"ICMT", b"{}"),
    "longer than any disk": b"RF64\0\0\0\0WAVE" + chunk(b"ds64", b"\xff" * 16) + chunk(b"data", b"", 2**32 - 1),
    "deep": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"[" * 100_000)),
    "a list": b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"[1]")),
}


TABLES: dict = {"model": {}, "preset": {}, "settings": {}, "inputs": {}, "sample_rate": RATE}
for key in ("model", "inputs", "computed"):
    NO_RECIPE[f"{key} of another kind"] = json.dumps({"stemweave": TABLES | {key: ["list"]}}).encode()


@pytest.mark.parametrize("content", NO_RECIPE)
def test_what_holds_no_recipe_says_so(tmp_path, content):
    for name in ("bass.wav", "recipe.json"):
        (tmp_path / name).write_bytes(NO_RECIPE[content])
        with pytest.raises(AudioError, match="holds no recipe"):
            read_recipe(tmp_path / name)
