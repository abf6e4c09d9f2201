"""What the protocol promised, said a second time: every message and field of 1.0 is still there, as it was, and nothing that was
added since is asked of a client or server that does not know it. What 1.1 added is promised too."""

import hashlib
import uuid

import msgspec
import numpy as np
import pytest
from support.servers import Speaker, answering, song

from bridge import contexts, lane, limits, pairing, protocol
from bridge.client import Client
from bridge.errors import CODES
from bridge.ports import free_port
from bridge.protocol import MESSAGES, Accepted, AudioShape, Chunk, Credit, Done, Error, Pong, Submit
from engine import prompting

FROZEN = """
hello: version str; client str=''
welcome: version str; session str; package str; models list[str]; presets list[str]; limits dict[str, int]; capabilities list[str]
submit: job str; audio AudioShape; preset str='separate'; overrides dict[str, str | int | float]=dict; parts list[Part]=list
submit: wanted list[str]=list; start float=0.0; stop float=0.0; seconds float=0.0; keep bool=False; prompts dict[str, str]=dict
submit: mixture_prompt str=''; context str=''; position int=0; have dict[str, int]=dict
join: context str; track Track
cancel: job str
status:
ping:
bye:
accepted: job str; state str; received int=0; seconds float=0.0; memory int=0
tracks: context str; tracks list[Track]
give: job str; offset int; frames int; position int; channels int
progress: job str; fraction float
stretch: job str; frames int
done: job str; stems dict[str, str]; frames int; seconds float
cancelled: job str
error: code str; message str; hint str=''; retryable bool=False; job str=''
report: session str; jobs dict[str, int]; worker int; uptime float; lines list[Line]=list; closing bool=False
pong: session str
pair: version str; name str=''
paired: key str; name str=''
chunk: job str; offset int; crc32 int; stem str=''
credit: job str; chunks int
AudioShape: sample_rate int; channels int; frames int; sha256 str
Part: name str; frames int
Track: id str; name str=''; role str=''; sample_rate int=0; start int=0; frames int=0; takes_part bool=True
Line: job str; state str; preset str; fraction float=0.0; seconds float=0.0; here bool=True
"""
ADDED_IN_1_1 = """
AudioShape: begins str=''
submit: lane bool=False
accepted: known bool=False; lane str=''; key str=''
chunk: at int=0; size int=0; file str=''
whole: job str; sha256 str
opened: job str; proof str
"""
CODES_OF_1_0 = {
    "bad_audio", "bad_model", "bad_preset", "bad_shape", "bad_data", "no_resource", "cancelled", "internal", "protocol", "version",
    "hello_first", "unknown_job", "limit", "damaged", "taken", "context", "worker_died", "forbidden", "closing",
}  # fmt: skip

LIMITS = [  # what may grow, not shrink; as PROTOCOL.md says it
    (protocol, "MAX_HEADER", 65_536),
    (protocol, "MAX_PAYLOAD", 1_048_576),
    (protocol, "CREDIT", 16),
    (protocol, "MAX_ALL_JOBS", 1024),
    (protocol, "KEPT_JOBS", 4),
    (protocol, "GONE_AFTER", 5),
    (limits, "CLIENTS", 256),
    (limits, "AT_ONCE", 32),
    (limits, "A_SECOND", 5),
    (contexts, "MAX_TRACKS", 64),
    (contexts, "MAX_NAME", 200),
    (prompting, "MOST", 16),
    (prompting, "LONGEST", 300),
    (lane, "MOST", 32),
]
FOR_GOOD = [  # what both sides count by, or trust in
    (protocol, "DEFAULT_PORT", 27182),
    (protocol, "BEGINNING", 65_536),
    (pairing, "OFFSET", 2),
    (pairing, "LENGTH", 10),
    (pairing, "LETTERS", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
    (pairing, "GOOD_FOR", 300),
    (pairing, "TRIES", 5),
]


def described(kind: type) -> dict[str, str]:
    """Field to type and default."""
    found = {}
    for field in msgspec.structs.fields(kind):
        name = getattr(field.type, "__name__", "") if not hasattr(field.type, "__args__") else ""
        default = ""
        if field.default_factory is not msgspec.NODEFAULT:
            default = f"={field.default_factory.__name__}"
        elif not field.required:
            default = f"={field.default!r}"
        found[field.name] = (name or str(field.type).replace("bridge.protocol.", "")) + default
    return found


def promised(text: str) -> dict[str, dict[str, str]]:
    """Message to field to type and default."""
    found: dict[str, dict[str, str]] = {}
    for line in text.strip().splitlines():
        name, _, fields = line.partition(":")
        found.setdefault(name, {}).update(field.strip().split(" ", 1) for field in fields.split(";") if field.strip())
    return found


KINDS = {kind.__name__.lower(): kind for kind in MESSAGES}


@pytest.mark.parametrize("text", [FROZEN, ADDED_IN_1_1], ids=["1.0", "1.1"])
def test_all_that_was_promised_is_there(text):
    for name, fields in promised(text).items():
        now = described(KINDS.get(name) or getattr(protocol, name))
        assert {key: now.get(key) for key in fields} == fields, name


def test_what_was_added_to_1_0_may_be_left_out_and_is_promised():
    first, added = promised(FROZEN), promised(ADDED_IN_1_1)
    assert set(first) | set(added) >= set(KINDS)
    for name, fields in first.items():
        now = described(KINDS.get(name) or getattr(protocol, name))
        more = set(now) - set(fields)
        assert all("=" in now[key] for key in more), f"{name} asks for more than in 1.0"
        assert more == set(added.get(name, ())), f"{name} has fields that no version promised"


def test_what_else_1_0_promised():
    assert protocol.same_major("1.0")
    assert not protocol.same_major("0.9")
    assert not protocol.same_major("10.0")
    assert set(CODES.values()) <= CODES_OF_1_0


@pytest.mark.parametrize(("where", "name", "said"), LIMITS)
def test_limits_do_not_shrink(where, name, said):
    assert getattr(where, name) >= said


@pytest.mark.parametrize(("where", "name", "said"), FOR_GOOD)
def test_what_both_sides_go_by_stays_as_it_is(where, name, said):
    assert getattr(where, name) == said


def test_a_server_passes_over_what_only_newer_clients_know(server):
    """A field more, in a map too, and a message of a type and form nobody has seen."""
    with Speaker(server.port, hello=False) as newer:

        def say(*frames: bytes | dict) -> None:
            packed = [frame if isinstance(frame, bytes) else msgspec.msgpack.encode(frame) for frame in frames]
            newer.socket.send_multipart(packed)

        say({"type": "hello", "version": "1.7", "client": "newer", "mood": ["good"]})
        welcome = newer.hear(protocol.Welcome)
        assert welcome.limits.keys() >= {"frames", "jobs", "payload", "header", "credit"}
        say({"type": "telepathy", "depth": 3}, b"payload", b"and one more")
        job, music = str(uuid.uuid4()), song(10)
        audio = msgspec.to_builtins(AudioShape(44_100, 2, 10, sha256(music))) | {"dither": True}
        say({"type": "submit", "job": job, "audio": audio, "urgency": 2})
        assert newer.hear(Accepted).state == "uploading"
        newer.say_chunk(job, 0, music)
        newer.say(Credit(job, 8))
        assert set(newer.hear(Done).stems) == {"one", "residual"}
        assert not [message for message, _ in newer.seen if isinstance(message, Error)]
        say({"type": "ping"}, b"a", b"b")
        assert newer.hear(Error).code == "protocol"
        say({"type": "ping", "mood": None}, b"ignored")
        newer.hear(Pong)


def test_a_client_passes_over_what_only_newer_servers_know():
    pack = msgspec.msgpack.encode
    newer = {"models": [], "presets": [], "limits": {"wishes": 3}, "capabilities": ["dance"], "mood": {"good": True}}
    answers = {
        "hello": {"type": "welcome", "version": "1.7", "session": "s", "package": "9"} | newer,
        "status": {
            "type": "report", "session": "s", "jobs": {"resting": 1}, "worker": 0, "uptime": 1, "weather": "fine",
            "lines": [{"job": "a", "state": "resting", "preset": "separate", "colour": "red"}],
        },
    }  # fmt: skip

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        said = msgspec.msgpack.decode(frames[0])["type"]
        return [[pack({"type": "telepathy"}), b"", b""], *([[pack(answers[said])]] if said in answers else [])]

    with answering(port := free_port(), reply), Client(f"tcp://127.0.0.1:{port}") as client:
        assert client.welcome.capabilities == ["dance"]
        assert client.status().lines[0].state == "resting"


def test_another_major_version_is_refused_in_words(server):
    with Speaker(server.port, hello=False) as old:
        old.say(protocol.Hello("0.6"))
        error = old.hear(Error)
        assert (error.code, "0.6" in error.message, protocol.VERSION in error.message) == ("version", True, True)
        old.say(protocol.Ping())
        assert old.hear(Error).code == "hello_first"


def test_stems_go_on_where_a_cut_left_them(server):
    """Of each what is not there yet; and who asks for too much, or for a stem that is none, gets the rest all the same."""
    job, music = str(uuid.uuid4()), song(3000)
    submit = Submit(job, AudioShape(44_100, 2, 3000, sha256(music)))
    with Speaker(server.port) as speaker:
        speaker.say(submit)
        speaker.say_chunk(job, 0, music)
        speaker.say(Credit(job, 32))
        whole = speaker.hear(Done)
        for have, first in (
            ({"one": 2000}, {"one": 2000, "residual": 0}), ({"one": 3000, "residual": 2999}, {"residual": 2999}),
            ({"one": 2**52, "nobody": 7, "residual": -5}, {"residual": 0}), ({}, {"one": 0, "residual": 0}),
        ):  # fmt: skip
            speaker.seen.clear()
            submit.have = have
            speaker.say(submit)
            accepted = speaker.hear(Accepted)
            assert (accepted.state, accepted.received) == ("done", 3000)
            speaker.say(Credit(job, 32))
            assert speaker.hear(Done) == whole
            came = [(message, payload) for message, payload in speaker.seen if isinstance(message, Chunk)]
            assert {message.stem: message.offset for message, _ in reversed(came)} == first
            for message, payload in came:
                wanted = np.ascontiguousarray(music[:, message.offset :].T / 2).tobytes()
                assert payload == wanted[: len(payload)]
        speaker.say(protocol.Bye())


def test_the_state_of_each_job_is_told_to_who_comes_back(server):
    """Under another connection: done, failed, cancelled, and with its end once more."""
    music, jobs = song(5), {}
    with Speaker(server.port) as first:
        for end, overrides in (("done", {}), ("failed", {"seed": 15}), ("cancelled", {"steps": 100_000})):
            jobs[end] = Submit(str(uuid.uuid4()), AudioShape(44_100, 2, 5, sha256(music)), overrides=overrides)
            first.say(jobs[end])
            first.hear(Accepted)
            first.say_chunk(jobs[end].job, 0, music)
            first.say(Credit(jobs[end].job, 8))
            if end == "cancelled":
                first.say(protocol.Cancel(jobs[end].job))
            first.hear((Done, Error, protocol.Cancelled), jobs[end].job)
        with Speaker(server.port) as again:
            for end, submit in jobs.items():
                again.say(submit)
                assert again.hear(Accepted, submit.job).state == end
                again.say(Credit(submit.job, 8))
                found = again.hear((Done, Error, protocol.Cancelled), submit.job)
                assert type(found).__name__.lower() == {"failed": "error"}.get(end, end)


def test_all_credit_comes_back_and_none_after_the_end(server):
    job, music = str(uuid.uuid4()), song(protocol.CREDIT)
    with Speaker(server.port) as speaker:
        speaker.say(Submit(job, AudioShape(44_100, 2, protocol.CREDIT, sha256(music))))
        assert speaker.hear(Credit).chunks == protocol.CREDIT
        for taken in range(protocol.CREDIT - 1):
            speaker.say_chunk(job, taken, music[:, taken : taken + 1])
        back = 0
        while back < protocol.CREDIT - 1:
            back += speaker.hear(Credit).chunks
        assert back == protocol.CREDIT - 1
        speaker.seen.clear()
        speaker.say_chunk(job, back, music)  # more than was announced
        assert speaker.hear(Error, job).code == "damaged"
        speaker.say(protocol.Ping())
        speaker.hear(Pong)
        assert [type(message) for message, _ in speaker.seen] == [Error, Pong]


def sha256(music: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(music.T, "<f4").tobytes()).hexdigest()
