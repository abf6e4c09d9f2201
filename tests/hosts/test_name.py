"""The track's name, as hosts of CLAP and of VST3 tell it, on its way into the session's context."""

import subprocess
from collections.abc import Callable, Iterator

import pytest
from support.bare_host import BareHost
from support.servers import PATIENCE, answering, until

from bridge import protocol
from bridge.ports import free_port

ENCODING = {"clap": "utf-8", "vst3": "utf-16-le"}


@pytest.fixture
def server() -> Iterator[tuple[str, Callable[[str], None]]]:
    """Its address, and heard(name): wait until the last `join` says that this is the track's name."""
    joined: list[str] = []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", [], [], {}, []))]
        if isinstance(message, protocol.Join):
            joined.append(message.track.name)
            return [protocol.encode(protocol.Tracks(message.context, [message.track]))]
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    port = free_port()
    with answering(port, reply):
        yield f"tcp://127.0.0.1:{port}", lambda name: until(lambda: joined[-1:] == [name], f"{name}, not {joined[-1:]}")


@pytest.mark.parametrize("kind", ENCODING)
def test_the_hosts_name_for_the_track_and_every_other_it_gets_is_known_in_the_context(
    formats, programs, server, kind, monkeypatch
):
    address, heard = server
    monkeypatch.setenv("STEMWEAVE_SERVER", address)

    def coded(name: str) -> str:
        return name.encode(ENCODING[kind]).hex()

    library = formats / f"stemweave.{kind}"
    if kind == "vst3":
        (library,) = library.rglob("stemweave.so")
    command = [str(programs / "name_host"), str(library), coded("Lead vocals")]
    host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rename(line: str) -> None:
        assert host.stdout.readline() == "{}\n"  # it has done what was said before
        host.stdin.write(line + "\n")
        host.stdin.flush()

    heard("Lead vocals")
    rename(coded("Bässe 🎸 二"))
    heard("Bässe 🎸 二")
    rename(coded("ü" * 60))  # longer than what is passed on, which is whole letters all the same
    heard("ü" * 50)
    if kind == "clap":
        rename("4d6f74ff6f72c3")  # not UTF-8
        heard("Motor")
        rename("-")
        heard("")
    else:
        rename("4d0000d86f00")  # half of a pair
        heard("Mo")
    host.stdin.close()
    assert host.wait(PATIENCE) == 0


def test_a_name_that_was_typed_is_worth_more_than_the_hosts(programs, server, tmp_path):
    address, heard = server
    plugin = BareHost(programs / "bare_host", address, tmp_path)
    plugin.ask("hosts_name Audio 7")
    heard("Audio 7")
    plugin.ask("name Nylon")
    heard("Nylon")
    plugin.ask("hosts_name Audio 8")
    plugin.ask("role 3")
    heard("Nylon")
    plugin.ask("name ")
    heard("Audio 8")
    plugin.close()
