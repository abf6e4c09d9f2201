"""Where on the timeline a VST3 records, as a host tells that knows nothing of beats."""

import subprocess

from support.servers import PATIENCE, answering, until
from support.tools import ROOT

from bridge import protocol
from bridge.ports import free_port


def test_a_vst3_records_by_the_position_of_the_song_not_by_the_time_that_runs_on(build, monkeypatch):
    port, joined = free_port(), []

    def reply(frames: list[bytes]) -> list[list[bytes]]:
        message = protocol.decode(frames)[0]
        if isinstance(message, protocol.Hello):
            return [protocol.encode(protocol.Welcome(protocol.VERSION, "s", "1", ["m"], [], {}, []))]
        if isinstance(message, protocol.Join):
            joined.append((message.track.start, message.track.frames))
            return [protocol.encode(protocol.Tracks(message.context, [message.track]))]
        return [protocol.encode(protocol.Pong("s"))] if isinstance(message, protocol.Ping) else []

    made = subprocess.run(["make", "-C", str(ROOT), "plugin"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-4000:]
    (library,) = (ROOT / "build" / "plugin" / "bin").glob("stemweave.vst3/**/stemweave.so")
    monkeypatch.setenv("STEMWEAVE_SERVER", f"tcp://127.0.0.1:{port}")
    host = subprocess.Popen(
        [str(build() / "name_host"), str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with answering(port, reply):
        for position, frames, expected in ((70_000, 5120, (70_000, 5120)), (20_000, 5120, (20_000, 55_120))):
            assert host.stdout.readline() == "{}\n"
            host.stdin.write(f"play {position} {frames}\n")
            host.stdin.flush()
            until(lambda: joined[-1:] == [expected], f"{expected}, not {joined[-1:]}")  # noqa: B023
        host.stdin.close()
        assert host.wait(PATIENCE) == 0
