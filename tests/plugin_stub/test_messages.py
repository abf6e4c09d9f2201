"""The plug-in writes and reads what bridge/PROTOCOL.md says, byte for byte."""

import json
import random
import re
import subprocess
from importlib.resources import files

import pytest

from bridge import protocol


@pytest.fixture(scope="module")
def tool(command) -> list[str]:
    return command("wire_messages", "address,undefined")


def written(tool: list[str]) -> dict[str, bytes]:
    out = subprocess.run([*tool, "write"], capture_output=True, text=True, check=True).stdout
    return {name: bytes.fromhex(text) for name, text in (line.split() for line in out.splitlines())}


def read_raw(tool: list[str], headers: list[bytes]) -> list[bytes]:
    lines = "".join(header.hex() + "\n" for header in headers).encode()
    run = subprocess.run([*tool, "read"], input=lines, capture_output=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout.splitlines()


def read(tool: list[str], headers: list[bytes]) -> list[dict]:
    return [json.loads(line) for line in read_raw(tool, headers)]


def test_the_plug_in_writes_the_documents_bytes(tool):
    text = files("bridge").joinpath("PROTOCOL.md").read_text(encoding="utf-8")
    examples = re.findall(r"<!-- (\w+) -->\n```json\n[^`]*```\n\n```\n([0-9a-f\s]+?)\n```", text)
    ours = written(tool)
    assert set(ours) <= {name for name, _ in examples}
    for name, block in examples:
        if name in ours:
            header = bytes.fromhex(block.split("\n\n")[0].replace("\n", ""))
            assert ours[name] == header, f"{name}: {ours[name].hex()}"


def test_the_server_reads_everything_the_plug_in_writes(tool):
    for name, header in written(tool).items():
        payload = [b"\0\0\0\x3f\0\0\0\xbf"] if name == "chunk" else []
        message, _ = protocol.decode([header, *payload])
        assert type(message).__name__.lower() == ("submit" if name == "again" else name)
        assert protocol.encode(message)[0] == header


def test_the_plug_in_reads_what_the_server_writes(tool):
    sent = [
        protocol.Progress("j", 0.1),
        protocol.Chunk("j", 2**40, 7, "bass"),
        protocol.Done("j", {"bass": "ab", "residual": "cd"}, 3, 0.5),
        protocol.Error("limit", "Too much.", "Send less.", True, "j"),
    ]
    progress, chunk, done, error = read(tool, [protocol.encode(message)[0] for message in sent])
    assert (progress["type"], progress["job"], progress["fraction"]) == ("progress", "j", 0.1)
    assert (chunk["type"], chunk["offset"]) == ("chunk", 2**40)
    assert (done["type"], done["stems"]) == ("done", 2)
    assert (error["type"], error["code"], error["retryable"]) == ("error", "limit", True)


def test_cut_bent_and_hostile_headers_do_no_harm(tool):
    whole = protocol.encode(protocol.Done("j", {"bass": "ab"}, 3, 0.5))[0]
    rng = random.Random(1)
    bent = [bytes(b ^ (rng.random() < 0.1) * rng.randrange(256) for b in whole) for _ in range(2000)]
    hostile = [
        b"\xdf\xff\xff\xff\xff",  # a map of four thousand million
        b"\x91" * 60000,  # arrays in arrays
        b"\x81\xa4type" * 10000,
        b"\xdb\xff\xff\xff\xff",
        bytes(70000),
        b"\x81\xa4type\x07",
    ]
    cut = [whole[:n] for n in range(1, len(whole))]
    assert read_raw(tool, hostile + cut) == [b"null"] * (len(hostile) + len(cut))
    assert read_raw(tool, bent)  # and no sanitizer has anything to say
