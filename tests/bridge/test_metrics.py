"""The numbers for Prometheus, read by its own parser, against what was done."""

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.servers import PATIENCE, Speaker, address, running, song, until

from bridge.client import Client
from bridge.errors import BridgeError, RemoteError
from bridge.ports import free_port
from bridge.server import Server


def scraped(port: int) -> dict[tuple, float]:
    """Value by name and labels."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the environment says of proxies
    with direct.open(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_what_was_done_is_counted():
    port, music = free_port(), song(5000)
    with running(metrics_port=port, gone_after=PATIENCE) as server, Speaker(server.port):
        with Client(address(server)) as client:
            client.separate(music, 44_100, overrides={"seed": 13})  # its worker dies once
            with pytest.raises(RemoteError):
                client.separate(music, 44_100, overrides={"seed": 15})
            assert until(lambda: scraped(port)["stemweave_clients",] == 2, "two clients")
        until(lambda: scraped(port)["stemweave_clients",] == 1, "one that left")
        found = scraped(port)
    assert found["stemweave_jobs_ended_total", "done"] == found["stemweave_jobs_ended_total", "failed"] == 1
    assert found["stemweave_worker_deaths_total",] == 1
    assert found["stemweave_audio_bytes_total", "in"] == music.nbytes  # the second song is the first
    # Two stems of the first, and as many or fewer of the second, which failed when it had written them.
    assert 2 * music.nbytes <= found["stemweave_audio_bytes_total", "out"] <= 4 * music.nbytes
    assert found["stemweave_job_seconds_count",] == 1
    assert found["stemweave_jobs", "running"] == 0
    with pytest.raises(OSError):
        scraped(port)  # and is gone with the server


def test_a_metrics_port_in_use_is_told_and_everything_let_go():
    with running() as server:
        with pytest.raises(BridgeError, match="Metrics port .* is already in use") as caught:
            Server(port=(port := free_port()), metrics_port=server.port)
        assert "--metrics" in caught.value.hint
        Server(port=port).close()
