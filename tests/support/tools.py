"""Building the C++ of plugin_stub and its test programs."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def cmake_build(name: str, *options: str) -> Path:
    """Configure and build plugin_stub in build/`name`; that folder. What the compiler says is in the failure."""
    assert shutil.which("cmake"), "cmake is missing: `make system` installs what the tests need"
    folder = ROOT / "build" / name
    for command in (
        ["cmake", "-S", str(ROOT / "plugin_stub"), "-B", str(folder), *options],
        ["cmake", "--build", str(folder), "-j", str(min(2, os.cpu_count() or 1))],
    ):
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout[-4000:]}{run.stderr[-4000:]}"
    return folder


@cache
def in_order() -> tuple[str, ...]:
    """What to write before a program with a sanitizer in it: an older one dies where a kernel scatters memory as widely as it can
    (vm.mmap_rnd_bits of 32), so it is laid out in order, if that may be asked for here."""
    command = ("setarch", "-R")
    asked = shutil.which("setarch") and subprocess.run([*command, "true"], capture_output=True)
    return command if asked and asked.returncode == 0 else ()
