"""What sound fonts share, on fonts built here byte by byte and on a real one."""

import struct
from pathlib import Path

import numpy as np
import pytest

from engine.data.fonts import in_common, recordings
from engine.errors import DataError

REAL = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def write_font(path: Path, sounds: dict[str, np.ndarray], kind: int = 1) -> Path:
    """A sound font of recordings alone (SoundFont 2.04: RIFF sfbk, smpl in sdta, shdr in pdta)."""
    samples, headers = b"", b""
    for name, sound in sounds.items():
        start = len(samples) // 2
        samples += sound.astype("<i2").tobytes() + bytes(92)
        end = start + len(sound)
        headers += struct.pack("<20sIIIIIBbHH", name.encode(), start, end, start, end, 44100, 60, 0, 0, kind)
    headers += struct.pack("<20s26x", b"EOS")
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"odd"))
    body = info + chunk(b"LIST", b"sdta" + chunk(b"smpl", samples)) + chunk(b"LIST", b"pdta" + chunk(b"shdr", headers))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + body))
    return path


def noise(seed: int, length: int = 2000) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(length) * 3000).astype(np.int16)


def test_a_recording_is_found_wherever_it_lies_and_a_louder_one_is_another(tmp_path):
    one = write_font(tmp_path / "one.sf2", {"bell": noise(1), "drum": noise(2), "hush": noise(3) // 1000})
    other = write_font(tmp_path / "other.sf2", {"wind": noise(4), "drum2": noise(2)[7:], "loud bell": noise(1) * 2})
    assert [list(sound) for sound in recordings(one).values()] == [
        list(noise(1)),
        list(noise(2)),
        list(noise(3) // 1000),
    ]
    shared, of = in_common(one, other)
    assert [name.split()[0] for name in shared] == ["drum"]
    assert of == 2, "what is as good as silent tells nothing"


def test_a_real_font_has_all_of_itself_and_nothing_of_noise(tmp_path):
    shared, of = in_common(REAL, REAL)
    assert len(shared) == of > 400
    assert in_common(REAL, write_font(tmp_path / "noise.sf2", {"noise": noise(0, 100_000)}))[0] == []


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00sfbk", b"not a font" * 100])
def test_what_is_no_font_is_refused(tmp_path, content):
    (tmp_path / "bad.sf2").write_bytes(content)
    with pytest.raises(DataError, match="not a sound font"):
        recordings(tmp_path / "bad.sf2")


def test_a_missing_and_a_compressed_font_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        recordings(tmp_path / "none.sf2")
    with pytest.raises(DataError, match="compressed") as caught:
        recordings(write_font(tmp_path / "one.sf3", {"bell": noise(1)}, kind=0x11))
    assert "sf2" in caught.value.hint


def test_a_font_cut_short_anywhere_does_not_crash(tmp_path):
    whole = write_font(tmp_path / "whole.sf2", {"bell": noise(1, 60), "drum": noise(2, 60)}).read_bytes()
    for end in range(len(whole)):
        (tmp_path / "cut.sf2").write_bytes(whole[:end])
        try:
            recordings(tmp_path / "cut.sf2")
        except DataError:
            continue
