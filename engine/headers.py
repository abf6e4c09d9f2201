"""What the headers of audio files say that libsndfile passes over."""

import re
from pathlib import Path
from typing import BinaryIO

import soundfile

MOST_CHUNKS = 1000  # that are looked at: a file may be made of nothing else
LONGEST_COMMENT = 2**20  # bytes; libsndfile writes up to 51 kB
SONY_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"  # a W64 begins so
LARGEST_PAGE = 65_307  # bytes of an Ogg page
OF_A_PIPE = (0x7F00_0000, 0x7FFF_F000)  # what SoX promises, and some header, where it cannot know: in AIFF, in WAV


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


def is_short(path: Path) -> bool:
    """Whether a file was cut off, which libsndfile passes over in silence: its header promises more bytes than there are, or its
    last page is not whole."""
    there = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(28)
        if head[:4] == b"OggS":
            file.seek(max(0, there - LARGEST_PAGE))
            return _ends_in_a_page(file.read())
    return _promised(head) > there + 1  # some writers forget the last padding byte


def _promised(head: bytes) -> int:
    """Bytes of a whole file that begins so; 0 where it does not say, as one that was written to a pipe."""
    kind, form = head[:4], head[8:12]
    if kind == b"RF64" and head[12:16] == b"ds64":
        promised = int.from_bytes(head[20:28], "little") + 8
        return promised if promised < 2**63 else 0
    if head[:16] == SONY_RIFF:
        promised = int.from_bytes(head[16:24], "little")
        return promised if promised < 2**63 else 0
    if kind == b"RIFF" and form == b"WAVE":
        promised = int.from_bytes(head[4:8], "little") + 8
    elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        promised = int.from_bytes(head[4:8], "big") + 8
    elif kind == b".snd":
        promised = int.from_bytes(head[4:8], "big") + int.from_bytes(form, "big")
    else:
        return 0
    of_a_pipe = promised >= 0xFFFF_FFF0 or any(told <= promised < told + 0x1000 for told in OF_A_PIPE)
    return 0 if of_a_pipe else promised


def _ends_in_a_page(tail: bytes) -> bool:
    """Whether the last Ogg page in the end of a file is not all there. That it does not say that it is its stream's last means
    nothing: recorders of radio streams do not write that."""
    start = tail.rfind(b"OggS\0")
    page = tail[start:]
    if start < 0:
        return False
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def start_of_untold(path: Path) -> int | None:
    """Where the first frame of an MP3 begins that does not tell how many there are (Xing's and LAME's tag); None for one that
    does."""
    with open(path, "rb") as file:
        start = 0
        while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            start += 10 + size + (10 if head[5] & 0x10 else 0)
            file.seek(start)
        head += file.read(4096)
    told = re.search(rb"(?:Xing|Info)...(.)(....)", head, re.DOTALL)
    if told and told[1][0] & 1 and any(told[2]):
        return None
    first = re.search(rb"\xff[\xe2-\xff]", head)
    return start + first.start() if first else None
