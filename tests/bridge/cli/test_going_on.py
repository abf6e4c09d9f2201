"""What a user sees when a terminal, a server or both are killed in the middle: the same command, or none, gets the stems."""

import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from support.servers import PATIENCE, address, is_ready, running, until

from bridge.cli import making, ticket
from bridge.client import Client
from bridge.ports import free_port
from engine.audio import read_audio
from engine.request import MIXTURE, Request


def test_the_same_command_gets_the_stems_after_the_first_was_killed(stemweave, served, song, tmp_path):
    port, process = served
    address = f"tcp://127.0.0.1:{port}"
    order = ["separate", str(song), "-o", str(tmp_path / "out"), "--server", address]
    worker = psutil.Process(process.pid).children(recursive=True)
    for each in worker:
        each.suspend()  # so that the job does not end before its client
    first = subprocess.Popen(
        [sys.executable, "-m", "bridge", *order], env=stemweave.environment, stderr=subprocess.PIPE
    )
    with Client(address, PATIENCE) as other:
        until(lambda: other.status(PATIENCE).jobs.get("running"), "the job, of which the server has everything")
    first.kill()
    first.communicate()
    for each in worker:
        each.resume()
    assert not list((tmp_path / "out").glob("*.wav"))
    second = stemweave(*order)
    assert second.returncode == 0, second.stderr
    assert "asked for before" in second.stderr
    assert not (tmp_path / "out" / ticket.NAME).exists()
    stems = [read_audio(path).samples for path in (tmp_path / "out").glob("*.wav")]
    assert len(stems) == 5
    np.testing.assert_allclose(sum(stems), read_audio(song).samples, atol=1e-5)


def test_an_osc_job_is_finished_by_the_server_started_after_the_one_that_was_killed(stemweave, song, tmp_path):
    port, osc_port = free_port(), free_port()
    command = [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--osc-port", str(osc_port)]

    def serve() -> subprocess.Popen:
        process = subprocess.Popen(command, env=stemweave.environment, stderr=subprocess.DEVNULL)
        until(lambda: is_ready(port), "a server")
        return process

    message = OscMessageBuilder(address="/stemweave/separate")
    for argument in (str(song), str(tmp_path / "out")):
        message.add_arg(argument)
    first = serve()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as patch:
        patch.settimeout(PATIENCE)
        patch.sendto(message.build().dgram, ("127.0.0.1", osc_port))
        assert b"/job/accepted" in patch.recv(65536)
    first.kill()
    first.wait()
    second = serve()
    until((tmp_path / "out" / "recipe.json").exists, "the last that is written")
    second.kill()
    second.wait()
    assert len(list((tmp_path / "out").glob("*.wav"))) == 5


def test_another_wish_is_another_job(tmp_path):
    noise = np.random.default_rng(0).standard_normal((1, 100)).astype(np.float32)
    request = Request.of(44100, [(MIXTURE, noise)])
    job, before = ticket.take(tmp_path, "tcp://here", request, "separate", {"seed": 1})
    assert not before
    assert ticket.take(tmp_path, "tcp://here", request, "separate", {"seed": 1}) == (job, True)
    for other in (
        ("tcp://there", request, "separate", {"seed": 1}),
        ("tcp://here", request, "separate", {"seed": 2}),
        ("tcp://here", Request.of(44100, [(MIXTURE, -noise)]), "separate", {"seed": 1}),
        ("tcp://here", Request.of(44100, [(MIXTURE, noise)], seconds=1.0), "separate", {"seed": 1}),
        ("tcp://here", Request.of(44100, [(MIXTURE, noise)], prompts={"bass": "slap"}), "separate", {"seed": 1}),
        ("tcp://here", Request.of(44100, [(MIXTURE, noise)], mixture_prompt="funk"), "separate", {"seed": 1}),
    ):
        name, before = ticket.take(tmp_path, *other)
        assert (name, before) != (job, True)
    (tmp_path / ticket.NAME).write_text("{")
    assert not ticket.take(tmp_path, "tcp://here", request, "separate", {})[1]


@pytest.fixture
def halved(tmp_path):
    """A server, and a function that asks it for half of some noise, by a preset, as the commands do."""
    noise = np.random.default_rng(0).standard_normal((1, 100)).astype(np.float32)
    request = Request.of(44100, [(MIXTURE, noise)])
    with running(folders=[tmp_path]) as server:
        yield server, lambda preset: making.run(request, preset, {}, address(server), "separate", tmp_path)


def test_stems_that_could_not_be_written_are_there_for_the_same_command(halved):
    server, ask = halved
    first = ask("separate")
    stems = next(first)
    (job,) = server.jobs.by_id.values()
    first.close()  # as of a full disk
    second = ask("separate")
    again = next(second)
    assert server.jobs.by_id[job.id] is job  # not computed again
    np.testing.assert_array_equal(again["one"], stems["one"])
    assert next(second, None) is None
    until(lambda: not server.jobs.by_id, "the job, forgotten by goodbye")


def test_a_preset_by_its_path_means_the_same_to_a_server(halved, tmp_path, monkeypatch):
    server, ask = halved
    monkeypatch.chdir(tmp_path)
    stems = ask("mine.toml")
    next(stems)
    (job,) = server.jobs.by_id.values()
    assert job.order.preset == str(tmp_path / "mine.toml")
    stems.close()
