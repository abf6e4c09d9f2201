"""Prompts in every command, in the program itself: sources by their words, made again from the recipe, told to the server."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.cli.options import prompts_of
from bridge.client import Client
from bridge.errors import RemoteError
from engine.errors import PresetError, StemweaveError
from engine.request import Request

RATE = 22050
SAID = ["--model", "text", "--steps", "2", "--prompt", "bass=fretless bass", "--mixture-prompt", "slow jazz"]
ARGUMENTS = {
    "separate": ["song.wav", "--preset", "separate-dirac", "--prompt", "keys=grand piano"],
    "generate": ["--seconds", "0.3", "--rate", str(RATE), "--mono", "--prompt", "Grand piano"],
    "accompany": ["bass=song.wav", "--prompt", "kit=brush drum kit"],
    "infill": ["stems", "--from", "0.1", "--to", "0.2"],
    "regenerate": ["stems", "--from", "0.1", "--to", "0.2", "--want", "guitar"],
    "continue": ["stems", "--seconds", "0.2"],
    "transition": ["stems", "--after", "piano=song.wav", "--seconds", "0.2"],
    "restyle": ["stems", "--like", "song.wav", "--from", "0.1", "--to", "0.2"],
}
SOURCES = {
    "separate": {"bass", "keys"}, "generate": {"bass", "grand-piano"}, "accompany": {"bass", "kit"},
    "transition": {"bass", "guitar", "piano"},
}  # fmt: skip


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    """Runs a command in this process, in a folder with song.wav and two stems, each 0.4 s."""
    monkeypatch.setenv("STEMWEAVE_MODELS", str(home / "models"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stems").mkdir()
    rng = np.random.default_rng(1)
    for name in ("stems/bass", "stems/guitar", "song"):
        soundfile.write(f"{name}.wav", 0.1 * rng.standard_normal(round(0.4 * RATE)), RATE, subtype="FLOAT")

    def invoke(*arguments: str):
        return CliRunner().invoke(app, [*arguments, *(() if "--server" in arguments else ("--server", "none"))])

    return invoke


@pytest.mark.parametrize("task", ARGUMENTS)
def test_every_task_takes_prompts_and_its_recipe_makes_the_same_again(run, tmp_path, task):
    made = run(task, *ARGUMENTS[task], *SAID, "-o", "out")
    assert made.exit_code == 0, made.exception or made.output
    names = {path.stem for path in (tmp_path / "out").glob("*.wav")} - {"residual"}
    assert names == SOURCES.get(task, {"bass", "guitar"})
    settings = json.loads((tmp_path / "out" / "recipe.json").read_text())["stemweave"]["settings"]
    assert (settings["prompts"]["bass"], settings["mixture_prompt"]) == ("fretless bass", "slow jazz")
    again = run("redo", "out/recipe.json", "-o", "again")
    assert again.exit_code == 0, again.exception
    for name in names:
        first, second = (soundfile.read(tmp_path / out / f"{name}.wav")[0] for out in ("out", "again"))
        assert np.array_equal(first, second), name
        assert first.any()


def test_a_server_follows_prompts_as_the_program_does(run, served, tmp_path):
    order = ["accompany", *ARGUMENTS["accompany"], *SAID]
    for server, out in ((f"tcp://127.0.0.1:{served[0]}", "there"), ("none", "here")):
        assert run(*order, "-o", out, "--server", server).exit_code == 0
    assert run("accompany", "bass=song.wav", "--prompt", "kit=gong", *SAID, "-o", "other").exit_code == 0
    here, there, other = (soundfile.read(tmp_path / out / "kit.wav")[0] for out in ("here", "there", "other"))
    np.testing.assert_allclose(here, there, atol=1e-5)
    assert not np.allclose(here, other, atol=1e-3)


def test_a_server_writes_no_stem_beyond_its_own_folder(served):
    request = Request(RATE, seconds=0.1, channels=1, prompts={"../../bass": "bass"})
    with (
        Client(f"tcp://127.0.0.1:{served[0]}") as client,
        pytest.raises(RemoteError, match="cannot be called") as refused,
    ):
        client.perform(request, "generate", {"model": "text", "steps": 1})
    assert refused.value.code == "bad_preset"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generate", "--prompt", "bass=slap bass"], "'default' does not understand prompts"),
        (["separate", "song.wav", "--mixture-prompt", "jazz"], "'default' does not understand prompts"),
        (["infill", "stems", "--from", "0", "--model", "text", "--to", "0.2", "--prompt", "kazoo=a"], "'kazoo', but no such"),
        (["accompany", "stems", "--want", "kit", "--model", "text", "--prompt", "keys=organ"], "'keys', but no such source"),
        (["generate", "--model", "text"], "There is no prompt"),
        (["generate", "--model", "text", "--prompt", "bass= "], "prompt of 'bass' is empty"),
        (["generate", "--model", "text", "--prompt", "../bass=slap bass"], "cannot be called '../bass'"),
        (["generate", "--model", "text", "--prompt", "input=slap bass"], "cannot be called 'input'"),
        (["generate", "--model", "text", "--prompt", "bass=" + 301 * "a"], "too long"),
        (["generate", "--model", "text", "--prompt", "slap", "--prompt", "slap=bass"], "two prompts for 'slap'"),
        (["generate", "--model", "text", *(f"--prompt=s{i}=bass" for i in range(17))], "too many to prompt"),
        (["separate", "song.wav", "--model", "text", "--prompt", "bass"], "conditional"),
    ],
)  # fmt: skip
def test_prompts_that_cannot_be_followed_are_told_and_nothing_is_written(run, tmp_path, arguments, words):
    ended = run(*arguments, "-o", "out")
    assert isinstance(ended.exception, StemweaveError)
    assert words in str(ended.exception)
    assert not list((tmp_path / "out").glob("*.wav"))


def test_a_prompt_without_a_name_names_its_source():
    told = prompts_of(["Grand piano, slow!", "kit=jazz drum kit"], None)
    assert told == {"prompts": {"grand-piano-slow": "Grand piano, slow!", "kit": "jazz drum kit"}, "mixture_prompt": ""}
    with pytest.raises(PresetError, match="two prompts"):
        prompts_of(["organ", "Organ!"], None)
