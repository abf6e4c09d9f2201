"""Stems of a project that are gone when it is opened: made again, of the track as it was kept or as it is played."""

import shutil
import uuid
from hashlib import sha256
from pathlib import Path

import pytest
from support.bare_host import FRAMES, BareHost
from support.servers import Speaker, answering, running, song, until

from bridge import protocol
from bridge.ports import free_port

STEMS = ("bass", "drums", "guitar", "piano", "residual")


@pytest.fixture(scope="module")
def server():
    with running() as one:
        yield f"tcp://127.0.0.1:{one.port}"


@pytest.fixture(scope="module")
def done(build, server, tmp_path_factory) -> tuple[str, Path]:
    """The recipe of a finished separation, whose plug-in is gone, and the folder of takes."""
    takes = tmp_path_factory.mktemp("done")
    plugin = BareHost(build() / "bare_host", server, takes)
    plugin.record()
    plugin.ask("separate")
    assert plugin.until("job", "done", "failed")["job"] == "done"
    made = until(lambda: plugin.ask("recipe")["recipe"], "the recipe")
    plugin.close()
    return made, takes


@pytest.fixture
def recipe(done, tmp_path) -> str:
    """Of a take that is in this test's own folder of takes."""
    shutil.copytree(done[1], tmp_path / "takes")
    return done[0]


def take_of(tmp_path: Path) -> Path:
    (take,) = (tmp_path / "takes").iterdir()
    return take


def test_stems_that_are_gone_are_made_again_of_the_track_that_was_kept(host, server, recipe, tmp_path):
    for stem in STEMS:
        (take_of(tmp_path) / f"{stem}.wav").unlink()
    plugin = host(server)
    plugin.ask("separate")  # the switch was on when the project was saved
    plugin.ask(f"restore {recipe}")
    assert plugin.until("offer", "make_again")["message"] == ""
    plugin.ask("redo")
    assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
    plugin.assert_stems_play()
    plugin.until("offer", "none")
    assert plugin.ask("recipe")["recipe"] == recipe  # the same job, of the same stems
    plugin.close()
    later = host("tcp://127.0.0.1:9")  # and they are kept again
    later.ask(f"restore {recipe}")
    later.until("offer", "none")
    later.assert_stems_play()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("switch", ["separate", "accompany", "infill"])
def test_switches_left_on_in_a_project_do_nothing_to_the_stems_it_is_opened_with(host, recipe, before, switch):
    port = free_port()
    asked: list[type] = []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        asked.append(type(message))
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["m"], [], {}, []))]
        if isinstance(message, protocol.Join):
            return [protocol.encode(protocol.Tracks(message.context, [message.track]))]
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    plugin = host(f"tcp://127.0.0.1:{port}")
    for command in [switch, f"restore {recipe}"] if before else [f"restore {recipe}", switch]:
        plugin.ask(command)
    until(lambda: plugin.ask("status")["folder"], "the stems")
    with answering(port, reply):
        plugin.until("connection", "connected")
        plugin.ask("role 1")
        plugin.assert_stems_play()  # and the song is recorded
        until(lambda: plugin.ask("status")["tracks"] == 1, "the track")
        status = plugin.ask("status")
        assert (status["message"], status["job"]) == ("", "none")
        assert protocol.Submit not in asked


@pytest.mark.parametrize(
    "damage", [("frames 100000|", "frames 16000000000|"), ("start 0|", "start 9223372036854775807|")]
)
def test_a_project_with_a_damaged_recipe_opens_without_stems(host, recipe, damage):
    assert damage[0] in recipe
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask("restore " + recipe.replace(*damage))
    assert plugin.ask(f"play 0 {FRAMES} 512")["halves"] == 0


def test_a_project_opens_where_the_folder_of_takes_cannot_be_read(host, recipe, tmp_path):
    shutil.rmtree(tmp_path / "takes")
    (tmp_path / "takes").symlink_to(tmp_path / "takes")  # an error, not only nothing there
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask(f"restore {recipe}")
    plugin.until("offer", "play_first")


def test_without_the_track_it_has_to_be_played_through_first(host, server, recipe, tmp_path):
    shutil.rmtree(take_of(tmp_path))
    plugin = host(server)
    plugin.ask(f"restore {recipe}")
    plugin.until("offer", "play_first")
    plugin.ask("redo")  # of nothing
    plugin.ask(f"play 0 {FRAMES // 2} 512")
    until(lambda: plugin.ask("status")["recorded"] == [0, FRAMES // 2], "half of it")
    status = plugin.ask("status")
    assert (status["offer"], status["job"]) == ("play_first", "none")
    plugin.record()
    plugin.until("offer", "make_again")
    plugin.ask("redo")
    assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
    plugin.assert_stems_play()
    assert plugin.ask("recipe")["recipe"] == recipe


def test_a_take_that_was_being_replaced_when_the_host_died_is_still_there(host, server, recipe, tmp_path):
    take = take_of(tmp_path)
    aside = take.rename(f"{take}.old")
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask(f"restore {recipe}")
    plugin.assert_stems_play()
    assert take_of(tmp_path) == take
    shutil.copytree(take, aside)  # or it died before it had removed the old one
    (take / "bass.wav").unlink()
    plugin = host(server)
    plugin.ask(f"restore {recipe}")
    plugin.until("offer", "make_again")
    plugin.ask("redo")
    assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
    until(lambda: list((tmp_path / "takes").iterdir()) == [take], "the one new take")
    assert (take / "bass.wav").exists()


def test_a_kept_track_that_is_damaged_is_none(host, server, recipe, tmp_path):
    take = take_of(tmp_path)
    (take / "bass.wav").unlink()
    track = take / "track.wav"
    track.write_bytes(b"RUFF" + track.read_bytes()[4:])
    plugin = host(server)
    plugin.ask(f"restore {recipe}")
    plugin.until("offer", "make_again")
    plugin.ask("redo")
    plugin.until("offer", "play_first")


def test_an_offer_stands_until_it_was_taken_up_to_the_end(host, recipe, tmp_path):
    (take_of(tmp_path) / "bass.wav").unlink()
    plugin = host(f"tcp://127.0.0.1:{free_port()}")
    plugin.ask(f"restore {recipe}")
    plugin.until("offer", "make_again")
    plugin.ask("redo")
    plugin.until("job", "waiting")
    assert plugin.ask("status")["offer"] == "none"
    plugin.ask("cancel")
    plugin.until("job", "cancelled")
    plugin.until("offer", "make_again")


def test_after_a_cancel_a_server_that_knows_the_job_as_cancelled_makes_them_under_another_name(host, recipe, tmp_path):
    (take_of(tmp_path) / "bass.wav").unlink()
    blocker, noise = str(uuid.uuid4()), song(1000)
    shape = protocol.AudioShape(44_100, 2, 1000, sha256(noise.T.tobytes()).hexdigest())
    with running() as server, Speaker(server.port) as other:
        other.say(protocol.Submit(blocker, shape, overrides={"steps": 1_000_000}))  # what is asked for meanwhile waits
        other.say_chunk(blocker, 0, noise)
        other.hear(protocol.Progress)
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        plugin.ask(f"restore {recipe}")
        for _ in range(2):
            plugin.until("offer", "make_again")
            plugin.ask("redo")
            plugin.until("job", "running")
            plugin.ask("cancel")
            plugin.until("job", "cancelled")
        plugin.ask("redo")
        plugin.until("job", "running")
        other.say(protocol.Cancel(blocker))
        assert plugin.until("job", "done", "failed", "cancelled")["job"] == "done", plugin.ask("status")
        plugin.assert_stems_play()
        made = until(lambda: (r := plugin.ask("recipe")["recipe"]) != recipe and r, "the recipe")
        assert made.split("preset")[0] != recipe.split("preset")[0]
        assert made.split("preset")[1] == recipe.split("preset")[1]  # the same stems


def test_stems_of_several_tracks_are_asked_for_anew(host, recipe, tmp_path):
    shutil.rmtree(take_of(tmp_path))
    plugin = host("tcp://127.0.0.1:9")
    plugin.ask("restore " + recipe.replace("preset separate|", "preset accompany|"))
    plugin.until("offer", "ask_again")
    plugin.ask("redo")
    plugin.record()
    assert plugin.ask("status")["job"] == "none"


@pytest.mark.parametrize(("name", "goes"), [("separate-dirac", "separate-dirac"), ("../x", "separate")])
def test_the_chosen_preset_goes_with_the_job_and_what_can_be_none_does_not(host, name, goes):
    asked: list[str] = []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", [], [], {}, []))]
        if isinstance(message, protocol.Submit):
            asked.append(message.preset)
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    port = free_port()
    with answering(port, reply):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.until("connection", "connected")
        plugin.record()
        plugin.ask(f"preset {name}")
        plugin.ask("separate")
        until(lambda: asked, "a job")
        assert asked[0] == goes
