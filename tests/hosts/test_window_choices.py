"""What the window lets a producer choose or take up: a preset, stems that are gone to be made again."""

from support.servers import answering, running
from support.window import DONE, PIANO, PRESET, REDO, SEPARATE, TROUBLE, lit, part

from bridge import protocol
from bridge.ports import free_port

PRESETS = ["accompany", "separate", "separate-dirac", "separate-gaussian"]


def test_a_preset_is_chosen_by_clicks_goes_with_the_job_and_is_kept_with_the_project(plugin, song, tmp_path):
    asked: list[str] = []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["default"], PRESETS, {}, []))]
        if isinstance(message, protocol.Submit):
            asked.append(message.preset)
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    port = free_port()
    with answering(port, reply):
        seen = plugin(f"tcp://127.0.0.1:{port}")
        seen.ask("open 1")
        seen.click(PRESET)  # greyed out: the server has not said which there are, or just now has
        for name in ("separate-gaussian", "separate"):
            seen.until(lambda it=name: seen.click(PRESET) or seen.kept("preset") == it, name)
        seen.until(
            lambda: seen.click(PRESET) or seen.kept("preset") == "separate-dirac",
            "the preset",
        )
        state = tmp_path / "project"
        assert seen.ask(f"save {state}")["done"]
        seen.until(
            lambda: seen.click(PRESET) or seen.kept("preset") != "separate-dirac",
            "another",
        )
        assert seen.ask(f"load {state}")["done"]
        assert seen.kept("preset") == "separate-dirac"
        seen.ask(f"play {song}")
        seen.until(lambda: seen.click(SEPARATE) or asked, "a job")
        assert asked[0] == "separate-dirac"


def test_stems_that_are_gone_when_a_project_is_opened_are_made_again_by_a_click(plugin, song, tmp_path):
    with running() as server:
        address = f"tcp://127.0.0.1:{server.port}"
        before = plugin(address)
        before.until(lambda: before.get("Connection") == 2, "the connection")
        before.ask(f"play {song}")
        before.ask("set 1 Separate")
        before.until(lambda: before.takes() == 1, "the stems")
        heard = before.heard(song)[1 + PIANO]  # a stem of no known name has the last bus but the residual's
        state = tmp_path / "project"
        assert before.ask(f"save {state}")["done"]
        before.close()

        for file in (tmp_path / "takes").glob("*/piano.wav"):
            file.unlink()
        after = plugin(address)
        after.ask("open 1")
        assert lit(part(after.shot("all-well"), TROUBLE)) == 0
        assert after.ask(f"load {state}")["done"]
        after.until(lambda: lit(part(after.shot("gone"), TROUBLE)) > 0.005, "that they are gone")
        assert not after.heard(song)[1 + PIANO].any()
        after.until(lambda: after.click(REDO) or after.get("Job") == DONE, "the stems again")
        after.until(lambda: lit(part(after.shot("back"), TROUBLE)) == 0, "no more words")
        assert (after.heard(song)[1 + PIANO] == heard).all()
        assert heard.any()
