"""What every test needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def programs_find_support():
    """Servers, workers and hosts are processes of their own and look for `support` here, but for `engine` beside this folder first:
    tests/engine is not it."""
    tests = Path(__file__).parent
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tests.parent), str(tests), before]))
