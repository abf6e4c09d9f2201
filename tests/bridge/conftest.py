import pytest
from support.servers import running


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server
