"""A server that is spoken to by OSC, and a patch in Max or Pd, as the server sees it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from support.models import write_tiny_model
from support.servers import PATIENCE, running

from bridge.osc.addresses import REPLIES, ROOT
from bridge.server import Server
from bridge.workers import PERFORM


@contextmanager
def engine_by_osc(folders: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the engine, an OSC port and a tiny model called "default", which may use all that tests have in `folders`."""
    models = folders.mktemp("models")
    write_tiny_model(models / "default")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMWEAVE_MODELS", str(models))
        with running(PERFORM, osc_port=0, folders=[folders.getbasetemp()]) as server:
            yield server


class Patch:
    """What a patch in Max or Pd is to us: a UDP socket that sends and hears, from this machine's `address` to the same."""

    def __init__(self, port: int, address: str = "127.0.0.1"):
        self.port, self.address = port, address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(PATIENCE)

    def message(self, address: str, *arguments: Any) -> OscMessage:
        builder = OscMessageBuilder(address=ROOT + address)
        for argument in arguments:
            builder.add_arg(argument)
        return builder.build()

    def send(self, address: str, *arguments: Any) -> None:
        self.socket.sendto(self.message(address, *arguments).dgram, (self.address, self.port))

    def hear(self, address: str) -> list:
        """Arguments of the next message to an address; others on the way are passed over, errors are not."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            came, arguments = self.next()
            if came == address:
                return arguments
            assert not came.endswith("error"), arguments
        raise AssertionError(f"nothing came to {address}")

    def next(self) -> tuple[str, list]:
        """The next message, whatever it is: address without the root, and arguments."""
        data = self.socket.recv(65536)
        assert len(data) < 1400
        message = OscMessage(data)
        assert message.address.removeprefix(ROOT) in REPLIES
        return message.address.removeprefix(ROOT), list(message.params)

    def __enter__(self) -> "Patch":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
