"""Names of files that are not UTF-8: what is said of them can be sent and put down, and costs nobody else anything."""

import os
from pathlib import Path

import pytest
from support.models import write_smallest_model
from support.osc import Patch
from support.servers import Speaker, address, running, song

from bridge.client import Client
from bridge.delivery import Delivery
from bridge.errors import RemoteError
from bridge.workers import PERFORM


def test_a_file_whose_name_is_not_utf8_fails_its_job_and_not_the_server(tmp_path):
    stems = tmp_path / "stems"
    os.makedirs(os.fsencode(stems) + b"/bass\xff.wav")  # a folder: nobody can read it
    with running(PERFORM, osc_port=0, folder=tmp_path / "jobs", folders=[tmp_path]) as server:
        with Patch(server._osc.port) as patch:
            patch.send("/accompany", str(stems), str(tmp_path / "out"), "drums")
            (job,) = patch.hear("/job/accepted")
            came, arguments = patch.next()
            assert (came, arguments[0], "bass?.wav" in arguments[2]) == ("/job/error", job, True), arguments
        with Speaker(server.port):
            pass


def test_a_model_whose_name_is_not_utf8_keeps_no_client_out(tmp_path, monkeypatch):
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xfcr live"))
    write_smallest_model(tmp_path / "model").rename(named)
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path))
    with running() as server, Speaker(server.port) as speaker:
        assert "f?r live" in speaker.seen[0][0].models


@pytest.mark.parametrize("way", ["queue", "_send_next"])  # what the worker said, and what is sent
def test_a_fault_in_telling_of_a_job_costs_that_job_only(server, monkeypatch, way):
    def broken(*_: object) -> None:
        "\udcff".encode()

    with Client(address(server)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(Delivery, way, broken)
            with pytest.raises(RemoteError, match="The server made a mistake") as caught:
                client.separate(song(1000), 44_100)
            assert caught.value.code == "internal"
        client.separate(song(1000), 44_100)
