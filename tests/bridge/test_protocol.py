"""Messages in bytes: what was written is read back, and no bytes at all do more than raise ProtocolError."""

import contextlib
import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge.protocol as protocol
from bridge.errors import ProtocolError
from bridge.protocol import (
    MAX_HEADER,
    MAX_PAYLOAD,
    MESSAGES,
    Accepted,
    AudioShape,
    Bye,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Done,
    Error,
    Give,
    Hello,
    Join,
    Line,
    Opened,
    Pair,
    Paired,
    Part,
    Ping,
    Pong,
    Progress,
    Report,
    Status,
    Stretch,
    Submit,
    Track,
    Tracks,
    Welcome,
    Whole,
    chunk,
    decode,
    encode,
)

DOCUMENT = Path(protocol.__file__).with_name("PROTOCOL.md").read_text()
text = st.text(max_size=40)
number = st.integers(0, 2**53)
track = st.builds(Track, text, text, text, number, number, number, st.booleans())
fraction = st.floats(0, 1)
VALUES = {
    str: text, int: number, float: st.floats(allow_nan=False), bool: st.booleans(), list[str]: st.lists(text, max_size=4),
    dict[str, int]: st.dictionaries(text, number, max_size=4), dict[str, str]: st.dictionaries(text, text, max_size=4),
    dict[str, str | int | float]: st.dictionaries(text, text | number, max_size=4),
    AudioShape: st.builds(AudioShape, number, number, number, text, text),
    list[Part]: st.lists(st.builds(Part, text, number), max_size=4), Track: track, list[Track]: st.lists(track, max_size=4),
    list[Line]: st.lists(st.builds(Line, text, text, text, fraction, fraction, st.booleans()), max_size=4),
}  # fmt: skip
messages = st.one_of(
    *(
        st.builds(kind, **{f.name: VALUES[f.type] for f in msgspec.structs.fields(kind)})
        for kind in MESSAGES
        if kind is not Chunk
    )
)


@given(messages)
def test_a_message_is_read_back_as_it_was(message):
    assert decode(encode(message)) == (message, b"")


@given(st.binary(max_size=5000), text, number)
def test_a_chunk_is_read_back_with_its_payload(payload, stem, offset):
    message, read = decode(chunk("job", stem, offset, payload))
    assert (message.stem, message.offset, read) == (stem, offset, payload)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_are_a_message_an_unknown_type_or_a_protocol_error(frames):
    with contextlib.suppress(ProtocolError):
        decode(frames)


@given(messages, st.data())
def test_a_cut_or_bent_message_never_does_more_than_raise_protocol_error(message, data):
    header = bytearray(encode(message)[0])
    at = data.draw(st.integers(0, len(header) - 1))
    header[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(header), bytes(header[:at])):
        with contextlib.suppress(ProtocolError):
            decode([damaged])


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_damaged_payload_is_noticed(payload, data):
    header, _ = chunk("job", "", 0, payload)
    at = data.draw(st.integers(0, len(payload) - 1))
    damaged = bytearray(payload)
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError, match="damaged"):
        decode([header, bytes(damaged)])


def test_unknown_types_are_passed_over_and_unknown_fields_ignored():
    telepathy = msgspec.msgpack.encode({"type": "telepathy", "depth": 3})
    assert decode([telepathy]) is decode([telepathy, b"", b"a frame more"]) is None
    newer = msgspec.msgpack.encode({"type": "hello", "version": "1.9", "mood": "good"})
    assert decode([newer]) == (Hello("1.9"), b"")


def test_frames_beyond_the_limits_are_refused():
    with pytest.raises(ProtocolError, match="too large"):
        decode([b"x" * (MAX_HEADER + 1)])
    with pytest.raises(ProtocolError, match="too large"):
        decode([encode(Hello("1.0"))[0], b"x" * (MAX_PAYLOAD + 1)])


def test_the_document_names_every_message_and_field():
    for kind in MESSAGES:
        section = re.search(rf"^#### `{kind.__name__.lower()}`(.*?)(?=^#|\Z)", DOCUMENT, re.S | re.M)
        assert section, f"PROTOCOL.md does not describe {kind.__name__.lower()}"
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in section[1], f"PROTOCOL.md does not describe {field.name} of {kind.__name__}"


def test_the_documents_version_is_the_codes():
    assert re.search(r"version \*\*(\S+)\*\*", DOCUMENT)[1] == protocol.VERSION


JOB = "6f1c2a90-0000-4000-8000-000000000001"
KEY = "))e:%m]JcnkLOB5(Kc[9bpy)N3h6*PYv&]sD<EMn"
EXAMPLES: dict[str, list] = {
    "hello": encode(Hello("1.0", "example")),
    "welcome": encode(Welcome("1.0", "5e55", "0.1.0", ["default"], ["separate"], {"jobs": 16, "credit": 8}, ["separate"])),
    "submit": encode(Submit(JOB, AudioShape(44100, 1, 2, "ab" * 32), "separate", {"seed": 7})),
    "prompted": encode(
        Submit(
            JOB, AudioShape(44100, 2, 0, hashlib.sha256(b"").hexdigest()), "generate", {"model": "text"}, seconds=4.0,
            prompts={"keys": "grand piano", "bass": "fretless bass"}, mixture_prompt="slow jazz",
        )
    ),
    "again": encode(Submit(JOB, AudioShape(44100, 1, 2, "ab" * 32), "separate", {"seed": 7}, have={"drums": 1, "bass": 2})),
    "later": encode(Submit(JOB, AudioShape(44100, 1, 2, "", begins="ab" * 32), lane=True)),
    "whole": encode(Whole(JOB, "ab" * 32)),
    "opened": encode(Opened(JOB, "0f" * 16)),
    "join": encode(Join("session", Track("track", "Bass DI", "bass", 48000, -500, 96000, False))),
    "tracks": encode(Tracks("my session", [Track("t1", "Bass", "bass", 44100, 88200, 441000), Track("t2", takes_part=False)])),
    "give": encode(Give(JOB, 0, 44100, 88200, 2)),
    "accepted": encode(Accepted(JOB, "uploading", 65536)),
    "named": encode(Accepted(JOB, "uploading", lane="/dev/shm/stemweave-x7/b5", key="f0" * 16)),
    "known": encode(Accepted(JOB, "uploading", known=True)),
    "placed": encode(Chunk(JOB, 262144, 0, at=1052672, size=1048576)),
    "lying": encode(Chunk(JOB, 262144, 0, "bass", size=1048576, file="/tmp/stemweave-q2/6f/bass.f32")),
    "chunk": protocol.chunk(JOB, "", 0, bytes.fromhex("0000003f000000bf")),
    "credit": encode(Credit(JOB, 8)),
    "progress": encode(Progress(JOB, 0.25)),
    "stretch": encode(Stretch(JOB, 262144)),
    "done": encode(Done(JOB, {"bass": "ab" * 32}, 2, 1.5)),
    "cancel": encode(Cancel(JOB)),
    "cancelled": encode(Cancelled(JOB)),
    "error": encode(Error("limit", "16 jobs of this client are open already.", "Wait for one, or cancel one.", job=JOB)),
    "status": encode(Status()),
    "report": encode(Report("5e55", {"running": 1}, 4242, 60.5, [Line(JOB[:8], "running", "separate", 0.25, 22.0)])),
    "ping": encode(Ping()),
    "pong": encode(Pong("5e55")),
    "pair": encode(Pair("1.0", "laptop")),
    "paired": encode(Paired(KEY, "studio")),
    "bye": encode(Bye()),
}  # fmt: skip


def test_the_documents_bytes_are_what_is_written_and_read():
    """Each header also as JSON, for who reads."""
    more = {"prompted", "again", "later", "named", "known", "placed", "lying"}
    assert set(EXAMPLES) - more == {kind.__name__.lower() for kind in MESSAGES}
    for name, frames in EXAMPLES.items():
        found = re.search(rf"<!-- {name} -->\n```json\n(.*?)```\n\n```\n(.*?)```", DOCUMENT, re.S)
        assert found, f"PROTOCOL.md has no example of {name}"
        written = [bytes.fromhex("".join(frame.split())) for frame in found[2].split("\n\n")]
        assert written == frames
        assert msgspec.msgpack.decode(written[0]) == json.loads(found[1])
        assert decode(written) is not None


def test_an_integer_does_for_a_float_and_never_the_other_way_round():
    assert decode([msgspec.msgpack.encode({"type": "progress", "job": "a", "fraction": 1})]) == (
        Progress("a", 1.0),
        b"",
    )
    with pytest.raises(ProtocolError, match="chunks"):
        decode([msgspec.msgpack.encode({"type": "credit", "job": "a", "chunks": 1.5})])
