"""What a server writes down of a job that is done and of one that fails, and what it never does."""

import io
import json
import logging
import uuid

import pytest
from support.servers import address, running, song

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.logs import Lines, Objects, event

SECRET = "fretless bass"


@pytest.fixture
def written():
    """Two logs of everything: as objects, and for people."""
    log, files = logging.getLogger("stemweave"), []
    handlers = []
    for formatter in (Objects(), Lines("%(message)s")):
        files.append(io.StringIO())
        handlers.append(logging.StreamHandler(files[-1]))
        handlers[-1].setFormatter(formatter)
        log.addHandler(handlers[-1])
    before = log.level
    log.setLevel(logging.INFO)
    yield files
    log.setLevel(before)
    for handler in handlers:
        log.removeHandler(handler)


def test_a_job_is_followed_from_asking_to_its_end_and_nothing_is_given_away(written):
    names = [str(uuid.uuid4()) for _ in range(2)]
    with running() as server, Client(address(server)) as client:
        client.separate(song(44_100), 44_100, job=names[0], overrides={"prompt": SECRET})
        with pytest.raises(RemoteError):
            client.separate(song(100), 44_100, job=names[1], overrides={"seed": 15})
        identity = client._socket.identity
    objects, words = (file.getvalue() for file in written)
    lines = [json.loads(line) for line in objects.splitlines()]
    assert all({"time", "level", "event"} <= set(line) for line in lines)
    done, failed = ([line for line in lines if line.get("job") == name[:8]] for name in names)
    assert [line["event"] for line in done] == ["job asked for", "job begun", "job done"]
    assert [line["event"] for line in failed] == ["job asked for", "job begun", "job failed"]
    assert done[0]["audio_seconds"] == 1
    assert 0 < done[2]["computing_seconds"] <= done[2]["seconds"]
    assert failed[2]["code"] == "bad_audio"
    assert "code" not in done[2]
    (came, *_) = [line for line in lines if line["event"] == "client came"]
    assert {line["client"] for line in done + failed} == {came["client"]}
    for given_away in (*names, SECRET, "torn", str(server.jobs.folder), identity.hex(), identity.decode("latin1")):
        assert given_away not in objects + words
    assert f"job done job='{names[0][:8]}'" in words


def test_what_a_client_calls_itself_makes_no_line_of_its_own(written):
    event("client came", name="a\n{}\n", client=("127.0.0.1", 9000))
    assert len(written[0].getvalue().splitlines()) == len(written[1].getvalue().splitlines()) == 1
    assert json.loads(written[0].getvalue())["client"] == "osc:9000"


def test_a_fault_is_one_line_too(written):
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("stemweave").exception("fault")
    (line,) = written[0].getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["fault"]
