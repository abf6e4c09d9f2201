"""What the headers of audio files say that libsndfile passes over."""

from pathlib import Path
from typing import BinaryIO

import soundfile

MOST_CHUNKS = 1000  # that are looked at: a file may be made of nothing else
LONGEST_COMMENT = 2**20  # bytes; libsndfile writes up to 51 kB


def comment(path: Path) -> str:
    """The comment in the file's metadata, "" where there is none. libsndfile reads none of a WAV that is longer than 2 kB.
    ValueError or OSError for a file whose metadata cannot be read."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            return _comment_of_wave(file)
    try:
        with soundfile.SoundFile(path) as sound:
            return sound.comment
    except soundfile.LibsndfileError as error:
        raise ValueError(str(error)) from error


def _comment_of_wave(file: BinaryIO) -> str:
    """LIST/INFO/ICMT of a WAV or RF64 whose first 12 bytes were read."""
    large = 0  # bytes of audio, where 32 bits do not hold them
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        name, size, start = head[:4], int.from_bytes(head[4:], "little"), file.tell()
        if name == b"LIST" and file.read(4) == b"INFO":
            continue  # what is in it follows like the rest
        if name == b"ICMT":
            if size > LONGEST_COMMENT:
                raise ValueError(f"its comment is {size} bytes long")
            return file.read(size).rstrip(b"\0").decode()
        if name == b"ds64":
            large = int.from_bytes(file.read(16)[8:], "little")
        if name == b"data" and size == 0xFFFF_FFFF:
            size = min(large, 2**62)
        file.seek(start + size + size % 2)
    return ""
