"""Lanes: how audio passes between a server and a client of the same machine and user beside the socket.

A lane is a file that belongs to one acceptance of one job. The server makes it in a folder that only its user can enter, and names
it; a client has it if it can open it. The song goes through it, a chunk in each of its places, and what a server takes out of it
is its own copy: only that is hashed and kept, whatever the client writes there meanwhile. The stems of who has the lane are read
where the server has them, and hashed as they are read. All of it is read and written, never mapped: whoever cuts a file off makes
the other end read too little, which is noticed, and not die.
"""

import errno
import os
import stat
import tempfile
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, ProtocolError
from bridge.protocol import MAX_PAYLOAD
from bridge.spool import Spool

MAGIC = b"stemweave lane 1"
SECRET = 16  # bytes each of key and proof, which follow it
AUDIO = 4096  # byte at which chunks begin
PLACE, PLACES = MAX_PAYLOAD, 8  # bytes of a chunk at most, and how many may be under way
SIZE = AUDIO + PLACES * PLACE  # bytes of a lane
LONGEST_NAME = 4096  # bytes
MOST = 32  # lanes of a server at once; further jobs have the socket
BLOCK = 2**18  # bytes that are taken out at once where the system does not do it
NOT_TO_FILES = (errno.EINVAL, errno.ENOTSOCK, errno.ENOTSUP, errno.ENOSYS)  # of sendfile
AGAIN = "Ask for the job again."
MEMORY = Path("/dev/shm")  # where a file is nothing but memory


class Lane:
    """An end of a lane, closed when nobody has it any more. name: of a file to be gone with it. key, proof: what stands in it."""

    def __init__(self, file: int, name: str = "", key: str = "", proof: str = ""):
        self._file, self.name, self.key, self.proof = file, name, key, proof
        self._turn = 0
        self._close = weakref.finalize(self, _close, file, name)

    def put(self, payload: bytes | memoryview) -> int:
        """The byte at which it lies now, 0 where it cannot: then it has to go over the socket. Chunks take turns in the places:
        whoever sends has as many under way at most, so that none is written over before it was taken."""
        at = AUDIO + self._turn * PLACE
        try:
            if len(payload) > PLACE or os.pwrite(self._file, payload, at) < len(payload):
                return 0
        except OSError:  # the memory is full
            return 0
        self._turn = (self._turn + 1) % PLACES
        return at

    def place(self, at: int, size: int) -> "Placed":
        """What lies there. ProtocolError where no chunk can lie."""
        if not (0 < size <= PLACE and AUDIO <= at <= SIZE - size):
            raise ProtocolError(f"There is no room in a lane for {size} bytes at {at}.")
        return Placed(self, at, size)

    def send(self, file: int, at: int, size: int) -> int:
        """To where a file stands, so many bytes at most: how many it were. The system does it where it can, which spares a copy."""
        try:
            return os.sendfile(file, self._file, at, size)
        except OSError as error:
            if error.errno not in NOT_TO_FILES:
                raise
        return os.write(file, os.pread(self._file, min(size, BLOCK), at))

    def open(self, proof: str) -> bool:
        """Whether this shows that the other end has it. Then its name is needed no more, and it goes with the last who has it."""
        if proof != self.proof:
            return False
        Path(self.name).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        self._close()


class Placed:
    """A chunk in a lane, for bridge.intake."""

    def __init__(self, lane: Lane, at: int, size: int):
        self._lane, self._at, self._size = lane, at, size

    def __len__(self) -> int:
        return self._size

    def write_to(self, file: int) -> None:
        """Where that file stands. BridgeError where it is not there any more, OSError where the file takes nothing."""
        at, end = self._at, self._at + self._size
        while at < end:
            taken = self._lane.send(file, at, end - at)
            if not taken:
                raise BridgeError("The audio was cut off on its way through memory.", AGAIN)
            at += taken


def _close(file: int, name: str) -> None:
    os.close(file)
    if name:
        Path(name).unlink(missing_ok=True)


def open_lane(name: str, key: str) -> Lane | None:
    """A client's end of the lane a server named. None unless it is one: whoever answers at an address may name any file, but only
    what is a lane of this user's, whose key a server was told or gave, is written to."""
    try:
        file = _open(name, os.O_RDWR)
    except (OSError, ValueError, AttributeError):  # or a system that has no such files
        return None
    lane = None
    with suppress(OSError):
        head = os.pread(file, len(MAGIC) + 2 * SECRET, 0)
        if head[: -2 * SECRET] == MAGIC and head[-2 * SECRET : -SECRET].hex() == key and os.fstat(file).st_size == SIZE:
            lane = Lane(file, key=key, proof=head[-SECRET:].hex())
    if lane is None:
        os.close(file)
    return lane


class Beside:
    """Files of stems that a server named, read where they lie; each is open until another takes its turn."""

    def __init__(self) -> None:
        self._name, self._file = "", -1
        self._close: Callable[[], Any] = lambda: None

    def read(self, name: str, stem: str, at: int, into: memoryview) -> None:
        """What lies from the byte `at` on of a file called as that of a stem is. BridgeError where it cannot be had."""
        if os.path.basename(name) != f"{stem}.f32":
            raise BridgeError(f"The server names no file of the stem {stem}.", AGAIN)
        if at < 0:  # preadv would begin anywhere
            raise BridgeError(f"The server names the byte {at} of a stem.", "Update the older of the two.")
        try:
            if name != self._name:
                self._close()
                self._name = ""
                self._file = _open(name, os.O_RDONLY)
                self._name, self._close = name, weakref.finalize(self, os.close, self._file)
            found = os.preadv(self._file, [into], at)
        except (OSError, ValueError, OverflowError) as error:
            raise BridgeError(f"A stem cannot be read where the server has it: {error}.", AGAIN) from error
        if found < len(into):
            raise BridgeError("A stem was cut off where the server has it.", AGAIN)


def _open(name: str, how: int) -> int:
    """An ordinary file of this user's, and no link to one. OSError for anything else."""
    file = os.open(name, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(file)
        raise PermissionError(errno.EPERM, "it is not an ordinary file of this user's")
    return file


class Lanes:
    """Of one server. Where the system has no such files there are none."""

    def __init__(self) -> None:
        self._there: weakref.WeakSet[Lane] = weakref.WeakSet()
        self._spool: Spool | None = None
        if hasattr(os, "preadv"):
            with suppress(OSError):
                self._spool = Spool(MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir()))

    def new(self) -> Lane | None:
        """A lane for a job, if there is room for one more."""
        if self._spool is None or len(self._there) >= MOST:
            return None
        path = self._spool.path / uuid.uuid4().hex
        key, proof = os.urandom(SECRET), os.urandom(SECRET)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        lane = Lane(file, str(path), key.hex(), proof.hex())
        try:
            os.truncate(file, SIZE)
            os.pwrite(file, MAGIC + key + proof, 0)
        except OSError:
            lane.close()
            return None
        self._there.add(lane)
        return lane

    def close(self) -> None:
        for lane in list(self._there):
            lane.close()
        if self._spool:
            self._spool.close()


def can_be_named(folder: Path) -> bool:
    """Whether a message has room for the name of what lies there; names need not be text where they come from."""
    try:
        return len(str(folder).encode()) < LONGEST_NAME
    except UnicodeEncodeError:
        return False
