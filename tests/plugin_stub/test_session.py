"""Tracks of a session, each an instance in a process of its own: they find each other, and jobs use what all of them recorded."""

import socket

import pytest
from support.bare_host import FRAMES, BareHost
from support.cutter import Cutter
from support.servers import answering, killable, running, until

from bridge import protocol
from bridge.ports import free_port


def session_of_three(host, address: str, first: str = "") -> list[BareHost]:
    """Three instances, each in a process of its own, that hold the song's beginning, middle and end on three tracks. first: where
    the first of them finds the server, if not there."""
    plugins = []
    for role, (start, stop) in enumerate(((0, 60_000), (20_000, 80_000), (40_000, FRAMES)), 1):
        plugin = host(first if role == 1 and first else address)
        plugin.ask("session the-same")
        plugin.ask(f"role {role}")
        plugin.ask(f"play {start} {stop - start} 512")
        plugins.append(plugin)
    whole = {"tracks": 3, "context": [0, FRAMES]}
    until(lambda: all(whole.items() <= plugin.ask("status").items() for plugin in plugins), "three tracks")
    return plugins


def assert_piano_plays(plugin: BareHost) -> None:
    """One stereo bus holds half the song, to the sample where any of the tracks had something; the others are silent."""
    heard = plugin.ask(f"play 0 {FRAMES} 333")
    assert heard["track_wrong"] == heard["other"] == 0
    assert 1.99 * FRAMES < heard["halves"] <= 2 * FRAMES


def test_tracks_recorded_one_after_another_are_one_context_and_one_job_uses_them_all(host):
    with running("support.jobs:company") as server:
        plugins = session_of_three(host, f"tcp://127.0.0.1:{server.port}")
        plugins[1].ask("accompany")
        assert plugins[1].until("job", "done", "failed")["job"] == "done", plugins[1].ask("status")
        assert_piano_plays(plugins[1])
        heard = plugins[0].ask(f"play 0 {FRAMES} 512")  # who did not ask hears nothing
        assert heard["halves"] == heard["other"] == 0


@pytest.mark.parametrize(("way", "asker"), [({"up": 300_000}, 1), ({"up": 300_000}, 0), ({"down": 300_000}, 0)])
def test_a_cut_of_a_track_that_gives_or_asks_costs_nothing(host, way, asker):
    with running("support.jobs:company") as server:
        cutter = Cutter(server.port, **way)
        plugins = session_of_three(host, f"tcp://127.0.0.1:{server.port}", f"tcp://127.0.0.1:{cutter.port}")
        plugins[asker].ask("accompany")
        assert plugins[asker].until("job", "done", "failed")["job"] == "done", plugins[asker].ask("status")
        assert cutter.cuts == 1
        assert_piano_plays(plugins[asker])
        cutter.close()


class Room:
    """What a server says that has no place for a track while `why` is given, and what it was asked."""

    def __init__(self, why: str = ""):
        self.why = why
        self.contexts: list[str] = []
        self.jobs: list[str] = []

    def __call__(self, frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["m"], [], {}, []))]
        if isinstance(message, protocol.Join):
            self.contexts.append(message.context)
            if self.why:
                return [protocol.encode(protocol.Error("context", self.why, "Take one out."))]
            return [protocol.encode(protocol.Tracks(message.context, [message.track]))]
        if isinstance(message, protocol.Submit):
            self.jobs.append(message.context)
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []


def test_a_track_that_is_refused_says_why_and_is_told_of_again(host):
    port, room = free_port(), Room("There are 64 tracks.")
    with answering(port, room):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.ask("role 1")
        plugin.record()
        plugin.ask("accompany")
        until(lambda: "There are 64 tracks. Take one out." in plugin.ask("status")["message"], "why")
        until(lambda: plugin.ask("status")["job"] == "none", "that nothing is waited for")
        room.why = ""
        until(lambda: plugin.ask("status")["tracks"] == 1, "a place")
        assert not room.jobs


def test_songs_of_one_template_on_two_machines_are_two_contexts(host):
    port, room = free_port(), Room()
    with answering(port, room):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.ask("session " + "x" * 150)
        plugin.ask("role 1")
        plugin.record()
        until(lambda: plugin.ask("status")["tracks"] == 1, "the track")
        plugin.ask("accompany")
        until(lambda: room.jobs, "a job")
    assert room.contexts[-1] == room.jobs[0] == "x" * 100 + "@" + socket.gethostname()[:64]


def test_of_a_grant_without_end_a_track_sends_no_more_than_servers_take_at_once(host):
    port, heard = free_port(), []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        heard.append(type(message))
        if isinstance(message, protocol.Join) and message.track.role:
            endless = [protocol.Give("job", 0, 2**60, 0, 2), protocol.Credit("job", 2**40)]
            return [*map(protocol.encode, endless)] if heard.count(protocol.Chunk) == 0 else []
        return Room()(frames)

    with answering(port, reply):
        plugin = host(f"tcp://127.0.0.1:{port}")
        plugin.ask("role 1")
        until(lambda: protocol.Chunk in heard, "audio")
        joined = heard.count(protocol.Join)
        plugin.ask("role 2")
        until(lambda: heard.count(protocol.Join) > joined, "what comes after it")
        assert heard.count(protocol.Chunk) == 64


def test_a_take_that_is_too_long_is_said_to_be(host):
    port, room = free_port(), Room()
    with answering(port, room):
        plugin = host(f"tcp://127.0.0.1:{port}")
        for start in (0, 400_000_000):  # more than two hours
            plugin.ask(f"play {start} 512 512")
        until(lambda: "too long" in plugin.ask("status")["message"], "that it is")
        plugin.ask("accompany")
        until(lambda: plugin.ask("status")["job"] == "none", "that nothing is waited for")
        assert not room.jobs


@pytest.mark.parametrize("task", ["infill", "regenerate"])
@pytest.mark.parametrize("marked_by", ["parameters", "loop"])
def test_a_stretch_of_one_track_is_made_anew_and_the_rest_of_it_stays_as_it_was(host, task, marked_by):
    with running("support.jobs:company") as server:
        plugins = session_of_three(host, f"tcp://127.0.0.1:{server.port}")
        asker = plugins[2]
        for stem in (1, 2, 3):
            asker.ask(f"want {stem} 0")
        if marked_by == "parameters":
            asker.ask("fill 0.5 1.0")
        else:  # the playhead goes round, where this track has something recorded and where it has not
            for _ in range(3):
                asker.ask("play 24000 24000 480")
        until(lambda: asker.ask("status")["stretch"] == [24000, 48000], "the stretch")
        asker.ask(task)
        assert asker.until("job", "done", "failed")["job"] == "done", asker.ask("status")
        heard = asker.ask(f"play 0 {FRAMES} 333")
        assert heard["track_wrong"] == heard["other"] == 0
        assert 1.99 * 24_000 < heard["halves"] <= 2 * 24_000
        assert 1.99 * 36_000 < heard["same"] <= 2 * 36_000  # the bass ends at 60 000


def test_locked_cells_keep_what_lies_in_them_through_what_is_made_next_and_in_the_cache(host):
    with running("support.jobs:company") as server:
        plugins = session_of_three(host, f"tcp://127.0.0.1:{server.port}")
        asker = plugins[2]

        def infill(start: float, stop: float) -> dict:
            before = asker.ask("recipe")["recipe"]
            asker.ask(f"fill {start} {stop}")
            asker.ask("infill")
            until(lambda: asker.ask("recipe")["recipe"] != before, "another take")
            heard = asker.ask(f"play 0 {FRAMES} 333")
            assert heard["track_wrong"] == 0
            return heard

        for stem in (1, 2, 3):
            asker.ask(f"want {stem} 0")
        infill(0.25, 0.5)
        asker.ask("lock 0 12000 24000")  # new, and not in the next stretch
        asker.ask("lock 0 30000 36000")  # as recorded, and in the middle of it
        bass = infill(0.5, 1.0)
        assert 1.99 * 29_280 < bass["halves"] <= 2 * 30_000
        assert 1.99 * 30_000 < bass["same"] <= 2 * 30_000
        assert 0 < bass["other"] <= 2 * 3 * 240  # three crossfades

        asker.ask("want 0 0")
        asker.ask("want 1 1")
        both = infill(1.0, 1.25)  # of the drums: the bass, of which something is locked, stays
        assert 1.99 * 12_000 < both["halves"] - bass["halves"] <= 2 * 12_000
        assert 1.99 * 48_000 < both["same"] - bass["same"] <= 2 * 48_000
        assert both["other"] == bass["other"]
        recipe = asker.ask("recipe")["recipe"]

        asker.ask("want 0 1")
        asker.ask("want 1 0")
        asker.ask("fill 0.3 0.4")
        asker.ask("infill")
        assert "locked" in until(lambda: asker.ask("status")["message"], "a message")
    later = host("tcp://127.0.0.1:9")
    later.ask(f"restore {recipe}")  # what is on disk is what the recipe says, or nothing would play
    assert later.ask(f"play 0 {FRAMES} 333") == both


def test_two_that_ask_at_once_both_get_their_accompaniment(host):
    with running("support.jobs:company") as server:
        plugins = session_of_three(host, f"tcp://127.0.0.1:{server.port}")
        for plugin in plugins[:2]:
            plugin.ask("accompany")
        for plugin in plugins[:2]:
            assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
        for plugin in plugins[:2]:
            assert_piano_plays(plugin)


def test_an_accompaniment_asked_for_without_a_server_is_made_when_one_comes_and_after_it_was_killed(host, tmp_path):
    port = free_port()
    plugins = []
    with killable(port, tmp_path, target="support.jobs:company"):
        plugins = session_of_three(host, f"tcp://127.0.0.1:{port}")
    plugins[2].ask("accompany")
    assert plugins[2].until("job", "waiting")
    with killable(port, tmp_path, target="support.jobs:company"):
        assert plugins[2].until("job", "done", "failed")["job"] == "done", plugins[2].ask("status")
        assert_piano_plays(plugins[2])


def test_an_accompaniment_does_not_wait_for_a_track_that_was_taken_out_while_the_server_was_gone(host, tmp_path):
    port = free_port()
    with killable(port, tmp_path, target="support.jobs:company"):
        plugins = session_of_three(host, f"tcp://127.0.0.1:{port}")
    plugins[2].ask("accompany")
    assert plugins[2].until("job", "waiting")
    plugins[0].close()
    with killable(port, tmp_path, target="support.jobs:company"):
        assert plugins[2].until("job", "done", "failed")["job"] == "done", plugins[2].ask("status")


@pytest.mark.parametrize(
    ("task", "commands", "words"),
    [
        ("accompany", ["role 1", "want 1 0", "want 2 0", "want 3 0", "play 0 9000 512"], "nothing to make"),
        ("accompany", ["role 1"], "recorded"),
        ("accompany", ["play 0 9000 512"], "what it plays"),
        ("infill", ["role 1", "play 0 9000 512"], "Which stretch"),
        ("infill", ["role 1", "fill 1 2", "play 0 9000 512"], "Nothing is recorded where"),
        ("infill", ["role 1", "fill 0 1", "want 0 0", "play 0 9000 512"], "nothing to fill"),
    ],
)
def test_what_cannot_be_made_of_the_session_says_why(host, task, commands, words):
    with running("support.jobs:company") as server:
        plugin = host(f"tcp://127.0.0.1:{server.port}")
        for command in commands:
            plugin.ask(command)
        if "play" in commands[-1]:
            until(lambda: plugin.ask("status")["tracks"] == 1, "the take")
        plugin.ask(task)
        assert words in until(lambda: plugin.ask("status")["message"], "a message")
