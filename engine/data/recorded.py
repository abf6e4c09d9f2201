"""Makes a sound font (SoundFont 2.04) of recordings of single notes, as sample libraries come: a folder an instrument, a file a
key."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from pathlib import Path

import numpy as np
import soundfile

from engine.errors import DataError

NOTE = re.compile(r"([A-G])([s#b]?)(-?\d)")
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ALTERED = {"": 0, "s": 1, "#": 1, "b": -1}
RELEASE = 0.25  # seconds in which a note dies away when it is let go
GUARD = 46  # silent samples after each recording (section 6.1)
KEY_RANGE, RELEASE_TIME, INSTRUMENT, SAMPLE = 43, 38, 41, 53  # generators (section 8.1.2)
MONO = 1


@dataclass(frozen=True)
class Instrument:
    """folder: of audio files named by the key they were played at, such as A3.wav or Cs4.mp3 (C4 is the middle C). programs:
    General MIDI's, 0-127, that it plays."""

    folder: Path
    programs: tuple[int, ...]

    def recordings(self) -> list[tuple[int, Path]]:
        """Keys, ascending, and their files. DataError where there is none."""
        files = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        found = sorted((key, file) for file in files if (key := key_of(file.stem)) is not None)
        if not found:
            raise DataError(f"{self.folder} holds no recordings of notes.", "Name them by their keys: A3.wav, Cs4.mp3.")
        return found


def key_of(name: str) -> int | None:
    """MIDI key of a note's name, None where it is none: A4 is 69, Cs4 and C#4 and Db4 are 61."""
    note = NOTE.fullmatch(name)
    key = 12 * (int(note[3]) + 1) + STEPS[note[1]] + ALTERED[note[2]] if note else -1
    return key if 0 <= key <= 127 else None


def make_font(path: Path, instruments: Iterable[Instrument]) -> None:
    """Write an .sf2 in which every key is played by the recording nearest to it. Recordings are made mono. DataError where a file
    cannot be read."""
    audio, samples = bytearray(), list[bytes]()
    zones: list[tuple[int, int, int]] = []  # lowest key, highest key, sample
    played: list[tuple[str, int]] = []  # instruments: name, first zone
    presets: list[tuple[int, int]] = []  # program, instrument
    for instrument in instruments:
        recordings = instrument.recordings()
        presets += [(program, len(played)) for program in instrument.programs]
        played.append((instrument.folder.name, len(zones)))
        keys = [key for key, _ in recordings]
        for (key, file), (low, high) in zip(recordings, _ranges(keys), strict=True):
            zones.append((low, high, len(samples)))
            samples.append(_add(audio, key, file))
    content = (
        _list(b"INFO", _chunk(b"ifil", struct.pack("<HH", 2, 4)), _text(b"isng", "EMU8000"), _text(b"INAM", path.stem))
        + _list(b"sdta", _chunk(b"smpl", bytes(audio)))
        + _list(b"pdta", *_hydra(samples, zones, played, sorted(presets)))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_chunk(b"RIFF", b"sfbk" + content))


def _ranges(keys: list[int]) -> list[tuple[int, int]]:
    """The keys that each recording plays: up to half-way to its neighbours."""
    borders = [(low + high) // 2 for low, high in pairwise(keys)]
    return list(zip([0, *(border + 1 for border in borders)], [*borders, 127], strict=True))


def _add(audio: bytearray, key: int, file: Path) -> bytes:
    """Append a recording to the samples of the font; returns its header."""
    try:
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"The recording {file} cannot be read: {error}.") from error
    start = len(audio) // 2
    audio += np.round(sound.mean(1).clip(-1, 1) * 32767).astype("<i2").tobytes() + bytes(2 * GUARD)
    end = start + len(sound)
    return struct.pack("<20s5IBbHH", file.stem.encode(), start, end, start, end, rate, key, 0, 0, MONO)


def _hydra(samples: list[bytes], zones: list, played: list, presets: list) -> list[bytes]:
    """The nine chunks that say what plays what (section 7); the last record of each only ends it."""
    release = round(1200 * log2(RELEASE))
    generators = [
        record
        for low, high, sample in zones
        for record in (
            struct.pack("<HBB", KEY_RANGE, low, high),
            struct.pack("<Hh", RELEASE_TIME, release),
            struct.pack("<HH", SAMPLE, sample),
        )
    ]
    return [
        _chunk(b"phdr", b"".join(_preset(program, bag) for bag, (program, _) in enumerate([*presets, (0, 0)]))),
        _chunk(b"pbag", b"".join(struct.pack("<HH", bag, 0) for bag in range(len(presets) + 1))),
        _chunk(b"pmod", bytes(10)),
        _chunk(b"pgen", b"".join(struct.pack("<HH", INSTRUMENT, number) for _, number in presets) + bytes(4)),
        _chunk(
            b"inst",
            b"".join(struct.pack("<20sH", name.encode()[:19], bag) for name, bag in [*played, ("EOI", len(zones))]),
        ),
        _chunk(b"ibag", b"".join(struct.pack("<HH", 3 * zone, 0) for zone in range(len(zones) + 1))),
        _chunk(b"imod", bytes(10)),
        _chunk(b"igen", b"".join(generators) + bytes(4)),
        _chunk(b"shdr", b"".join(samples) + bytes(46)),
    ]


def _preset(program: int, bag: int) -> bytes:
    return struct.pack("<20s3H3I", f"program {program}".encode(), program, 0, bag, 0, 0, 0)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _text(name: bytes, text: str) -> bytes:
    content = text.encode() + bytes(1)
    return _chunk(name, content + bytes(len(content) % 2))


def _list(name: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", name + b"".join(chunks))
