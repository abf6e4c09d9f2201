"""Audio files at the door: every kind of damage has its own words."""

import os

import numpy as np
import pytest
import soundfile

from engine.audio import BLOCK, StreamResampler, Window, open_audio, read_audio, resample, write_audio, writing
from engine.errors import AudioError, ResourceError

RATE = 44100


@pytest.fixture
def tone() -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[None] * [[1], [0.5]]).astype(np.float32)


def test_what_is_written_is_read_back_bit_for_bit(tmp_path, tone):
    audio = read_audio(write_audio(tmp_path / "tone.wav", tone * 3, RATE))
    assert np.array_equal(audio.samples, tone * 3)
    assert audio.sample_rate == RATE


@pytest.mark.parametrize("kind", ["flac", "ogg", "aiff", "mp3"])
def test_other_kinds_are_read(tmp_path, tone, kind):
    soundfile.write(tmp_path / f"tone.{kind}", tone.T, RATE)
    audio = read_audio(tmp_path / f"tone.{kind}")
    assert audio.samples.shape[0] == 2
    assert audio.samples.dtype == np.float32


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("before", [b"", b"ID3\x03\x00\x00\x00\x00\x03\x74" + bytes(500)])
def test_an_mp3_that_does_not_say_its_length_is_read_to_its_end(tmp_path, mode, before):
    """libsndfile goes by the bit rate of the first frame, here a quiet one."""
    path, frames = tmp_path / "song.mp3", 8 * RATE
    noise = 0.3 * np.random.default_rng(0).standard_normal((frames, 2))
    noise[: frames // 2] *= 0.001
    with soundfile.SoundFile(path, "w", RATE, 2, compression_level=0.5, bitrate_mode=mode) as file:
        file.write(noise)
    whole, encoded = read_audio(path).samples, path.read_bytes()
    assert whole.shape == (2, frames), "what has the tag is told by it"
    path.write_bytes(before + encoded[encoded.index(encoded[:2], 4) :])  # without its first frame, which is LAME's tag
    song = open_audio(path)
    assert frames <= song.frames < frames + 4 * 1152
    late = song.samples()[:, 1105:][:, :frames]  # decoders are late by this, which the tag says too
    np.testing.assert_allclose(late[:, 2000:], whole[:, 2000:], atol=1e-4)


def test_a_flac_that_does_not_say_its_length_is_read_to_its_end(tmp_path, tone):
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone.T, RATE)
    wanted, content = read_audio(path).samples, bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])  # 36 bits of STREAMINFO, as `flac` writes to a pipe
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path).samples, wanted)


def test_a_missing_file(tmp_path):
    with pytest.raises(AudioError, match="There is no file"):
        read_audio(tmp_path / "gone.wav")


def test_text_that_calls_itself_wav(tmp_path):
    (tmp_path / "words.wav").write_text("this is not audio")
    with pytest.raises(AudioError, match="not an audio file"):
        read_audio(tmp_path / "words.wav")


def test_a_folder(tmp_path):
    with pytest.raises(AudioError, match="folder"):
        read_audio(tmp_path)


CUT = [("wav", {}), ("flac", {}), ("aiff", {}), ("aiff", {"subtype": "FLOAT"}), ("au", {}), ("w64", {}), ("mp3", {})]
CUT += [("wav", {"format": "RF64"}), ("ogg", {}), ("opus", {"format": "OGG", "subtype": "OPUS"})]


@pytest.mark.parametrize(("kind", "how"), CUT)
def test_a_truncated_file(tmp_path, tone, kind, how):
    path = tmp_path / f"cut.{kind}"
    noisy = tone.T + 0.01 * np.random.default_rng(0).standard_normal(tone.T.shape)
    soundfile.write(path, noisy, 48_000 if kind == "opus" else RATE, **how)
    assert read_audio(path).samples.shape == tone.shape
    whole = path.read_bytes()
    for keep in (0.3, 0.6, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(AudioError, match="ends early|not an audio file"):
            read_audio(path)


def test_a_second_ogg_stream_that_is_cut_off_behind_a_whole_one(tmp_path, tone):
    path = tmp_path / "cut.ogg"
    soundfile.write(path, tone.T, RATE)
    path.write_bytes(path.read_bytes() * 2)
    assert read_audio(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AudioError, match="ends early"):
        read_audio(path)


def ogg_checksum(page: bytes) -> int:
    """CRC-32 of an Ogg page whose own is zero (RFC 3533, section 6)."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
    return crc


def test_an_ogg_that_a_recorder_of_radio_left_without_an_end_is_read(tmp_path, tone):
    path = tmp_path / "radio.ogg"
    soundfile.write(path, tone.T, RATE)
    content = bytearray(path.read_bytes())
    last = content.rfind(b"OggS")
    content[last + 5] &= ~4
    content[last + 22 : last + 26] = bytes(4)
    content[last + 22 : last + 26] = ogg_checksum(content[last:]).to_bytes(4, "little")
    path.write_bytes(content)
    assert read_audio(path).samples.shape == tone.shape


def test_a_w64_whose_length_was_never_filled_in_is_read(tmp_path, tone):
    path = tmp_path / "stream.w64"
    soundfile.write(path, tone.T, RATE)
    content = bytearray(path.read_bytes())
    content[16:24] = b"\xff" * 8
    path.write_bytes(content)
    assert read_audio(path).samples.shape == tone.shape


@pytest.mark.parametrize("length", [0, 0x7F00_002E, 0x7FFF_F024, 0xFFFF_FFFF])
@pytest.mark.parametrize(("kind", "at", "order"), [("wav", 4, "little"), ("aiff", 4, "big")])
def test_a_file_whose_length_was_never_filled_in_is_read(tmp_path, tone, kind, at, order, length):
    """It was written to a pipe: programs put nothing there, or as much as fits."""
    path = tmp_path / f"stream.{kind}"
    soundfile.write(path, tone.T, RATE)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = length.to_bytes(4, order)
    path.write_bytes(content)
    assert read_audio(path).samples.shape == tone.shape


def test_an_empty_file(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(AudioError, match="empty"):
        read_audio(tmp_path / "empty.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_found_and_placed(tmp_path, tone, bad):
    tone[0, RATE // 2] = bad
    soundfile.write(tmp_path / "bad.wav", tone.T, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"first at 0\.500 s"):
        read_audio(tmp_path / "bad.wav")


def test_six_channels(tmp_path):
    soundfile.write(tmp_path / "surround.wav", np.zeros((100, 6)), RATE)
    with pytest.raises(AudioError, match="6 channels"):
        read_audio(tmp_path / "surround.wav")


def test_a_place_that_cannot_be_written(tmp_path, tone):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="Cannot write"):
        write_audio(tmp_path / "file" / "tone.wav", tone, RATE)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 192000])
def test_resampling_there_and_back_keeps_a_tone_in_place(tone, rate):
    back = resample(resample(tone, RATE, rate), rate, RATE)
    inside = slice(3000, -3000)
    np.testing.assert_allclose(back[:, inside], tone[:, inside], atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 48000, 44100])
def test_resampling_piece_by_piece_equals_resampling_at_once(tone, rate):
    stream = StreamResampler(RATE, rate, 2)
    pieces = np.split(tone, [1000, 1001, 30000], axis=1)
    joined = np.concatenate([stream.push(piece, last=i == 3) for i, piece in enumerate(pieces)], axis=1)
    whole = resample(tone, RATE, rate)
    assert abs(joined.shape[1] - whole.shape[1]) <= 1
    shortest = min(joined.shape[1], whole.shape[1])
    np.testing.assert_allclose(joined[:, :shortest], whole[:, :shortest], atol=1e-5)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "aiff", "mp3"])
def test_a_file_read_in_blocks_holds_what_it_holds_read_at_once(tmp_path, kind):
    """An MP3 does not where each read is followed by a seek: a frame borrows bits from those before it."""
    samples = 0.1 * np.random.default_rng(0).standard_normal((3 * BLOCK + 1, 2))
    soundfile.write(tmp_path / f"song.{kind}", samples, RATE)
    song = open_audio(tmp_path / f"song.{kind}")
    whole = soundfile.read(tmp_path / f"song.{kind}", dtype="float32")[0].T
    for _ in range(2):
        blocks = list(song.blocks())
        assert max(block.shape[1] for block in blocks) <= BLOCK
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)
    assert (song.channels, song.frames, song.sample_rate) == (*whole.shape, RATE)


def test_a_file_written_in_pieces_is_the_one_written_at_once(tmp_path, tone):
    write_audio(tmp_path / "whole.wav", tone, RATE, "made so")
    with writing(tmp_path / "pieces.wav", *tone.shape, RATE, "made so") as write:
        for piece in np.split(tone, [1, 1000, 40_000], axis=1):
            write(piece)
        assert not (tmp_path / "pieces.wav").exists()
    assert (tmp_path / "pieces.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_a_file_that_was_not_finished_is_not_there(tmp_path, tone, fault):
    def stopped() -> None:
        with writing(tmp_path / "half.wav", *tone.shape, RATE) as write:
            write(tone[:, :1000])
            raise fault

    with pytest.raises(fault):
        stopped()
    assert not list(tmp_path.iterdir())


def test_a_window_moves_over_a_stream_of_any_pieces():
    stream, rng = np.arange(2000).reshape(2, 1000), np.random.default_rng(0)
    window = Window(np.split(stream, np.sort(rng.integers(0, 1000, 30)), axis=1))
    start = stop = 0
    while stop < 1000:
        start = int(rng.integers(start, stop + 1))
        stop = max(stop, min(1000, start + int(rng.integers(0, 100))))
        np.testing.assert_array_equal(window.take(start, stop), stream[:, start:stop])


def test_what_a_killed_program_left_of_a_file_goes_when_it_is_written_again(tmp_path):
    old, new, other = (tmp_path / name for name in (".a[1].wav.x1.part", ".a[1].wav.x2.part", ".b.wav.x1.part"))
    for part in (old, new, other):
        part.touch()
    for part in (old, other):
        os.utime(part, (1e9, 1e9))
    write_audio(tmp_path / "a[1].wav", np.zeros((1, 10), np.float32), 8000)
    assert not old.exists()
    assert new.exists(), "somebody may be writing it"
    assert other.exists()
