"""Tracks of one session, each with a client of its own, come together in one job, lined up by their place on the timeline."""

from contextlib import ExitStack

import numpy as np
import pytest
from support.servers import Speaker, running, song, until

from bridge import errors, protocol
from bridge.contexts import MAX_TRACKS, Contexts
from bridge.errors import ContextError
from bridge.protocol import (
    Accepted,
    AudioShape,
    Bye,
    Chunk,
    Credit,
    Done,
    Error,
    Give,
    Hello,
    Join,
    Submit,
    Track,
    Tracks,
)

RATE = 48000
FRAMES = 70_000  # more than one chunk holds
START = -500  # a pre-roll: positions may be negative


class Member(Speaker):
    """A client that is a track with `audio` from `start` on, and gives what it is asked for."""

    def __init__(self, port: int, role: str, audio: np.ndarray, start: int, **track):
        super().__init__(port)
        self.audio, self.start = audio, start
        self.track = Track(f"id-{role}-{start}", role, role, RATE, start, audio.shape[1], **track)
        self.say(Join("session", self.track))
        self.hear(Tracks)

    def give(self, job: str) -> Give:
        asked = self.hear(Give, job)
        stretch = np.zeros((asked.channels, asked.frames), np.float32)
        first = asked.position - self.start  # of this track's own audio
        from_, to = max(first, 0), min(first + asked.frames, self.audio.shape[1])
        stretch[:, from_ - first : to - first] = self.audio[:, from_:to]
        size = protocol.CHUNK_BYTES // (4 * asked.channels)
        credit = 0
        for offset in range(0, asked.frames, size):
            while credit == 0:
                credit += self.hear(Credit, job).chunks
            self.say_chunk(job, asked.offset + offset, stretch[:, offset : offset + size])
            credit -= 1
        return asked


@pytest.fixture
def session():
    """A server, and a function that makes members of it."""
    with running() as server, ExitStack() as stack:

        def member(role: str, audio: np.ndarray, start: int, **track) -> Member:
            return stack.enter_context(Member(server.port, role, audio, start, **track))

        yield member


def order(job: str, frames: int = FRAMES, rate: int = RATE, context: str = "session") -> Submit:
    return Submit(job, AudioShape(rate, 2, frames, ""), context=context, position=START)


def stems(speaker: Speaker, job: str, frames: int) -> np.ndarray:
    """(2, frames) of the stem "one" of the worker that halves what it is given."""
    found = np.zeros((2, frames), np.float32)
    speaker.say(Credit(job, protocol.CREDIT))
    while not isinstance(said := speaker.hear((Chunk, Done, Error), job), Done):
        assert isinstance(said, Chunk), said
        speaker.say(Credit(job, 1))
        if said.stem == "one":
            piece = np.frombuffer(speaker.seen[-1][1], "<f4").reshape(-1, 2).T
            found[:, said.offset : said.offset + piece.shape[1]] = piece
    assert said.frames == frames
    return found


def test_three_tracks_recorded_at_different_places_line_up_in_one_job(session):
    bass, drums, keys = (song(count, seed=seed) for seed, count in enumerate((FRAMES, 30_000, 5_000)))
    members = {
        "piano": session("piano", keys, START + 60_000),
        "drums": session("drums", drums, START + 1234),
        "bass": session("bass", bass, START - 777),  # begins before the stretch
    }
    asker = members["drums"]
    asker.say(order("job"))
    asker.hear(Accepted, "job")
    for role in ("bass", "drums", "piano"):
        members[role].give("job")
    whole = 2 * stems(asker, "job", 3 * FRAMES)
    expected = np.zeros((3, 2, FRAMES), np.float32)
    expected[0, :, : FRAMES - 777] = bass[:, 777:]
    expected[1, :, 1234:31_234] = drums
    expected[2, :, 60_000:65_000] = keys
    np.testing.assert_array_equal(whole, np.concatenate(list(expected), axis=1))


def test_a_track_that_takes_no_part_is_neither_asked_nor_missed(session):
    audio = song(FRAMES)
    session("drums", song(FRAMES, seed=1), START, takes_part=False)
    session("piano", song(0), START)  # nothing recorded
    bass = session("bass", audio, START)
    bass.say(order("job"))
    assert bass.give("job").frames == FRAMES
    np.testing.assert_array_equal(2 * stems(bass, "job", FRAMES), audio)


def test_all_members_hear_of_each_other(session):
    first = session("bass", song(10), 5)
    second = session("drums", song(20), 6)
    assert {track.id for track in first.hear(Tracks).tracks} == {first.track.id, second.track.id}
    second.say(Bye())
    assert [track.id for track in first.hear(Tracks).tracks] == [first.track.id]


def test_a_track_that_leaves_before_it_gave_ends_the_job_in_plain_words(session):
    bass, drums = session("bass", song(FRAMES), START), session("drums", song(FRAMES), START)
    bass.say(order("job"))
    bass.give("job")
    drums.hear(Give, "job")
    drums.say(Bye())
    error = bass.hear(Error, "job")
    assert (error.code, "gone" in error.message) == (errors.CONTEXT, True)
    bass.say(order("again"))  # what is left goes on
    bass.give("again")
    stems(bass, "again", FRAMES)


def test_only_the_track_whose_turn_it_is_can_add_to_the_job(session):
    first, second = song(FRAMES), song(FRAMES, seed=1)
    bass, drums = session("bass", first, START), session("drums", second, START)
    drums.say(order("job"))
    bass.hear(Give, "job")
    drums.say_chunk("job", 0, second[:, :1000])  # out of turn
    drums.say(Join("session", drums.track))  # answered, so the chunk was seen
    drums.hear(Tracks)
    bass.say_chunk("job", 0, np.concatenate([first, first], 1)[:, :80_000])  # more than its share
    assert drums.hear(Error, "job").code == errors.DAMAGED
    drums.say(order("next"))
    bass.give("next")
    drums.give("next")
    np.testing.assert_array_equal(2 * stems(drums, "next", 2 * FRAMES), np.concatenate([first, second], 1))


@pytest.mark.parametrize(
    ("track", "words"),
    [
        (dict(role="", frames=9, sample_rate=RATE), "what it plays"),
        (dict(role="bass", frames=0), "recorded"),
        (dict(role="bass", frames=9, sample_rate=RATE, takes_part=False), "recorded"),
        (dict(role="bass", frames=9, sample_rate=44100), "44100"),
    ],
)
def test_a_job_that_cannot_be_given_is_refused_with_the_reason(session, track, words):
    member = session("bass", song(0), 0)
    member.say(Join("session", Track("id", **track)))
    member.say(order("job"))
    error = member.hear(Error, "job")
    assert error.code == errors.CONTEXT
    assert words in error.message
    assert error.hint


@pytest.mark.parametrize("submit", [order("j", frames=0), order("j", frames=2**40), order("j", context="elsewhere")])
def test_a_stretch_that_cannot_be_is_refused(session, submit):
    member = session("bass", song(100), START)
    member.say(submit)
    assert member.hear(Error, "j").message


def test_a_track_that_comes_back_under_another_connection_is_still_one_track():
    contexts = Contexts()
    for connection in (b"before", b"after"):
        contexts.join(connection, "here", Track("id"))
    assert list(contexts.members("here")) == [b"after"]
    assert contexts.leave(b"before") == ""
    assert contexts.leave(b"after") == "here"


def test_a_track_that_is_back_under_another_connection_gives_what_it_owes(session):
    audio = song(FRAMES)
    lost = session("bass", audio, START)
    asker = session("drums", song(FRAMES, seed=1), START)
    asker.say(order("job"))
    lost.hear(Give, "job")
    back = session("bass", audio, START)
    assert back.track.id == lost.track.id
    back.give("job")
    asker.give("job")
    np.testing.assert_array_equal(2 * stems(asker, "job", 2 * FRAMES)[:, :FRAMES], audio)


def test_a_track_that_is_back_after_a_cut_goes_on_where_it_stands(session):
    """Under the same identity, as a socket that connects again by itself."""
    first, audio = song(FRAMES, seed=1), song(FRAMES)
    asker, cut = session("bass", first, START), session("drums", audio, START)
    asker.say(order("job"))
    asker.give("job")
    assert cut.hear(Give, "job").position == START
    cut.say_chunk("job", FRAMES, audio[:, :1000])
    cut.say(Hello(protocol.VERSION, "test"))
    cut.say(Join("session", cut.track))
    asked = cut.give("job")
    assert (asked.offset, asked.frames, asked.position) == (FRAMES + 1000, FRAMES - 1000, START + 1000)
    np.testing.assert_array_equal(2 * stems(asker, "job", 2 * FRAMES), np.concatenate([first, audio], 1))


def test_names_that_nobody_could_be_told_are_refused():
    contexts = Contexts()
    contexts.join(b"one", "here", Track("1", role="x" * 40_000))
    with pytest.raises(ContextError):
        contexts.join(b"two", "here", Track("2", role="x" * 40_000))
    assert contexts.of(b"two") == ""


def test_a_client_that_changes_its_version_is_let_go(session):
    member, other = session("bass", song(FRAMES), START), session("drums", song(0), START)
    member.say(Hello("9.0"))
    assert member.hear(Error).code == errors.VERSION
    until(lambda: not any(track.role == "bass" for track in other.hear(Tracks).tracks), "its leave")


def test_a_context_is_not_without_end():
    contexts = Contexts()
    for number in range(MAX_TRACKS):
        contexts.join(bytes([number]), "here", Track(str(number)))
    contexts.join(b"again", "here", Track("3"))  # in place of itself
    with pytest.raises(ContextError):
        contexts.join(b"more", "here", Track("more"))
    for wrong in (
        Track(""),
        Track("i", frames=-1),
        Track("i", start=2**60),
        Track("i", sample_rate=1, frames=2**45),
        Track("i", frames=5),
        Track("i", name="x" * 201),
    ):
        with pytest.raises(ContextError):
            contexts.join(b"other", "there", wrong)
