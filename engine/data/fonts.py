"""What two sound fonts have in common: a font is only foreign to a model when it does not share its recordings."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import DataError

STRETCH = 12  # samples compared at a time: long enough that loud ones agree by chance in no font of a gigabyte
PLACES = 3  # of each recording that are looked for, of which most must be there
LOUD = 100  # deviation in a stretch, of 32768, under which too much is alike
HEADER = 46  # bytes that describe a recording (SoundFont 2.04, section 7.10)


def recordings(font: Path) -> dict[str, np.ndarray]:
    """The recordings of an .sf2 file by name, int16. DataError when it is none, or a compressed one (.sf3)."""
    try:
        data = font.read_bytes()
    except OSError as error:
        raise DataError(f"The sound font {font} cannot be read: {error}.") from error
    parts = dict(_chunks(data)) if data[:4] == b"RIFF" and data[8:12] == b"sfbk" else {}
    if not {b"smpl", b"shdr"} <= parts.keys():
        raise DataError(f"{font} is not a sound font with recordings in it.", "Name an .sf2 file.")
    samples, found = np.frombuffer(parts[b"smpl"][: len(parts[b"smpl"]) // 2 * 2], dtype="<i2"), {}
    for place in range(0, len(parts[b"shdr"]) - HEADER, HEADER):  # the last says that there are no more
        name, start, end = struct.unpack_from("<20sII", parts[b"shdr"], place)
        if struct.unpack_from("<H", parts[b"shdr"], place + 44)[0] & 0x10:
            raise DataError(f"The recordings in {font} are compressed.", "Unpack it to .sf2 first (sf3convert -x).")
        found[f"{name.split(bytes(1))[0].decode('latin1')} ({start})"] = samples[start:end]
    return found


def in_common(font: Path, other: Path) -> tuple[list[str], int]:
    """Names of the recordings of `font` that `other` seems to have as well: most of the stretches looked for are there, bit for
    bit. And how many recordings were looked for: those with enough in them to tell. Raises as recordings()."""
    heard = {name: places for name, samples in recordings(font).items() if (places := _telling(samples))}
    there = b"".join(samples.tobytes() for samples in recordings(other).values())
    shared = [name for name, places in heard.items() if sum(p in there for p in places) > PLACES // 2]
    return shared, len(heard)


def _telling(samples: np.ndarray) -> list[bytes]:
    """Loud stretches, evenly spaced over a recording; none when there are too few."""
    stretches = samples[: len(samples) // STRETCH * STRETCH].reshape(-1, STRETCH)
    loud = stretches[stretches.std(axis=1) > LOUD]
    if len(loud) < PLACES:
        return []
    return [loud[place].tobytes() for place in np.linspace(0, len(loud) - 1, PLACES + 2).astype(int)[1:-1]]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All chunks of a RIFF file, those inside lists too: (name, content)."""
    place, end = 12, len(data)
    while place + 8 <= end:
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        if name == b"LIST":
            place += 12
            continue
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
