import os
from pathlib import Path

import pytest
from support.servers import running


@pytest.fixture(scope="session", autouse=True)
def workers_find_support():
    """Workers are processes of their own and look for `support` where the tests are."""
    tests = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


@pytest.fixture(scope="module")
def server(workers_find_support):
    with running() as server:
        yield server
