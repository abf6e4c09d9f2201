"""A server for other machines that is started before the network is up, or under a name that only this machine knows."""

import errno
import socket

import pytest
from support.servers import running, until

from bridge import doors
from bridge.errors import BridgeError

LATE = "127.0.0.2"  # stands for an address that comes when the server runs


def opens(port: int) -> bool:
    try:
        socket.create_connection((LATE, port)).close()
    except OSError:
        return False
    return True


def no_descriptor() -> list[str]:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_server_for_all_addresses_is_also_at_one_that_comes_later(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(doors, "LOOK_EVERY", 0.0)
    found: list[str] = []
    monkeypatch.setattr(doors, "addresses", lambda: found)
    with running(host="0.0.0.0") as server:
        assert (server.outside, opens(server.port)) == ([], False)
        found.append(LATE)
        until(lambda: server.outside == [f"tcp://{LATE}:{server.port}"], "the second door")
        assert opens(server.port)


def test_an_address_that_another_program_has_is_passed_over_until_it_is_free(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(doors, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(doors, "addresses", list)
    door = doors.Doors("0.0.0.0", 0)
    with socket.create_server((LATE, door.port)):
        monkeypatch.setattr(doors, "addresses", lambda: [LATE])
        for _ in range(2):
            door.look_again()
    assert door.outside == []
    monkeypatch.setattr(doors, "addresses", no_descriptor)
    door.look_again()
    monkeypatch.setattr(doors, "addresses", lambda: [LATE])
    door.look_again()
    assert door.outside == [f"tcp://{LATE}:{door.port}"]
    door.close()


def test_a_name_that_means_this_machine_only_is_refused_with_what_to_name(monkeypatch):
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "127.0.1.1")
    monkeypatch.setattr(doors, "addresses", lambda: ["192.168.1.20"])
    with pytest.raises(BridgeError, match="studio is 127.0.1.1 here") as caught:
        doors.Doors("studio", 0)
    assert "192.168.1.20" in caught.value.hint
