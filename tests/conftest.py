"""What every test needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def a_cache_of_their_own(tmp_path_factory):
    """What the tests and their processes remember of this machine is theirs: nothing of the user's is used or left."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def programs_find_support():
    """Servers, workers and hosts are processes of their own and look for `support` here, but for `engine` beside this folder first:
    tests/engine is not it."""
    tests = Path(__file__).parent
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tests.parent), str(tests), before]))
