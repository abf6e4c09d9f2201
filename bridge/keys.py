"""Who this machine is to others, and whom it knows: CURVE keys in the user's config folder, in files only the user may read.

All keys are Z85 text of 40 characters (32 bytes), as ZeroMQ takes them.
"""

import os
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
import tomli_w
import zmq
from zmq.utils import z85

from bridge.errors import BridgeError


@dataclass(frozen=True)
class KeyPair:
    """Of Curve25519, as Z85."""

    public: str
    secret: str

    @classmethod
    def of(cls, secret: str) -> "KeyPair":
        return cls(zmq.curve_public(secret.encode()).decode(), secret)


def folder() -> Path:
    return platformdirs.user_config_path("stemweave") / "keys"


def own(role: Literal["server", "client"]) -> KeyPair:
    """This user's pair, made when it is first asked for and the same ever after."""
    path = folder() / f"{role}.toml"
    if not path.exists():
        new = _written(path, {"secret": zmq.curve_keypair()[1].decode()})
        with suppress(FileExistsError):  # another process was quicker: the pair is then the one it made
            os.link(new, path)
        new.unlink()
    return KeyPair.of(_read(path)["secret"])


class Book:
    """Names with a public key each, in one file of the keys' folder. Read anew every time, so that a change holds at once."""

    def __init__(self, file: str):
        self.file = file

    def keys(self) -> dict[str, str]:
        """Public key by name. BridgeError for a file that is damaged or open to others."""
        path = folder() / self.file
        return _read(path) if path.exists() else {}

    def put(self, name: str, key: str) -> None:
        """Put down a key, in place of the one of that name if there is one."""
        self.replace(self.keys() | {name: key})

    def drop(self, name: str) -> bool:
        """Whether there was one."""
        keys = self.keys()
        known = keys.pop(name, None) is not None
        if known:
            self.replace(keys)
        return known

    def replace(self, keys: dict[str, str]) -> None:
        """Put down all of them anew."""
        path = folder() / self.file
        os.replace(_written(path, keys), path)


CLIENTS = Book("clients.toml")
"""Of the server: clients it lets in, by the name they gave."""
SERVERS = Book("servers.toml")
"""Of a client: servers it was paired with, by HOST:PORT."""


def is_key(text: object) -> bool:
    """Whether this is 32 bytes in Z85."""
    try:
        return isinstance(text, str) and len(z85.decode(text.encode())) == 32
    except (KeyError, ValueError, IndexError):
        return False


def _read(path: Path) -> dict[str, str]:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise BridgeError(
            f"{path} may be read or changed by others.",
            f"If none of them did, close it: chmod 600 {path}. Else remove it, and pair again.",
        )
    try:
        keys = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        keys = {"": None}
    if not all(map(is_key, keys.values())):
        raise BridgeError(f"{path} is damaged.", "Remove it, and pair again.")
    return keys


def _written(path: Path, keys: dict[str, str]) -> Path:
    """A new file beside `path` that holds the keys, of mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        tomli_w.dump(keys, file)
    return Path(name)
