"""Paths that clients name lead nowhere but into the folders the server was given, over both protocols and for the worker again."""

import multiprocessing
import uuid
from pathlib import Path

import pytest
from support.models import write_tiny_model
from support.osc import Patch
from support.servers import address, running, song

from bridge.client import Client
from bridge.errors import BridgeError, Forbidden, RemoteError
from bridge.folders import Folders, usual
from bridge.jobs import Order
from bridge.workers import Desk, perform_order
from engine.audio import write_audio
from engine.errors import ResourceError
from engine.recipe import read_recipe


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Path:
    """open/ is allowed, open-too/ in one test; open-not/ (its name begins the same) and outside/ are not; links in open/ lead out
    and in a circle."""
    base = tmp_path_factory.mktemp("places").resolve()
    for name in ("open", "open-not", "outside"):
        (base / name).mkdir()
        write_audio(base / name / "song.wav", song(1000), 44_100)
    (base / "open-too").mkdir()
    (base / "open" / "file").symlink_to(base / "outside" / "song.wav")
    (base / "open" / "folder").symlink_to(base / "outside")
    (base / "open" / "circle").symlink_to(base / "open" / "circle")
    (base / "outside" / "back").symlink_to(base / "open")
    return base


OUT = {
    "outside": "outside/song.wav", "..": "open/../outside/song.wav", "link to a file": "open/file",
    "link to a folder": "open/folder/song.wav", "same beginning": "open-not/song.wav", "not there": "outside/none.wav",
    "circle": "open/circle", "out of what is not there": "open/none/../../outside", "root": "../../../../../..",
}  # fmt: skip
out = pytest.mark.parametrize("path", OUT.values(), ids=OUT)


@out
def test_what_leads_out_is_forbidden(places, path):
    with pytest.raises(Forbidden, match="not in a folder that was opened to it") as caught:
        Folders([places / "open", places / "open-too"]).inside(places / path)
    assert f"serve --folder {places}/open --folder {places}/open-too --folder FOLDER" in caught.value.hint


@pytest.mark.parametrize(
    "path", ["open", "open/song.wav", "open/new/folder", "open/folder/../open/a", "outside/back/song.wav"]
)
def test_what_leads_in_is_found_where_it_is(places, path):
    found = Folders([places / "open"]).inside(places / path)
    assert found == (places / path).resolve()
    assert found.parts[: len(places.parts) + 1] == (places / "open").parts


def test_a_path_that_is_none_is_forbidden(places):
    for path in ("nul\0l", "x" * 100_000):
        with pytest.raises(Forbidden):
            Folders([places / "open"]).inside(path)


def test_a_folder_that_is_not_there_cannot_be_opened(places):
    with pytest.raises(BridgeError, match="There is no folder"):
        Folders([places / "none"])


def test_usually_home_and_the_current_folder_are_open_but_never_what_holds_the_home(places, monkeypatch):
    monkeypatch.setenv("HOME", str(places / "open"))
    for here, expected in (
        (places / "outside", (places / "open", places / "outside")),
        (places, (places / "open",)),
        (Path("/"), (places / "open",)),
        (places / "open", (places / "open",)),
    ):
        monkeypatch.chdir(here)
        assert usual() == expected


@pytest.fixture(scope="module")
def server(places):
    with running(osc_port=0, folders=[places / "open"]) as server:
        yield server


@pytest.fixture
def patch(server):
    with Patch(server._osc.port) as patch:
        yield patch


@out
def test_over_osc_no_argument_leads_out(places, patch, path):
    bad, good = f"{places}/{path}", f"{places}/open/out"
    for call in (
        ("/separate", bad, good), ("/separate", f"{places}/open/song.wav", bad), ("/generate", bad, 1.0),
        ("/accompany", bad, good), ("/accompany", f"bass={bad}", good), ("/transition", f"{places}/open", bad, good, 1.0),
        ("/transition", f"{places}/open", f"bass={bad}", good, 1.0), ("/restyle", f"{places}/open", bad, good),
    ):  # fmt: skip
        patch.send(*call)
        code, text = patch.hear("/error")
        assert (code, path in text, "--folder" in text) == ("forbidden", True, True), call


@out
def test_over_zeromq_neither_model_nor_preset_leads_out(places, server, path):
    with Client(address(server)) as client:
        for preset, overrides in (("separate", {"model": f"{places}/{path}"}), (f"{places}/{path}/x.toml", {})):
            with pytest.raises(RemoteError, match="may not use") as caught:
                client.separate(song(10), 44_100, preset, overrides)
            assert (caught.value.code, "--folder" in caught.value.hint) == ("forbidden", True)
        for overrides in ({"model": "default"}, {"model": f"{places}/open/model"}):
            assert client.separate(song(10), 44_100, overrides=overrides)


def test_a_preset_by_its_path_or_of_a_list_that_is_empty_is_left_to_the_worker(places, server, monkeypatch):
    with Client(address(server)) as client:
        assert client.separate(song(10), 44_100, f"{places}/open/mine.toml")
        monkeypatch.setattr(server.worker, "presets", [])
        assert client.separate(song(10), 44_100, "mine")


@pytest.fixture
def perform(places, tmp_path, monkeypatch):
    """Runs an order as the worker does; gives back what it reports. A tiny model is called "default"."""
    write_tiny_model(tmp_path / "default")
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path))

    def run(*files: str, out: Path, model: str = "default", preset: str = "separate", **settings) -> list[tuple]:
        told = {"files": files, "out": str(out), "settings": settings}
        order = Order(str(uuid.uuid4()), preset, {"model": model}, tmp_path, **told)
        ours, theirs = multiprocessing.Pipe()
        perform_order(Desk(theirs, multiprocessing.RawValue("q", 0), 1, order, Folders([places / "open"])))
        return [ours.recv() for _ in iter(ours.poll, False)]

    return run


def test_the_worker_follows_no_link_it_finds_in_a_folder(places, perform):
    stems = places / "open" / "stems"
    stems.mkdir()
    (stems / "bass.wav").symlink_to(places / "outside" / "song.wav")
    for files in ((str(stems),), ("mixture=" + str(places / "outside" / "song.wav"),)):
        with pytest.raises(Forbidden):
            perform(*files, out=places / "open" / "out")
    assert not (places / "open" / "out").exists()


def test_the_worker_writes_through_no_link(places, perform):
    folder, kept = places / "open" / "results", places / "outside" / "precious"
    folder.mkdir()
    kept.write_text("precious")
    (folder / "recipe.json").symlink_to(kept)
    song = f"mixture={places}/open/song.wav"
    with pytest.raises(ResourceError, match=r"holds recipe\.json, which stemweave did not write"):
        perform(song, out=folder)
    (folder / "recipe.json").unlink()
    (folder / "bass.wav").symlink_to(kept)
    with pytest.raises(ResourceError, match=r"holds bass\.wav"):
        perform(song, out=folder)
    assert kept.read_text() == "precious"
    assert (folder / "bass.wav").is_symlink()


def test_the_worker_replaces_what_stemweave_wrote_and_nothing_else(places, perform):
    folder, song_file = places / "open" / "stage", f"mixture={places}/open/song.wav"

    def stems() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def written() -> int:
        return sum(event[0] == "wrote" for event in perform(song_file, out=folder))

    assert written() == written() == 5
    write_audio(folder / "bass.wav", song(1000), 44_100)
    (folder / "residual.wav").write_text("notes")
    (folder / "notes.wav").write_text("notes")
    before = stems()
    with pytest.raises(ResourceError, match=r"holds bass\.wav, residual\.wav, which stemweave did not write") as caught:
        perform(song_file, out=folder)
    assert "another folder" in caught.value.hint
    assert stems() == before
    for name in ("bass.wav", "residual.wav"):
        (folder / name).unlink()
    assert written() == 5


def test_what_was_recorded_during_the_work_is_not_replaced(places, perform, monkeypatch):
    folder, progress = places / "open" / "during", Desk.progress

    def record(desk, fraction: float) -> None:
        (folder / "bass.wav").write_text("a take")
        progress(desk, fraction)

    monkeypatch.setattr(Desk, "progress", record)
    with pytest.raises(ResourceError, match=r"holds bass\.wav"):
        perform(f"mixture={places}/open/song.wav", out=folder)
    assert [path.name for path in folder.iterdir()] == ["bass.wav"]
    assert (folder / "bass.wav").read_text() == "a take"


def test_a_residual_that_is_not_made_is_not_in_the_way(places, perform):
    folder = places / "open" / "generated"
    folder.mkdir()
    (folder / "residual.wav").write_text("notes")
    perform(out=folder, preset="generate", seconds=0.01)
    assert (folder / "residual.wav").read_text() == "notes"


@pytest.mark.parametrize(("out", "words"), [("song.wav", "is a file"), ("song.wav/stems", "Cannot write in")])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(places, perform, monkeypatch, out, words):
    monkeypatch.setattr("engine.filling.perform_stretches", None)  # nobody comes so far
    with pytest.raises(ResourceError, match=words):
        perform(f"mixture={places}/open/song.wav", out=places / "open" / out)


def test_a_recipe_is_whole_whatever_a_killed_program_left(places, perform):
    folder, kept = places / "open" / "half", places / "outside" / "kept"
    folder.mkdir()
    kept.write_text("kept")
    (folder / ".recipe.json.part").symlink_to(kept)
    perform(f"mixture={places}/open/song.wav", out=folder)
    assert read_recipe(folder / "recipe.json")
    assert not (folder / ".recipe.json.part").is_symlink()
    assert kept.read_text() == "kept"


def test_the_worker_takes_no_model_by_a_link_of_its_name_in_the_current_folder(places, perform, tmp_path, monkeypatch):
    (places / "open" / "mine").symlink_to(tmp_path / "default")
    monkeypatch.chdir(places / "open")
    with pytest.raises(Forbidden):
        perform(f"mixture={places}/open/song.wav", out=places / "open" / "elsewhere", model="mine")


def test_the_worker_writes_no_stems_over_what_they_are_made_from(places, perform):
    folder = places / "open" / "mix"
    folder.mkdir()
    for seed, name in enumerate(("bass", "guitar")):
        write_audio(folder / f"{name}.wav", song(1000, seed=seed), 44_100)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ResourceError, match="would replace what it is made from"):
        perform(str(folder), out=folder, preset="infill", start=0.005, stop=0.015)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
