"""What jobs cost, by what jobs before them did: told before one begins, and what cannot fit is refused."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from bridge.jobs import Order
from engine import heap

KINDS = 1000  # of jobs of which figures are remembered; the first is forgotten first
APART = 2  # times as long as the shortest a job has to be that shows how memory rises
REACH = 4  # times the longest, up to where that is believed
FLOAT = 4  # bytes of a sample


@dataclass(frozen=True)
class Cost:
    """seconds: of computing. memory: bytes, beside what the worker has at rest. disk: bytes. 0 where nothing was measured yet."""

    seconds: float = 0.0
    memory: int = 0
    disk: int = 0


@dataclass(frozen=True)
class _Measured:
    samples: int  # of all channels
    seconds: float
    memory: int
    stems: int


class Costs:
    """Of one server. folder: where its jobs have their audio."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._ends: dict[bytes, tuple[_Measured, _Measured]] = {}  # kind of job to the shortest and the longest of it
        self._worker, self._at_rest = 0, 0  # process in which a job runs, and bytes it had before

    def learn(self, order: Order, seconds: float, memory: int, stems: int) -> None:
        """A job was done, from its beginning to its end."""
        if not _samples(order):  # from files: nobody here knows how long they are
            return
        new, kind = _Measured(_samples(order), seconds, memory, stems), _kind(order)
        shortest, longest = self._ends.pop(kind, (new, new))
        self._ends[kind] = (min(new, shortest, key=_length), max(new, longest, key=_length))
        if len(self._ends) > KINDS:
            del self._ends[next(iter(self._ends))]

    def of(self, order: Order) -> Cost:
        """Seconds in proportion to the longest job of this preset and these settings; memory on the line through the shortest and
        the longest, where these are far enough apart to show one, and not far beyond them: jobs alike differ by hundreds of
        megabytes, and nobody is to be refused for that."""
        samples = _samples(order)
        given = order.audio.frames * order.audio.channels if order.audio else 0
        ends = self._ends.get(_kind(order))
        if ends is None or not samples:
            return Cost(disk=FLOAT * given)
        shortest, longest = ends
        apart = longest.samples >= APART * shortest.samples
        rise = (longest.memory - shortest.memory) / (longest.samples - shortest.samples) if apart else 0.0
        memory = longest.memory + max(0.0, rise) * (min(samples, REACH * longest.samples) - longest.samples)
        spooled = 2 * longest.stems * samples  # stems, and the chunks they come of
        return Cost(
            longest.seconds * samples / longest.samples, max(0, round(memory)) if longest.memory else 0,
            FLOAT * (given + spooled),
        )  # fmt: skip

    def begins(self, worker: int) -> None:
        """A job, in the process of this number."""
        self._worker, self._at_rest = worker, resident(worker)

    def ends(self) -> None:
        self._worker = 0

    def _given_back(self) -> int:
        """Bytes that are free before another job begins: what the one that runs has taken. A model that it loaded, which stays, is
        among them: rather a job is tried in vain than refused in vain."""
        return max(0, resident(self._worker) - self._at_rest) if self._worker else 0

    def _least_memory(self, order: Order, expected: int) -> int:
        """Bytes without which it cannot be done. One that is shorter than all that were measured may need as much less, and would
        never teach it if it was refused for what long ones took."""
        shortest, samples = self._ends.get(_kind(order), (None,))[0], _samples(order)
        if shortest is None or samples >= shortest.samples:
            return expected
        return min(expected, shortest.memory * samples // shortest.samples)

    def lacks(self, order: Order) -> tuple[str, str] | None:
        """What there is too little of for it, and what to do."""
        cost = self.of(order)
        memory = self._least_memory(order, cost.memory)
        if memory > (free := free_memory() + self._given_back()):
            return (
                f"This job needs about {_size(memory)} of memory, of which the server has {_size(free)}.",
                "Close other programs there, or ask for a shorter stretch.",
            )
        if cost.disk > (free := free_disk(self._folder)):
            return (
                f"This job needs about {_size(cost.disk)} of disk, of which the server has {_size(free)}.",
                "Free some space there, or let it keep jobs elsewhere: stemweave serve --jobs FOLDER",
            )
        return None


def free_memory() -> int:
    """Bytes that a program can have now without another one losing them."""
    return psutil.virtual_memory().available


def resident(process: int) -> int:
    """Bytes of memory that a process has; 0 where there is none such, or nobody can tell (too many files are open)."""
    try:
        return psutil.Process(process).memory_info().rss
    except (psutil.Error, OSError):
        return 0


def free_disk(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Peak:
    """The most memory this process has had since, in bytes beside what it had in use; 0 where the system does not tell."""

    def __init__(self) -> None:
        heap.give_back()  # what is kept would be used again and not be counted
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (Linux, proc(5))
            self._before = _status("VmRSS")
        except (OSError, KeyError):
            self._before = 0

    def bytes(self) -> int:
        try:
            return max(0, _status("VmHWM") - self._before) if self._before else 0
        except (OSError, KeyError):
            return 0


def _status(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(lines[key].split()[0])


def _samples(order: Order) -> int:
    """Of all channels, heard or made."""
    if order.audio is None:
        return 0
    made = round(max(0.0, order.settings.get("seconds", 0.0)) * order.audio.sample_rate)
    return (order.audio.frames + made) * order.audio.channels


def _length(measured: _Measured) -> int:
    return measured.samples


def _kind(order: Order) -> bytes:
    settings = sorted((key, value) for key, value in order.overrides.items() if key != "seed")
    return msgspec.msgpack.encode([order.preset, settings])


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
