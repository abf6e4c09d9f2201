"""Another machine: a network namespace with a cable to this one, where we may make it; else this one, called by its own address."""

import os
import shutil
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
    """Where there is neither a namespace nor an address but loopback, it fails and says so."""
    number = os.getpid() % 60_000
    name = f"stemweave{number}"
    mine = addresses()  # also those that a killed test run left
    taken = {address.rsplit(".", 1)[0] for address in mine}
    network = next(one for one in (f"10.203.{(number + more) % 250}" for more in range(250)) if one not in taken)
    try:
        if os.geteuid() == 0 and cabled(name, f"sw{number}", network):
            yield Machine(f"{network}.1", home, ("ip", "netns", "exec", name))
        else:
            assert mine, (
                "this machine has no address but loopback, and `ip` cannot make another machine of it (needs root)"
            )
            yield Machine(mine[0], home)  # the same machine, by an address that is not loopback
    finally:
        ip("link", "del", f"sw{number}a")  # both ends of the cable
        ip("netns", "del", name)


def cabled(name: str, cable: str, network: str) -> bool:
    """Whether a namespace could be made, which is at .2 of a network as this machine is at .1."""
    here, there = f"{cable}a", f"{cable}b"
    return all(
        ip(*command.split())
        for command in (
            f"netns add {name}", f"link add {here} type veth peer name {there}", f"link set {there} netns {name}",
            f"addr add {network}.1/24 dev {here}", f"link set {here} up", f"-n {name} link set lo up",
            f"-n {name} addr add {network}.2/24 dev {there}", f"-n {name} link set {there} up",
            f"netns exec {name} true",
        )
    )  # fmt: skip


def ip(*arguments: str) -> bool:
    """Whether it could be done; not where there is no such program."""
    return (
        bool(shutil.which("ip")) and not subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode
    )
