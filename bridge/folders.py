"""The folders a server may read and write for its clients, who name paths over OSC and models over ZeroMQ.

A path is judged by where it leads, after `..` and symbolic links. Orders are judged twice: when they come, so that a refusal is
told at once, and by the worker when it opens them, for a folder may hold links, and the ledger orders of a server that had other
folders.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import BridgeError, Forbidden

if TYPE_CHECKING:
    from bridge.jobs import Order


def usual() -> tuple[Path, ...]:
    """The user's home and the current folder: what belongs to whoever starts a server by hand. As a service its current folder may
    be the root of everything, so one that holds the home does not count."""
    home, here = Path.home().resolve(), Path.cwd()
    return (home,) if home.is_relative_to(here) or here.is_relative_to(home) else (home, here)


class Folders:
    """allowed: by default the `usual` ones. BridgeError for one that is not there."""

    def __init__(self, allowed: Iterable[Path] = ()):
        given = tuple(allowed)
        for folder in given:
            if not folder.is_dir():
                raise BridgeError(f"There is no folder {folder}.", "Make it, or name another one with --folder.")
        self.allowed = tuple(folder.resolve() for folder in given) or usual()

    def __str__(self) -> str:
        return ", ".join(map(str, self.allowed))

    def inside(self, path: str | Path) -> Path:
        """The path that this one leads to, there yet or not. Forbidden where that is in none of the allowed folders."""
        try:
            found = Path(path).resolve()
        except (OSError, ValueError, RuntimeError):  # too long, a null byte, links in a circle
            found = None
        if found is None or not any(found.is_relative_to(folder) for folder in self.allowed):
            named = " ".join(f"--folder {shlex.quote(str(folder))}" for folder in self.allowed)
            raise Forbidden(
                f"The server may not use {path}: it is not in a folder that was opened to it.",
                f"Move it into one of these: {self}. Or open one more: stemweave serve {named} --folder FOLDER",
            )
        return found

    def check(self, order: "Order") -> None:
        """Forbidden where an order names a path outside. The names of models and presets are no paths."""
        from bridge.files import path_in

        paths = [path_in(text) for text in order.files] + ([order.out] if order.out else [])
        names = (order.preset, order.overrides.get("model"))
        for path in [*paths, *(name for name in names if isinstance(name, str) and is_path(name))]:
            self.inside(path)


def is_path(name: str) -> bool:
    """Whether what stands for a model or a preset is a path rather than a name."""
    return Path(name).name != name or name == ".." or name.endswith(".toml")
