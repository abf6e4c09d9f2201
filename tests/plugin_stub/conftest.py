"""Builds the C++ of plugin_stub once a session, in build/, as CMake and the compiler of the system make it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def cmake_build(folder: Path, *options: str, targets: tuple[str, ...] = ()) -> Path:
    """Configure plugin_stub in `folder` and build `targets`; the folder. What the compiler says is in the failure."""
    assert shutil.which("cmake"), (
        "cmake is missing: run .ci/apt cmake g++ libzmq3-dev libmsgpack-cxx-dev libsodium-dev doctest-dev"
    )
    jobs = str(min(2, os.cpu_count() or 1))
    chosen = ["--target", *targets] if targets else []
    for command in (
        ["cmake", "-S", str(ROOT / "plugin_stub"), "-B", str(folder), *options],
        ["cmake", "--build", str(folder), "-j", jobs, *chosen],
    ):
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout[-4000:]}{run.stderr[-4000:]}"
    return folder


@pytest.fixture(scope="session")
def build() -> Callable[[str], Path]:
    """build("") or build("thread"): the folder of the tests' programs, with that sanitizer."""
    made: dict[str, Path] = {}

    def make(sanitize: str = "") -> Path:
        if sanitize not in made:
            folder = ROOT / "build" / f"plugin-tests-{sanitize.replace(',', '-') or 'plain'}"
            options = ["-DSTEMWEAVE_TESTS=ON", "-DSTEMWEAVE_PLUGIN=OFF", f"-DSTEMWEAVE_SANITIZE={sanitize}"]
            made[sanitize] = cmake_build(folder, *options)
        return made[sanitize]

    return make
