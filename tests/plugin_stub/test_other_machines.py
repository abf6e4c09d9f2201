"""The plug-in and a server on another machine: by the keys of pairing, or not at all."""

import pytest
from support.bare_host import BareHost
from support.machines import another_machine
from support.servers import running, until

from bridge import keys
from bridge.keys import CLIENTS

PAIR = """
import sys
from bridge.keys import SERVERS, own
SERVERS.put(*sys.argv[1:])
print(own("client").public)
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with another_machine(tmp_path_factory.mktemp("other")) as machine:
        yield machine


@pytest.fixture
def server(other, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with running(host=other.server, osc_port=0) as server:
        yield server


@pytest.fixture
def plugin(build, other, server, tmp_path):
    """An instance on the other machine that is told of this one's server."""
    address, config = f"tcp://{other.server}:{server.port}", other.home / "config"
    host = BareHost(
        build() / "bare_host",
        address,
        tmp_path / "takes",
        other.prefix,
        XDG_CONFIG_HOME=str(config),
        HOME=str(other.home),
    )
    yield host
    host.close()


def says(plugin: BareHost, words: str) -> None:
    until(lambda: words in plugin.ask("status")["message"], f"'{words}' in {plugin.ask('status')}")


def test_a_plug_in_is_served_by_another_machine_once_it_is_paired_and_says_what_is_missing(other, server, plugin):
    """One story: not paired; keys of a server that does not know us; keys that are open to others, damaged, right."""
    place, public = f"{other.server}:{server.port}", keys.own("server").public
    says(plugin, f"not paired with {place}")
    assert "stemweave pair" in plugin.ask("status")["message"]

    written = other.run("-c", PAIR, place, public)
    assert written.returncode == 0, written.stderr
    says(plugin, "pair with it again")

    file = other.home / "config" / "stemweave" / "keys" / "servers.toml"
    file.chmod(0o644)
    says(plugin, "may be read")
    file.chmod(0o600)
    whole = file.read_text()
    file.write_text(whole.replace(public, public[:-1]))
    says(plugin, "damaged")
    file.write_text(whole)

    CLIENTS.put("laptop", written.stdout.strip())
    plugin.until("connection", "connected")
    plugin.record()
    plugin.ask("separate")
    assert plugin.until("job", "done", "failed")["job"] == "done", plugin.ask("status")
    plugin.assert_stems_play()


@pytest.mark.parametrize(
    "address", ["ipc:///tmp/any", "tcp://127.0.0.1", "tcp://eth0;127.0.0.1:27182", "tcp://127.0.0.1:x"]
)
def test_what_is_no_address_is_not_connected_to(build, tmp_path, address):
    host = BareHost(build() / "bare_host", address, tmp_path / "takes")
    says(host, "is not an address")
    host.close()
