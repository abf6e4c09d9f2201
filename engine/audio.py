"""Audio files and arrays at the door: read, checked, resampled, written. Shapes are (channels, frames), float32, full scale 1."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from engine.errors import AudioError, ResourceError

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
BLOCK = 65_536  # frames written at once: libsndfile's Vorbis encoder overflows its stack on a whole song
WAV_LIMIT = 4_000_000_000  # bytes; RIFF sizes are 32 bits, RF64 goes on from there


@dataclass(frozen=True)
class Audio:
    """samples: (channels, frames) float32; sample_rate in Hz."""

    samples: np.ndarray
    sample_rate: int


def check_audio(samples: np.ndarray, sample_rate: int) -> None:
    """AudioError unless samples are (1 or 2, frames > 0), finite, at 8 to 192 kHz."""
    if samples.ndim != 2:
        raise AudioError(f"Audio must be (channels, frames), not an array of {samples.ndim} dimensions.")
    channels, frames = samples.shape
    if channels not in (1, 2):
        raise AudioError(
            f"The audio has {channels} channels; stemweave takes mono and stereo.",
            "Mix it down to stereo and try again.",
        )
    if frames == 0:
        raise AudioError("The audio is empty: it holds no samples.", "Export the track again.")
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise AudioError(
            f"The sample rate is {sample_rate} Hz; stemweave takes {LOWEST_RATE} to {HIGHEST_RATE} Hz.",
            "Resample the file and try again.",
        )
    if not np.isfinite(samples).all():
        bad = int(np.argmin(np.isfinite(samples).all(axis=0)))
        raise AudioError(
            f"The audio holds values that are not numbers (NaN or infinite), first at {bad / sample_rate:.3f} s.",
            "A plug-in in the project most likely failed; export the track again.",
        )


def read_audio(path: str | Path) -> Audio:
    """Read any file libsndfile knows (WAV, AIFF, FLAC, OGG, MP3 ...) and check it."""
    path = Path(path)
    if not path.exists():
        raise AudioError(f"There is no file {path}.", "Check the path and the spelling.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file.", "Name a file in it.")
    try:
        with soundfile.SoundFile(path) as file:
            promised, rate = file.frames, file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            f"{path} is not an audio file that can be read: {error}.", "WAV, AIFF, FLAC, OGG and MP3 can be."
        ) from error
    if len(samples) < promised or _riff_is_short(path):
        raise AudioError(
            f"{path} ends early: only {len(samples) / rate:.2f} s of it are there.",
            "The copy or the export was cut off; make it again.",
        )
    audio = Audio(np.ascontiguousarray(samples.T), rate)
    check_audio(audio.samples, rate)
    return audio


def _riff_is_short(path: Path) -> bool:
    """Whether a WAV's header promises more bytes than the file has, which libsndfile passes over in silence."""
    with open(path, "rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return False
    promised = int.from_bytes(head[4:8], "little") + 8
    unknown = promised >= 0xFFFF_FFF0 or promised <= 8  # written by a stream that could not seek back
    return not unknown and promised > path.stat().st_size + 1  # some writers forget the last padding byte


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int, comment: str = "") -> Path:
    """Write (channels, frames) as 32-bit float WAV, whole or not at all; comment: goes into the file's metadata.
    ResourceError when the place cannot be written."""
    path = Path(path)
    kind = "RF64" if samples.size * 4 > WAV_LIMIT else "WAV"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ResourceError(f"Cannot write in {path.parent}: {error.strerror}.", "Choose another folder.") from error
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            soundfile.SoundFile(raw, "w", sample_rate, len(samples), format=kind, subtype="FLOAT") as file,
        ):
            if comment:
                file.comment = comment
            for start in range(0, samples.shape[1], BLOCK):
                file.write(samples[:, start : start + BLOCK].T)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except (OSError, soundfile.LibsndfileError) as error:
        Path(name).unlink(missing_ok=True)
        raise ResourceError(
            f"Cannot write {path}: {error}.", "Make room on the disk, or choose another folder."
        ) from error
    return path


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """(channels, frames) at another rate by soxr's best quality; round(frames * to / from) frames come back."""
    if from_rate == to_rate:
        return samples
    wanted = resampled_frames(samples.shape[1], from_rate, to_rate)
    return fit(soxr.resample(samples.T, from_rate, to_rate, quality="VHQ").T, wanted)


def resampled_frames(frames: int, from_rate: int, to_rate: int) -> int:
    """How many frames `frames` become at another rate, never none."""
    return max(1, round(frames * to_rate / from_rate))


def fit(samples: np.ndarray, frames: int) -> np.ndarray:
    """Cut or pad with zeros at the end to exactly `frames`."""
    short = frames - samples.shape[-1]
    return samples[..., :frames] if short <= 0 else np.pad(samples, ((0, 0), (0, short)))


class StreamResampler:
    """(channels, frames) pieces in order, resampled without seams; `last` flushes what the filter still holds."""

    def __init__(self, from_rate: int, to_rate: int, channels: int):
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="VHQ")

    def push(self, samples: np.ndarray, last: bool) -> np.ndarray:
        if self._stream is None:
            return samples
        out = self._stream.resample_chunk(np.ascontiguousarray(samples.T), last=last)
        return out.reshape(-1, samples.shape[0]).T
