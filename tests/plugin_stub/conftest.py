"""Builds the test programs of plugin_stub once a session, in build/, with the system's CMake and compiler."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.bare_host import BareHost
from support.tools import cmake_build, in_order


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    """build() or build("thread"): the folder of the tests' programs, with that sanitizer."""
    made: dict[str, Path] = {}

    def make(sanitize: str = "") -> Path:
        if sanitize not in made:
            name = f"plugin-tests-{sanitize.replace(',', '-') or 'plain'}"
            options = ("-DSTEMWEAVE_TESTS=ON", "-DSTEMWEAVE_PLUGIN=OFF", f"-DSTEMWEAVE_SANITIZE={sanitize}")
            made[sanitize] = cmake_build(name, *options)
        return made[sanitize]

    return make


@pytest.fixture(scope="session")
def command(build) -> Callable[..., list[str]]:
    """command("test_core", "thread"): what starts that program, built with that sanitizer."""
    return lambda program, sanitize="": [*(in_order() if sanitize else ()), str(build(sanitize) / program)]


@pytest.fixture
def host(build, tmp_path):
    """host(address): a bare host that is closed, and was quick to close, at the end of the test."""
    hosts = []

    def start(server: str, **environment: str) -> BareHost:
        hosts.append(BareHost(build() / "bare_host", server, tmp_path / "takes", **environment))
        return hosts[-1]

    yield start
    for each in hosts:
        if each.process.poll() is None:
            each.close()
