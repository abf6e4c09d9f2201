"""Datagrams that ought to hurt: the server goes on."""

import errno
import hashlib
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from support.servers import PATIENCE, Speaker, lose_the_silent, running, song, until

from bridge.client import Client
from bridge.protocol import Accepted, AudioShape, Cancel, Cancelled, Error, Ping, Pong, Submit
from bridge.server import Server


@pytest.fixture(scope="module")
def server():
    with running(osc_port=0) as server:
        yield server


@pytest.fixture
def patch(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as patch:
        patch.bind(("127.0.0.1", 0))
        patch.connect(("127.0.0.1", server._osc.port))
        patch.settimeout(PATIENCE)
        yield patch


def say(patch: socket.socket, address: str, *arguments: object) -> None:
    builder = OscMessageBuilder(address="/stemweave" + address)
    for argument in arguments:
        builder.add_arg(argument)
    patch.send(builder.build().dgram)


def hear(patch: socket.socket, address: str) -> list:
    while True:
        message = OscMessage(patch.recv(65536))
        if message.address == "/stemweave" + address:
            return list(message.params)


@pytest.mark.parametrize("seed", [float("inf"), float("nan"), "1e999", "x", b"blob", [1, 2]])
def test_seeds_that_are_no_numbers_are_answered(patch, seed):
    say(patch, "/separate", "~/song.wav", "~/out", seed)
    assert hear(patch, "/error")[0] == "bad_arguments"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda b: b"#bundle\0" + b)))
def test_no_datagram_stops_the_server(patch, data):
    patch.send(data)
    say(patch, "/ping")
    assert hear(patch, "/pong") == []


@pytest.mark.parametrize("data", [b"no OSC", b"/stemweave/ping\0,Q\0\0", b"#bundle\0nonsense"])
def test_garbage_does_not_fill_the_log(patch, caplog, data):
    patch.send(data)
    say(patch, "/version")
    hear(patch, "/version")
    assert not caplog.records


def test_a_job_that_cannot_be_put_down_is_refused(server, patch, monkeypatch):
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(server.jobs, "add", full)
    say(patch, "/separate", "~/song.wav", "~/out")
    code, text = hear(patch, "/error")
    assert (code, "No space left" in text) == ("no_resource", True)
    say(patch, "/ping")
    assert hear(patch, "/pong") == []


def test_a_path_that_is_no_text_is_told_as_far_as_it_is(server, patch):
    server._osc.send(patch.getsockname(), "/job/stem", "a job", "bass", "/takes/\udce9t\u00e9.wav")
    assert hear(patch, "/job/stem") == ["a job", "bass", "/takes/?t\u00e9.wav"]


def occupy(server: Server, speaker: Speaker, job: str) -> None:
    """The worker, with a job that does not end by itself."""
    mixture = song(1000)
    digest = hashlib.sha256(mixture.T.tobytes()).hexdigest()
    speaker.say(Submit(job, AudioShape(44_100, 2, 1000, digest), overrides={"steps": 100_000}))
    speaker.say_chunk(job, 0, mixture)
    until(lambda: server.worker.job, "the job runs")


def test_a_job_on_files_cannot_be_taken_over_by_zeromq(server, patch):
    with Speaker(server.port) as speaker:
        occupy(server, speaker, "long")
        say(patch, "/separate", "~/song.wav", "~/out")
        (job,) = hear(patch, "/job/accepted")
        speaker.say(Submit(job, AudioShape(44_100, 1, 10, "0" * 64)))
        assert speaker.hear((Accepted, Error), job).code == "taken"
        say(patch, "/job/cancel", job)
        assert hear(patch, "/job/cancelled") == [job]
        speaker.say(Cancel("long"))
        speaker.hear(Cancelled, "long")


def test_a_zeromq_client_that_vanishes_does_not_confuse_the_osc_end(server, patch):
    """Who subscribed hears how its jobs ended: the one that ran, and the one whose audio had not come."""
    say(patch, "/subscribe")
    hear(patch, "/subscribed")
    speaker = Speaker(server.port)
    occupy(server, speaker, "vanishing")
    speaker.say(Submit("waiting", AudioShape(44_100, 1, 10, "0" * 64)))
    speaker.hear(Accepted, "waiting")
    speaker.close()
    lose_the_silent(server)
    assert sorted(hear(patch, "/job/cancelled") for _ in range(2)) == [["vanishin"], ["waiting"]]
    say(patch, "/subscribe", 0)
    until(lambda: server.worker.job is None, "the job is dropped")
    with Speaker(server.port) as other:
        other.say(Ping())
        other.hear(Pong)
    with Client(f"tcp://127.0.0.1:{server.port}") as client:
        client.separate(song(10), 44_100)
