"""A folder for the audio of a server that keeps nothing, and for lanes: gone with it, and when it was killed, with the next
one's start."""

import os
import shutil
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nobody can say whether a folder is of use
    fcntl = None  # type: ignore[assignment]

PREFIX = "stemweave-"
LOCK = "lock"  # file in the folder, held for as long as its server lives


class Spool:
    """path: the folder, this user's alone, in `place`: by default, the system's for temporary files."""

    def __init__(self, place: Path | None = None) -> None:
        place = place or Path(tempfile.gettempdir())
        _remove_orphans(place)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        new = self.path / f"{LOCK}.new"
        self._lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl:  # Windows lets no file be renamed that is open
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            new.replace(self.path / LOCK)  # where others find it, it is held

    def close(self) -> None:
        os.close(self._lock)  # first: Windows removes no file that is open
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_orphans(place: Path) -> None:
    """Folders whose server was killed: the system let go of their locks."""
    for lock in place.glob(f"{PREFIX}*/{LOCK}") if fcntl else ():
        try:
            file = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(file)
