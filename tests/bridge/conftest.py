import pytest
from support.servers import PATIENCE, running

from bridge.client import ADDRESS, Client


@pytest.fixture(scope="module", autouse=True)
def clients_are_patient():
    """On a machine that is busy with something else a server may be slow to answer. Tests that are about silence say how long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.client.SILENT_AFTER", PATIENCE)
        patch.setattr("bridge.client.KEPT_SILENT_AFTER", PATIENCE)
        patch.setattr(Client.__init__, "__defaults__", (ADDRESS, PATIENCE, True))
        patch.setattr(Client.status, "__defaults__", (PATIENCE,))
        yield


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server
