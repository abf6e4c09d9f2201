"""The ledger: what a server must still know of its jobs after it was killed, a row each in SQLite, written whole or not at all."""

import errno
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.jobs import Job

FILE = "jobs.sqlite"


class Ledger:
    """The jobs of one folder, oldest first. One server at a time has it open: BridgeError for a second one, and for a file that is
    no ledger. Writing raises OSError when the disk takes nothing more, or a row is none."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, row BLOB NOT NULL, used REAL NOT NULL)"
            )
        except sqlite3.OperationalError as error:
            self._db.close()
            raise BridgeError(
                f"The jobs in {folder} cannot be opened: {error}.",
                "Another server may use them: stop it, or name another folder with: stemweave serve --jobs FOLDER",
            ) from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BridgeError(
                f"{folder / FILE} is damaged: {error}.", "Move the folder away; the server then begins a new one."
            ) from error

    def write(self, job: "Job", used: float) -> None:
        """Put down how a job stands; used: when it was last of use, in seconds since 1970."""
        with _disk():
            # A connection ends with the server, an OSC sender's port does not.
            owner = job.owner if isinstance(job.owner, tuple) else None
            row = msgspec.msgpack.encode({key: getattr(job, key) for key in KEPT} | {"owner": owner}, enc_hook=str)
            self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", (job.id, row, used))

    def erase(self, job: str) -> None:
        with _disk():
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job,))

    def read(self) -> "Iterator[tuple[Job, float]]":
        """All jobs as they were put down, and when each was last of use. What an older version did not put down is as at first; a
        row that is none is passed over."""
        from bridge.jobs import Job, Order

        for row, used in self._db.execute("SELECT row, used FROM jobs ORDER BY used").fetchall():
            try:
                table = msgspec.msgpack.decode(row)
                order = msgspec.convert(table.pop("order"), Order, dec_hook=lambda kind, value: kind(value))
                order.settings["wanted"] = tuple(order.settings.get("wanted", ()))
                job = Job(order, _port(table.get("owner")), **{key: table[key] for key in KEPT if key in table})
            except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
                continue
            job.ear = _port(job.ear)
            job.stems, job.error = tuple(job.stems), tuple(job.error) if job.error else None  # type: ignore[assignment]
            yield job, used

    def close(self) -> None:
        self._db.close()


KEPT = ("order", "state", "keep", "lives", "ear", "finished", "stems", "seconds", "digests", "error")
"""Fields of a job that outlive the server; the rest is of the connection, or can be found again."""


def _port(put_down: list | tuple | None) -> tuple | None:
    """Host and port of an OSC sender."""
    return tuple(put_down) if put_down else None


@contextmanager
def _disk() -> "Iterator[None]":
    """SQLite's words for a disk that is full, gone or damaged, and a text that is none, as the OSError that callers know."""
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:
        raise OSError(errno.ENOSPC, f"the ledger of jobs takes nothing: {error}") from error
