"""Audio that was uploaded, kept by what it is: the same song asked for again does not have to come again."""

import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("stemweave")

SHA256 = re.compile("[0-9a-f]{64}")


class AudioStore:
    """Files by the SHA-256 of their bytes, each a second name (a hard link) of a job's own: none is copied, none comes in half, and
    what a job has is never lost with its name here. Where the file system has no hard links nothing is kept.

    folder: made with the first. now: tells the time. Who knows the hash of somebody's audio can have stems made of it.
    """

    def __init__(self, folder: Path, now: Callable[[], float]):
        self.folder, self._now = folder, now

    def keep(self, sha256: str, file: Path) -> None:
        """Under its hash, which was checked."""
        try:
            self.folder.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                os.link(file, self.folder / sha256)
            self._used(file)
        except OSError as error:
            log.warning("uploaded audio is not kept for another job: %s", error.strerror)

    def give(self, sha256: str, size: int, file: Path) -> bool:
        """Make `file`, where audio of that hash and of `size` bytes is here."""
        if not SHA256.fullmatch(sha256):
            return False
        try:
            if (self.folder / sha256).stat().st_size != size:
                return False
            os.link(self.folder / sha256, file)
            self._used(file)
        except OSError:
            return False
        return True

    def _used(self, file: Path) -> None:
        os.utime(file, (self._now(),) * 2)

    def unused(self) -> list[tuple[float, str]]:
        """What no job has: when it was last of use, and its hash."""
        return [(stat.st_mtime, sha256) for sha256, stat in self._unused()]

    def unused_bytes(self) -> int:
        return sum(stat.st_size for _, stat in self._unused())

    def _unused(self) -> list[tuple[str, os.stat_result]]:
        if not self.folder.is_dir():
            return []
        found = [(name, os.stat(self.folder / name)) for name in os.listdir(self.folder) if SHA256.fullmatch(name)]
        return [(name, stat) for name, stat in found if stat.st_nlink == 1]

    def drop(self, sha256: str) -> None:
        if SHA256.fullmatch(sha256):
            with suppress(OSError):
                (self.folder / sha256).unlink()
