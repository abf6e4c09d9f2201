"""Every task from the command line, here and by a server, and made again from its own recipe."""

import json

import numpy as np
import pytest
import soundfile

from bridge.client import Client
from bridge.errors import RemoteError
from engine.request import Request

RATE = 22050
ARGUMENTS = {
    "generate": ["--seconds", 0.5, "--rate", RATE, "--mono"],
    "accompany": ["bass=bass.wav", "--want", "drums"],
    "infill": ["stems", "--from", 0.2, "--to", 0.4],
    "regenerate": ["stems", "--from", 0.2, "--to", 0.4, "--want", "guitar"],
    "continue": ["stems", "--seconds", 0.3],
    "transition": ["stems", "--after", "piano=bass.wav", "--seconds", 0.3],
    "restyle": ["stems", "--like", "bass.wav", "--from", 0.2, "--to", 0.4],
}


@pytest.fixture
def stems(tmp_path):
    """bass.wav, and a folder of two stems, one second mono."""
    (tmp_path / "stems").mkdir()
    rng = np.random.default_rng(1)
    for name in ("stems/bass", "stems/guitar", "bass"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(RATE), RATE, subtype="FLOAT")
    return tmp_path


@pytest.mark.parametrize("task", ARGUMENTS)
def test_a_task_writes_its_stems_and_a_recipe_that_makes_them_again(stemweave, stems, task):
    process = stemweave(task, *ARGUMENTS[task], "-o", "out", "--steps", 2, "--server", "none", "--seed", 3, "--json")
    assert process.returncode == 0, process.stderr
    paths = json.loads(process.stdout)["stems"]
    again = stemweave("redo", paths["drums"], "-o", "again", "--server", "none")
    assert again.returncode == 0, again.stderr
    assert "may differ" not in again.stderr
    for name, path in paths.items():
        first, second = (soundfile.read(p, dtype="float32")[0] for p in (stems / path, stems / "again" / f"{name}.wav"))
        assert np.array_equal(first, second), name
    expected = {"generate": 0.5, "continue": 1.3, "transition": 1.7}.get(task, 1.0)
    assert soundfile.info(stems / paths["drums"]).frames == round(expected * RATE)
    with soundfile.SoundFile(stems / paths["bass"]) as file:
        assert json.loads(file.comment) == json.loads((stems / "out" / "recipe.json").read_text())


def test_a_recipe_from_before_a_setting_existed_is_what_it_was_then(stemweave, stems):
    """The preset gives `emphasis` now; without a word of it, it was 1."""
    process = stemweave("accompany", *ARGUMENTS["accompany"], "-o", "out", "--steps", 2, "--server", "none")
    assert process.returncode == 0, process.stderr
    recipe = json.loads((stems / "out" / "recipe.json").read_text())
    assert recipe["stemweave"]["preset"].pop("emphasis") == 2.0
    (stems / "recipe.json").write_text(json.dumps(recipe))
    again = stemweave("redo", "recipe.json", "-o", "again", "--server", "none")
    assert again.returncode == 0, again.stderr
    made = json.loads((stems / "again" / "recipe.json").read_text())
    assert made["stemweave"]["preset"]["emphasis"] == 1.0


def test_what_another_number_of_threads_or_torch_made_is_made_again_with_a_warning(stemweave, stems):
    process = stemweave("generate", *ARGUMENTS["generate"], "-o", "out", "--steps", 2, "--server", "none")
    assert process.returncode == 0, process.stderr
    recipe = json.loads((stems / "out" / "recipe.json").read_text())
    recipe["stemweave"]["computed"] |= {"torch": "1.0", "threads": 99}
    (stems / "recipe.json").write_text(json.dumps(recipe))
    again = stemweave("redo", "recipe.json", "-o", "again", "--server", "none")
    assert again.returncode == 0, again.stderr
    assert "torch 1.0 (here" in again.stderr
    assert "threads 99 (here" in again.stderr
    assert "stemweave" not in again.stderr


def test_what_was_made_by_a_preset_from_a_file_is_made_again_without_it(stemweave, served, stems):
    """Here and by a server."""
    mine = stems / "my take.toml"
    mine.write_text('title = "Mine"\ntask = "accompany"\nsteps = 2\nsampler = "heun"\nemphasis = 1.5\nseed = 7\n')
    process = stemweave("accompany", *ARGUMENTS["accompany"], "-o", "out", "--preset", mine, "--server", "none")
    assert process.returncode == 0, process.stderr
    mine.unlink()
    for place in ("none", f"tcp://127.0.0.1:{served[0]}"):
        again = stemweave("redo", "out/drums.wav", "-o", "again", "--server", place, "--overwrite")
        assert again.returncode == 0, again.stderr
        first, second = (
            soundfile.read(stems / folder / "drums.wav", dtype="float32")[0] for folder in ("out", "again")
        )
        np.testing.assert_allclose(first, second, atol=0 if place == "none" else 1e-5)


def test_a_server_gives_the_same(stemweave, served, stems):
    address = f"tcp://127.0.0.1:{served[0]}"
    for task in ("generate", "continue", "transition"):
        for place, out in (("none", "here"), (address, "there")):
            process = stemweave(task, *ARGUMENTS[task], "-o", f"{task}-{out}", "--steps", 2, "--server", place)
            assert process.returncode == 0, process.stderr
        for name in ("bass", "drums", "guitar", "piano"):
            here, there = (soundfile.read(stems / f"{task}-{o}" / f"{name}.wav")[0] for o in ("here", "there"))
            assert here.shape == there.shape
            np.testing.assert_allclose(here, there, atol=1e-5)


def test_separation_with_a_stem_that_is_known(stemweave, stems):
    bass, guitar = (soundfile.read(stems / "stems" / f"{name}.wav")[0] for name in ("bass", "guitar"))
    soundfile.write(stems / "song.wav", bass + guitar, RATE, subtype="FLOAT")
    process = stemweave("separate", "song.wav", "-o", "out", "--known", "bass=stems/bass.wav", "--server", "none")
    assert process.returncode == 0, process.stderr
    assert np.array_equal(soundfile.read(stems / "out" / "bass.wav")[0], bass)
    total = sum(soundfile.read(path)[0] for path in (stems / "out").glob("*.wav"))
    np.testing.assert_allclose(total, bass + guitar, atol=1e-6)


def test_a_recipe_says_what_has_changed(stemweave, stems, refused):
    run = ["accompany", "bass=bass.wav", "-o", "out", "--steps", 2, "--server", "none"]
    assert stemweave(*run).returncode == 0
    soundfile.write(stems / "bass.wav", np.zeros(RATE), RATE, subtype="FLOAT")
    refused(stemweave("redo", "out/drums.wav", "-o", "again"), "bass.wav changed")
    refused(stemweave("redo", "bass.wav", "-o", "again"), "no recipe")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["accompany", "nothing"], ["is not a stem", "NAME=FILE"]),
        (["accompany", "kazoo=bass.wav"], ["kazoo", "Sources"]),
        (["accompany", "bass=bass.wav", "--want", "kazoo"], ["kazoo"]),
        (["accompany", "bass=gone.wav"], ["no file"]),
        (["infill", "stems", "--from", 0.5, "--to", 3], ["not inside the song"]),
        (["infill", "stems", "--from", 0.2, "--to", 0.4, "--mixture", "other.wav"], ["sample rate"]),
        (["restyle", "stems", "--like", "bass.wav", "--embedder", "ears"], ["ears", "mel"]),
        (["restyle", "stems", "--towards", "kazoo"], ["kazoo", "Sources"]),
        (["restyle", "stems"], ["--like", "--towards"]),
        (["generate", "--seconds", 0], ["seconds"]),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(stemweave, stems, refused, arguments, words):
    soundfile.write(stems / "other.wav", np.zeros(RATE), 2 * RATE, subtype="FLOAT")
    refused(stemweave(*arguments, "-o", "out", "--server", "none"), *words)
    assert not list((stems / "out").glob("*.wav"))


STEM = 0.1 * np.random.default_rng(1).standard_normal((1, RATE)).astype(np.float32)


IMPOSSIBLE = [  # task, request, overrides, what is told
    ("accompany", {"stems": dict.fromkeys(("bass", "drums", "guitar", "piano"), STEM)}, {}, "nothing to make"),
    ("accompany", {"stems": {"bass": STEM, "drums": STEM[:, 1:]}}, {}, "same length"),
    ("accompany", {"stems": {"bass": STEM}, "prompts": {"drums": "brush kit"}}, {}, "does not understand prompts"),
    ("infill", {"stems": {"bass": STEM}, "start": 0.5, "stop": 3.0}, {}, "not inside the song"),
    ("restyle", {"stems": {"bass": STEM}, "start": 0.5}, {}, "--towards"),
    ("restyle", {"stems": {"bass": STEM}, "start": 0.5}, {"towards": "kazoo"}, "kazoo"),
    ("separate-dirac", {"mixture": np.zeros_like(STEM), "stems": {"bass": STEM}}, {}, "silent"),
]


def test_a_server_tells_what_cannot_be_done_and_what_to_do(served):
    """In the engine's words over the wire, one after another: the server goes on."""
    with Client(f"tcp://127.0.0.1:{served[0]}") as client:
        for task, request, overrides, words in IMPOSSIBLE:
            with pytest.raises(RemoteError) as caught:
                client.perform(Request(RATE, **request), task, overrides)
            error = caught.value
            assert words in f"{error.message} {error.hint}", (task, request)
            assert error.code in ("bad_preset", "bad_audio", "bad_shape")
            assert error.hint
        client.perform(Request(RATE, {"bass": STEM}), "accompany", {"steps": 1})


BROKEN = np.where(np.arange(RATE) == 9, np.float32(np.nan), STEM)


def test_a_server_takes_no_bad_audio_and_the_next_job_is_done(served):
    with Client(f"tcp://127.0.0.1:{served[0]}") as client:
        for rate, stem, words in (
            (RATE, BROKEN, "not numbers"), (0, STEM, "is 0 Hz"), (4000, STEM, "is 4000 Hz"), (384_000, STEM, "is 384000 Hz"),
        ):  # fmt: skip
            for task, given in (("separate", {"mixture": stem}), ("accompany", {"stems": {"bass": stem}})):
                with pytest.raises(RemoteError, match=words) as caught:
                    client.perform(Request(rate, **given), task)
                assert caught.value.code == "bad_audio", (rate, task)
        client.perform(Request(RATE, {"bass": STEM}), "accompany", {"steps": 1})
