"""Audio that was uploaded, kept by what it is: the same song asked for again does not have to come again."""

import hashlib
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bridge.protocol import BEGINNING

log = logging.getLogger("stemweave")

SHA256 = re.compile("[0-9a-f]{64}")


class AudioStore:
    """Files by the SHA-256 of their bytes, each a second name (a hard link) of a job's own: none is copied, none comes in half, and
    what a job has is never lost with its name here. Where the file system has no hard links nothing is kept.

    folder: made with the first. now: tells the time. Who knows the hash of audio that is here can have stems made of it.
    """

    def __init__(self, folder: Path, now: Callable[[], float]):
        self.folder, self._now = folder, now
        self.sizes: dict[str, int] = {}  # hash to bytes
        self.used: dict[str, float] = {}  # and to when it was last of use
        self._begins: dict[str, str] = {}  # and to that of its beginning, once it was asked for
        for file in sorted(folder.glob("*")):
            if SHA256.fullmatch(file.name):
                stat = file.stat()
                self.sizes[file.name], self.used[file.name] = stat.st_size, stat.st_mtime

    def keep(self, sha256: str, file: Path) -> None:
        """Under its hash, which was checked a moment ago: what lies there already may have been damaged since."""
        kept, new = self.folder / sha256, self.folder / f"{sha256}.new"
        try:
            self.folder.mkdir(exist_ok=True)
            new.unlink(missing_ok=True)
            os.link(file, new)
            os.replace(new, kept)
            self.sizes[sha256] = file.stat().st_size
            self._begins.pop(sha256, None)
            self._touch(sha256)
        except OSError as error:
            log.warning("uploaded audio is not kept for another job: %s", error.strerror)

    def give(self, sha256: str, size: int, file: Path) -> bool:
        """Make `file`, where audio of that hash and of `size` bytes is here."""
        if self.sizes.get(sha256) != size:
            return False
        try:
            os.link(self.folder / sha256, file)
            self._touch(sha256)
        except OSError:
            self.drop(sha256)
            return False
        return True

    def may_have(self, begins: str, size: int) -> bool:
        """Whether audio of `size` bytes is here that begins so."""
        return any(self._beginning(sha256) == begins for sha256, its in self.sizes.items() if its == size)

    def _beginning(self, sha256: str) -> str:
        """SHA-256 of its first bytes, "" where they cannot be read."""
        if sha256 not in self._begins:
            try:
                with open(self.folder / sha256, "rb") as file:
                    self._begins[sha256] = hashlib.sha256(file.read(BEGINNING)).hexdigest()
            except OSError:
                return ""
        return self._begins[sha256]

    def _touch(self, sha256: str) -> None:
        self.used[sha256] = self._now()
        os.utime(self.folder / sha256, (self.used[sha256],) * 2)

    def drop(self, sha256: str) -> None:
        if self.sizes.pop(sha256, None) is not None:
            del self.used[sha256]
            self._begins.pop(sha256, None)
            with suppress(OSError):
                (self.folder / sha256).unlink()
