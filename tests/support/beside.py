"""Songs and stems that pass beside the socket."""

import numpy as np
from support.servers import address

from bridge.client import Client
from bridge.lane import Beside

LONG = 700_000  # frames, in stereo more than a lane has room for


def separated(server, music, **options) -> dict[str, np.ndarray]:
    with Client(address(server), **options) as client:
        return client.separate(music, 44_100)


def check(stems, music) -> None:
    for name in ("one", "residual"):
        np.testing.assert_array_equal(stems[name], music / 2)


def beside(name: str, stem: str, at: int, size: int) -> bytes:
    """As a client takes it."""
    into = bytearray(size)
    Beside().read(name, stem, at, memoryview(into))
    return bytes(into)
