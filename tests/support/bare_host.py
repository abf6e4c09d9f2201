"""The plug-in without a host's framework, for tests that drive it line by line."""

import json
import os
import subprocess
from pathlib import Path

from support.servers import PATIENCE, until

FRAMES = 100_000
SHUTDOWN = (
    50  # turns of 10 ms the plug-in may take to go: its patience with its own thread is 20, with a server at least 100
)


class BareHost:
    """A program that holds one instance of the plug-in's core and talker, driven line by line."""

    def __init__(self, program: Path, server: str, takes: Path, prefix: tuple[str, ...] = (), **environment: str):
        env = {**os.environ, "STEMWEAVE_SERVER": server, "STEMWEAVE_TAKES": str(takes), **environment}
        self.process = subprocess.Popen(
            [*prefix, program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask("load")

    def ask(self, command: str) -> dict:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the host died at: {command}"
        return json.loads(line)

    def until(self, key: str, *values: str) -> dict:
        return until(lambda: (s := self.ask("status"))[key] in values and s, f"{key} in {values}: {self.ask('status')}")

    def record(self) -> None:
        assert self.ask(f"play 0 {FRAMES} 512")["track_wrong"] == 0
        until(lambda: self.ask("status")["recorded"] == [0, FRAMES], "the take")

    def assert_stems_play(self) -> None:
        """Two stems, each half the track, in two channels, wherever one starts."""
        for start, size in ((0, 512), (12345, 64), (70001, 8192)):
            heard = self.ask(f"play {start} {FRAMES - start} {size}")
            assert heard["track_wrong"] == heard["other"] == 0
            assert heard["halves"] > 3.99 * (FRAMES - start)

    def close(self) -> None:
        assert self.ask("unload")["turns"] < SHUTDOWN
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
