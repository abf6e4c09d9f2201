"""Another machine: a network namespace with a cable to this one, where we may make it; else this one, called by its own address."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import PATIENCE

from bridge.ports import addresses


@dataclass(frozen=True)
class Machine:
    """server: where it finds this machine. home: of its user."""

    server: str
    home: Path
    prefix: tuple[str, ...] = ()

    def run(self, *arguments: str, timeout: float = 4 * PATIENCE) -> subprocess.CompletedProcess:
        """Python there, with these arguments, to its end."""
        with self.start(*arguments) as process:
            try:
                said, errors = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Python there, with these arguments."""
        environment = os.environ | {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "COLUMNS": "200",
        }
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(__file__).parents[up]) for up in (2, 1))
        command = [*self.prefix, sys.executable, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def another_machine(home: Path) -> Iterator[Machine]:
    number = os.getpid() % 60_000
    name, here, there = f"stemweave{number}", f"sw{number}a", f"sw{number}b"
    taken = {address.rsplit(".", 1)[0] for address in addresses()}  # also by what a killed test run left
    network = next(one for one in (f"10.203.{(number + more) % 250}" for more in range(250)) if one not in taken)
    if os.geteuid() or ip("netns", "add", name).returncode:
        yield Machine(addresses()[0], home)  # the same machine, by an address that is not loopback
        return
    try:
        for command in (
            f"link add {here} type veth peer name {there}", f"link set {there} netns {name}",
            f"addr add {network}.1/24 dev {here}", f"link set {here} up", f"-n {name} link set lo up",
            f"-n {name} addr add {network}.2/24 dev {there}", f"-n {name} link set {there} up",
        ):  # fmt: skip
            assert ip(*command.split()).returncode == 0, command
        yield Machine(f"{network}.1", home, ("ip", "netns", "exec", name))
    finally:
        ip("netns", "del", name)  # and the cable with it


def ip(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False)
