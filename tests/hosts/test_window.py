"""The plug-in's window on a screen that is none (Xvfb), in the CLAP's small host and as the JACK standalone.

STEMWEAVE_PICTURES=FOLDER keeps what was seen there: this is how the README's pictures are made.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from support.servers import answering, running
from support.window import (
    BAD,
    BASS,
    CANCEL,
    CANCELLED,
    DIAGNOSIS,
    DOCTOR,
    DONE,
    DRUMS,
    FILES,
    GOOD,
    GRID,
    GUITAR,
    HEADER,
    HEIGHT,
    INFILL,
    NO_SERVER,
    OPEN,
    PIANO,
    REGENERATE,
    RESIDUAL,
    REVEAL,
    RULER,
    SEPARATE,
    STEMS,
    TRACKS,
    TROUBLE,
    WAITING,
    WANT_BASS,
    WIDTH,
    bar,
    cell,
    coloured,
    differ,
    lit,
    mute,
    part,
    solo,
)

from bridge import protocol
from bridge.ports import free_port


@pytest.mark.parametrize("scale", [1, 2])
def test_a_separation_is_seen_from_the_first_look_to_the_stems(plugin, live_server, song, scale):
    seen = plugin(live_server)
    seen.ask(f"open {scale}")
    seen.until(lambda: seen.get("Connection") == 2, "the connection")
    first = seen.shot(f"idle-{scale}x")
    assert first.shape == (HEIGHT * scale, WIDTH * scale, 3)
    assert lit(part(first, HEADER, scale)) > 0.01
    assert lit(part(first, TROUBLE, scale)) == 0
    assert bar(first, scale) == 0

    seen.ask(f"play {song}")
    seen.until(lambda: lit(part(seen.shot("recorded"), TRACKS, scale)) > 0.02, "the track's outline")
    seen.click(SEPARATE, scale)
    seen.until(lambda: seen.get("Progress") > 0.2 or seen.get("Job") >= DONE, "progress")
    before = seen.get("Progress")
    seen.until(lambda: bar(seen.shot(f"working-{scale}x"), scale) > before - 0.005, "the bar, which keeps up")
    working = seen.shot(f"working-{scale}x")
    assert bar(working, scale) < seen.get("Progress") + 0.005
    seen.until(lambda: seen.get("Job") >= DONE, "the stems")
    assert seen.get("Job") == DONE
    empty = lit(part(first, GRID, scale))
    seen.until(lambda: lit(part(seen.shot("drawn"), GRID, scale)) > empty + 0.05, "the stems' outlines")
    seen.until(lambda: lit(part(seen.shot("drawn"), FILES, scale)) > 0.01, "files to reveal")
    assert bar(seen.shot("drawn"), scale) == 1
    finished = seen.shot(f"finished-{scale}x")
    assert differ(first, working)
    assert differ(first, finished)


def test_twice_the_scale_is_the_same_picture_with_twice_the_detail(plugin):
    once, twice = plugin(NO_SERVER), plugin(NO_SERVER)
    pictures = []
    for each, scale in ((once, 1), (twice, 2)):
        each.ask(f"open {scale}")
        pictures.append(part(each.shot("scale"), STEMS, scale).mean(axis=2))  # what no server has a say in
    small, large = pictures
    halved = large.reshape(small.shape[0], 2, small.shape[1], 2).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), halved.ravel())[0, 1] > 0.8
    doubled = small.repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(large - doubled).mean() > 0.5, "it was only blown up"


def test_the_bar_is_as_long_as_the_server_says_and_its_error_is_told(plugin, song):
    port = free_port()
    said = {"fraction": 0.37, "error": False}

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", [], [], {}, []))]
        if isinstance(message, protocol.Submit):
            said["job"] = message.job
        if isinstance(message, protocol.Ping):
            answers = [protocol.encode(protocol.Pong("s"))]
            if "job" in said:
                answers.append(protocol.encode(protocol.Accepted(said["job"], "running", 0)))
                answers.append(protocol.encode(protocol.Progress(said["job"], said["fraction"])))
            if said["error"]:
                wrong = protocol.Error("audio", "The tape is torn.", "Splice it.", job=said["job"])
                answers.append(protocol.encode(wrong))
            return answers
        return []

    with answering(port, reply):
        seen = plugin(f"tcp://127.0.0.1:{port}")
        seen.ask("open 1")
        seen.until(lambda: seen.get("Connection") == 2, "the connection")
        seen.ask(f"play {song}")
        seen.ask("set 1 Separate")
        for fraction in (0.37, 0.8):
            said["fraction"] = fraction
            seen.until(lambda there=fraction: abs(seen.get("Progress") - there) < 1e-6, "the progress that was said")
            seen.until(lambda there=fraction: abs(bar(seen.shot("bar")) - there) < 0.004, f"a bar of {fraction}")
        calm = seen.shot("calm")
        assert lit(part(calm, TROUBLE)) == 0
        said["error"] = True
        seen.until(lambda: lit(part(seen.shot("trouble"), TROUBLE)) > 0.005, "the error's words")
        assert not differ(part(calm, HEADER), part(seen.shot("trouble"), HEADER)), "the connection is as it was"
        said["error"] = False
        seen.until(lambda: seen.click(SEPARATE) or seen.get("Job") in OPEN, "another job")
        seen.until(lambda: seen.click(CANCEL) or seen.get("Job") == CANCELLED, "its end")


def test_without_a_server_the_window_says_so(plugin):
    seen = plugin(NO_SERVER)
    seen.ask("open 1")
    looking = seen.shot("looking")
    seen.until(lambda: lit(part(seen.shot("absent-1x"), TROUBLE)) > 0.01, "what to do")
    seen.click(DOCTOR)
    seen.until(lambda: differ(part(seen.shot("doctor-1x"), GRID), part(looking, GRID)), "the doctor's page")
    seen.until(lambda: coloured(part(seen.shot("doctor-1x"), DIAGNOSIS), BAD), "what is wrong, there too")


def test_the_doctor_says_what_to_do_until_all_is_well(plugin, live_server, song):
    seen = plugin(live_server)
    seen.ask("open 1")
    seen.click(DOCTOR)
    seen.until(lambda: seen.get("Connection") == 2, "the connection")
    seen.until(lambda: coloured(part(seen.shot("doctor"), DIAGNOSIS), WAITING), "what is missing")
    assert not coloured(part(seen.shot("doctor"), DIAGNOSIS), GOOD)
    seen.ask(f"play {song}")
    seen.until(lambda: coloured(part(seen.shot("well"), DIAGNOSIS), GOOD), "that all is well")
    assert not coloured(part(seen.shot("well"), DIAGNOSIS), WAITING)


def test_what_is_clicked_is_done(plugin, live_server, song, tmp_path):
    (tmp_path / "bin").mkdir()
    opened = tmp_path / "opened"
    opener = tmp_path / "bin" / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > "{opened}.part"\nmv "{opened}.part" "{opened}"\n')
    opener.chmod(0o755)
    seen = plugin(live_server, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    seen.ask("open 1")
    seen.until(lambda: seen.get("Connection") == 2, "the connection")
    assert seen.get("Want bass") == 1
    seen.click(WANT_BASS)
    seen.until(lambda: seen.get("Want bass") == 0, "the switch")
    seen.click(SEPARATE)  # greyed out: nothing was recorded
    assert seen.get("Job") == 0
    seen.ask(f"play {song}")
    seen.until(lambda: lit(part(seen.shot("recorded"), TRACKS)) > 0.02, "the track's outline")
    seen.until(lambda: seen.click(SEPARATE) or seen.get("Job") > 0, "a job")
    seen.until(lambda: seen.get("Job") == DONE, "its stems")
    seen.until(lambda: seen.click(REVEAL) or opened.exists(), "the file manager")
    shown = Path(opened.read_text())
    assert (shown / "drums.wav").exists()


def test_stems_are_muted_and_soloed_by_clicks_and_the_project_keeps_it(plugin, live_server, song, tmp_path):
    seen = plugin(live_server)
    seen.ask("open 1")
    seen.until(lambda: seen.get("Connection") == 2, "the connection")
    seen.ask(f"play {song}")
    seen.until(lambda: seen.click(SEPARATE) or seen.get("Job") > 0, "a job")
    seen.until(lambda: seen.get("Job") == DONE, "its stems")

    def levels() -> np.ndarray:
        """Of the five buses of stems, after the track's own, which no switch here changes."""
        track, *stems = seen.ask(f"play {song}")["rms"]
        assert track == pytest.approx(loudness)
        return np.array(stems)

    loudness = seen.ask(f"play {song}")["rms"][0]
    all_of_them = levels()
    assert (all_of_them[:4] > 1e-3).all()
    whole = part(seen.shot("all"), GRID)

    def only(*heard: int) -> None:
        now, expected = levels(), np.zeros(5)
        expected[list(heard)] = all_of_them[list(heard)]
        np.testing.assert_allclose(now, expected, rtol=1e-6)

    seen.switch(mute(DRUMS))
    assert seen.get("Mute drums") == 1
    only(BASS, GUITAR, PIANO, RESIDUAL)
    seen.until(lambda: differ(part(seen.shot("muted"), GRID), whole), "the drums in grey")
    seen.switch(solo(PIANO))
    seen.switch(solo(DRUMS))
    only(PIANO)  # the drums are soloed and muted
    state = tmp_path / "project"
    assert seen.ask(f"save {state}")["done"]
    seen.switch(mute(DRUMS))
    only(DRUMS, PIANO)
    seen.switch(solo(PIANO))
    seen.switch(solo(DRUMS))
    only(BASS, DRUMS, GUITAR, PIANO, RESIDUAL)
    assert seen.ask(f"load {state}")["done"]
    assert [seen.get(name) for name in ("Mute drums", "Mute piano", "Solo drums", "Solo piano")] == [1, 0, 1, 1]
    only(PIANO)


@pytest.mark.parametrize("button", [INFILL, REGENERATE])
def test_a_stretch_dragged_over_is_made_anew_and_nothing_else(plugin, song, button):
    was = np.fromfile(song, "<f4").reshape(-1, 2).T
    with running("support.jobs:company") as server:
        seen = plugin(f"tcp://127.0.0.1:{server.port}")
        seen.ask("open 1")
        seen.ask("set 1 Track is")
        seen.ask(f"play {song}")
        seen.until(lambda: seen.get("Tracks that take part") == 1, "the track")
        seen.until(lambda: lit(part(seen.shot("recorded"), TRACKS)) > 0.02, "the track's outline")
        calm = part(seen.shot("calm"), GRID)
        seen.until(lambda: seen.click(button) or lit(part(seen.shot("which"), TROUBLE)) > 0.005, "which stretch?")
        assert seen.get("Job") == 0

        for start, stop in ((0.25, 0.5), (0.8, 0.6)):
            seen.drag(start, stop)
            chosen = [round(seen.get(f"Fill {end}") * 48000) for end in ("from", "to")]
            np.testing.assert_allclose(chosen, np.sort([start, stop]) * was.shape[1], atol=was.shape[1] / 488)
            seen.until(lambda: differ(part(seen.shot("stretch"), GRID), calm), "the stretch")
            seen.make(button)
            first, last = chosen
            now = seen.heard(song)[1 + BASS]
            np.testing.assert_array_equal(now[:, first + 1 : last - 1], was[:, first + 1 : last - 1] / 2)
            np.testing.assert_array_equal(now[:, : first - 1], was[:, : first - 1])
            np.testing.assert_array_equal(now[:, last + 1 :], was[:, last + 1 :])
        seen.click((400, RULER))
        seen.until(lambda: seen.get("Fill to") == 0, "the loop again")


def test_locked_cells_stay_through_what_is_made_next_and_the_project_keeps_the_locks(plugin, song, tmp_path):
    was = np.fromfile(song, "<f4").reshape(-1, 2).T
    bar = 2 * 48000  # of four beats, at the host's tempo; the window's cells
    with running("support.jobs:company") as server:
        seen = plugin(f"tcp://127.0.0.1:{server.port}")
        seen.ask("open 1")
        seen.ask("set 1 Track is")
        seen.ask(f"play {song}")
        seen.until(lambda: seen.get("Tracks that take part") == 1, "the track")
        seen.until(lambda: lit(part(seen.shot("recorded"), TRACKS)) > 0.02, "the track's outline")
        before = part(seen.shot("before"), GRID)
        seen.click(cell(BASS, 0))  # nothing was made that could be locked
        assert not seen.kept("locks")

        def infill(start: float, stop: float) -> np.ndarray:
            """The bass, where it is: 0 silent, 1 half as loud as it was, that is new, 2 as it was."""
            seen.drag(start, stop)
            seen.make(INFILL)
            now = seen.heard(song)[1 + BASS]
            return np.where(now == was, 2, np.where(now == was / 2, 1, 0))[:, : was.shape[1]]

        infill(0.0, 0.25)  # the first of four bars
        seen.until(lambda: lit(part(seen.shot("drawn"), GRID)) > lit(before) + 0.02, "the bass's outline")
        drawn = part(seen.shot("drawn"), GRID)
        seen.turn(cell(BASS, 0))
        seen.turn(cell(BASS, 2))
        seen.until(lambda: differ(part(seen.shot("locked-1x"), GRID), drawn), "the locks")
        state = tmp_path / "project"
        assert seen.ask(f"save {state}")["done"]
        now = infill(0.3, 1.0)
        assert (now[:, : bar - 500] == 1).mean() > 0.99  # new, and locked
        assert (now[:, bar + 500 : int(0.3 * was.shape[1]) - 500] == 2).mean() > 0.99
        np.testing.assert_array_equal(now[:, 2 * bar : 3 * bar] == 2, True)  # locked as it was recorded
        assert (now[:, 3 * bar + 500 :] == 1).mean() > 0.99

        seen.turn(cell(BASS, 0))
        now = infill(0.3, 1.0)
        assert (now[:, : bar - 500] == 2).mean() > 0.99  # no lock, no memory of the first
        seen.turn(cell(BASS, 2))
        assert seen.ask(f"load {state}")["done"]
        seen.drag(0.55, 0.7)
        takes = seen.takes()  # all of the stretch is locked again
        seen.until(lambda: seen.click(INFILL) or lit(part(seen.shot("refused"), TROUBLE)) > 0.005, "why not")
        assert seen.takes() == takes


def test_a_window_opened_and_closed_twenty_times_leaves_nothing(plugin):
    seen = plugin(NO_SERVER)
    process = Path(f"/proc/{seen.process.pid}")

    def held() -> tuple[int, int, int]:
        memory = int((process / "statm").read_text().split()[1]) * 4096
        return memory, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    seen.ask("cycle 8")  # what the graphics driver keeps for good
    before = held()
    seen.ask("cycle 20")
    memory, threads, descriptors = held()
    assert memory - before[0] < 8 * 2**20
    assert threads <= before[1]
    assert descriptors <= before[2]
