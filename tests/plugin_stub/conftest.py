"""Builds the test programs of plugin_stub once a session, in build/, with the system's CMake and compiler."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.tools import cmake_build


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
