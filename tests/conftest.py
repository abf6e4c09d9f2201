"""What every test needs, and the few it may do without."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The same examples every time, however busy the machine: others are looked for by --hypothesis-profile=default.
settings.load_profile("ci")

FOREIGN = (
    "STEMWEAVE_", "RAY_", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_",
)  # fmt: skip
KNOBS = (
    "STEMWEAVE_DATAGRAMS",
    "STEMWEAVE_PICTURES",
    "STEMWEAVE_RANDOM_SECONDS",
    "STEMWEAVE_ROUNDS",
)  # of the tests themselves
MACHINES = (
    "gpu",
    "vnni",
    "glibc",
)  # marks of what runs on some machines only; whatever else is missing can be installed


@pytest.fixture(scope="session", autouse=True)
def a_home_of_their_own(tmp_path_factory):
    """What the tests and their processes find and leave in a user's places is theirs: nothing of the user's is used or left."""
    home = tmp_path_factory.mktemp("user")
    for name in [name for name in os.environ if name.startswith(FOREIGN) and name not in KNOBS]:
        del os.environ[name]
    os.environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


@pytest.fixture(scope="session", autouse=True)
def programs_start_where_tests_write_them(tmp_path_factory):
    program = tmp_path_factory.mktemp("program") / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    try:
        subprocess.run([program], check=True)
    except PermissionError:
        pytest.exit("the temporary folder is mounted noexec: set TMPDIR", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def programs_find_support():
    """Servers, workers and hosts are processes of their own and look for `support` here, but for `engine` beside this folder first:
    tests/engine is not it."""
    tests = Path(__file__).parent
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tests.parent), str(tests), before]))


@pytest.fixture(scope="session", autouse=True)
def programs_hear_ctrl_c():
    """Also when the tests run in a shell's background, where it is ignored, which every process would inherit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def dice():
    """What a test draws without a seed is the same every time, whichever tests ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_runtest_setup(item):
    if item.get_closest_marker("glibc") and not sys.platform.startswith("linux"):
        pytest.skip("the C library here is another")
    if item.get_closest_marker("vnni"):
        import torch

        if not torch.cpu._is_vnni_supported():
            pytest.skip("this processor has no VNNI")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return no_silent_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return no_silent_skip((yield))


def no_silent_skip(report: pytest.CollectReport | pytest.TestReport):
    """A test that is skipped names the machine it needs, or has failed."""
    if report.skipped and not hasattr(report, "wasxfail") and not machines(report):
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr[-1]}. Only what is marked {MACHINES} may be skipped."
    return report


def machines(report: pytest.CollectReport | pytest.TestReport) -> list[str]:
    return [mark for mark in MACHINES if mark in getattr(report, "keywords", ())]


def pytest_terminal_summary(terminalreporter):
    missing = Counter(mark for report in terminalreporter.stats.get("skipped", ()) for mark in machines(report))
    if missing:
        counts = ", ".join(f"{count} for want of {mark}" for mark, count in missing.items())
        terminalreporter.write_line(f"skipped: {counts}")
