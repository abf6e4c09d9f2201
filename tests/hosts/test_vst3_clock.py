"""Where on the timeline a VST3 records, as a host tells that knows nothing of beats."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE

from support.servers import PATIENCE, answering, until

from bridge import protocol
from bridge.ports import free_port


@contextmanager
def ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """Whatever happens."""
    try:
        yield process
    finally:
        process.kill()


def test_a_vst3_records_by_the_position_of_the_song_not_by_the_time_that_runs_on(formats, programs, monkeypatch):
    port, joined = free_port(), []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["m"], [], {}, []))]
        if isinstance(message, protocol.Join):
            joined.append((message.track.start, message.track.frames))
            return [protocol.encode(protocol.Tracks(message.context, [message.track]))]
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    (library,) = (formats / "stemweave.vst3").rglob("stemweave.so")
    monkeypatch.setenv("STEMWEAVE_SERVER", f"tcp://127.0.0.1:{port}")
    command = [str(programs / "name_host"), str(library)]
    with answering(port, reply), ended(subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)) as host:
        for position, frames, expected in ((70_000, 5120, (70_000, 5120)), (20_000, 5120, (20_000, 55_120))):
            assert host.stdout.readline() == "{}\n"
            host.stdin.write(f"play {position} {frames}\n")
            host.stdin.flush()
            until(lambda: joined[-1:] == [expected], f"{expected}, not {joined[-1:]}")  # noqa: B023
        host.stdin.close()
        assert host.wait(PATIENCE) == 0
