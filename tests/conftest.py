"""What every test needs."""

import os
import random
import signal
import subprocess
import sys
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
