"""The device a server is told holds for jobs for which nobody else names one, over both protocols."""

import pytest
from support.models import write_tiny_model
from support.osc import Patch
from support.servers import address, running, song

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.workers import PERFORM
from engine.audio import write_audio

NONE = "cannot use the device 'cuda:99'"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """It computes on a device that no machine has."""
    write_tiny_model(tmp_path / "default")
    monkeypatch.setenv("STEMWEAVE_MODELS", str(tmp_path))
    with running(PERFORM, osc_port=0, folders=[tmp_path], device="cuda:99") as server:
        yield server


def test_who_names_a_device_has_that_and_all_others_the_servers(server, tmp_path):
    (tmp_path / "mine.toml").write_text('title = "mine"\ntask = "separate"\ndevice = "meta:9"\n')
    with Client(address(server)) as client:
        with pytest.raises(RemoteError, match=NONE):
            client.separate(song(1000), 44_100)
        assert client.separate(song(1000), 44_100, overrides={"device": "cpu"})
        with pytest.raises(RemoteError) as caught:
            client.separate(song(1000), 44_100, str(tmp_path / "mine.toml"))
        assert NONE not in caught.value.message
    write_audio(tmp_path / "song.wav", song(1000), 44_100)
    with Patch(server._osc.port) as patch:
        patch.send("/separate", str(tmp_path / "song.wav"), str(tmp_path / "out"))
        assert NONE in patch.hear("/job/error")[2]
