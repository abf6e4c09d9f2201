"""Audio files and arrays at the door: read, checked, resampled, written. Shapes are (channels, frames), float32, full scale 1."""

import glob
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from engine.errors import AudioError, ResourceError
from engine.headers import is_short, start_of_untold

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
BLOCK = 65_536  # frames read or written at once: libsndfile's Vorbis encoder overflows its stack on a whole song
ABANDONED = 3600.0  # seconds after which nobody goes on writing a file
WAV_LIMIT = 4_000_000_000  # bytes; RIFF sizes are 32 bits, RF64 goes on from there
UNTOLD = 2**40  # frames that no file has: libsndfile does not know how many there are


@dataclass(frozen=True)
class Audio:
    """samples: (channels, frames) float32; sample_rate in Hz."""

    samples: np.ndarray
    sample_rate: int


@dataclass(frozen=True)
class Song:
    """Audio that is read from its beginning, as often as needed, so that memory need not grow with its length.

    blocks(): (channels, n) float32 pieces in order, `frames` in all; AudioError where one holds what is no audio.
    """

    channels: int
    frames: int
    sample_rate: int
    blocks: Callable[[], Iterator[np.ndarray]]

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, frames), as an array has it."""
        return self.channels, self.frames

    def samples(self) -> np.ndarray:
        """All of it, (channels, frames)."""
        samples, at = np.empty(self.shape, dtype=np.float32), 0
        for block in self.blocks():
            samples[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return samples

    @classmethod
    def of(cls, samples: np.ndarray, sample_rate: int) -> "Song":
        """Of (channels, frames) in memory. AudioError as check_audio."""
        check_audio(samples, sample_rate)
        channels, frames = samples.shape
        starts = range(0, frames, BLOCK)
        return cls(
            channels, frames, sample_rate, lambda: (samples[:, at : at + BLOCK].astype(np.float32) for at in starts)
        )


def check_audio(samples: np.ndarray, sample_rate: int) -> None:
    """AudioError unless samples are (1 or 2, frames > 0), finite, at 8 to 192 kHz."""
    if samples.ndim != 2:
        raise AudioError(f"Audio must be (channels, frames), not an array of {samples.ndim} dimensions.")
    channels, frames = samples.shape
    check_format(channels, frames, sample_rate)
    check_values(samples, sample_rate)


def check_format(channels: int, frames: int, sample_rate: int) -> None:
    """AudioError unless there are 1 or 2 channels, any frames, and 8 to 192 kHz."""
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


def check_values(samples: np.ndarray, sample_rate: int, start: int = 0) -> None:
    """AudioError unless all of (channels, n) are numbers; start: frames of the song before them."""
    if not np.isfinite(samples).all():
        bad = start + int(np.argmin(np.isfinite(samples).all(axis=0)))
        raise AudioError(
            f"The audio holds values that are not numbers (NaN or infinite), first at {bad / sample_rate:.3f} s.",
            "A plug-in in the project most likely failed; export the track again.",
        )


def open_audio(path: str | Path) -> Song:
    """Any file libsndfile knows (WAV, AIFF, FLAC, OGG, MP3 ...), its header checked; the rest as it is read."""
    path = Path(path)
    if not path.exists():
        raise AudioError(f"There is no file {path}.", "Check the path and the spelling.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file.", "Name a file in it.")
    with _Forward.opened(path) as file:
        channels, frames, rate = file.channels, file.frames, file.samplerate
        if frames >= UNTOLD:
            frames = file.count()
    if is_short(path):
        raise _ends_early(path, frames / rate)
    check_format(channels, frames, rate)
    return Song(channels, frames, rate, lambda: _blocks(path, frames))


def open_raw(path: Path, channels: int, sample_rate: int) -> Song:
    """A file of nothing but interleaved float32, little endian. AudioError as open_audio."""
    frames = path.stat().st_size // (4 * channels)
    check_format(channels, frames, sample_rate)

    def blocks() -> Iterator[np.ndarray]:
        with open(path, "rb") as file:
            for at in range(0, frames, BLOCK):
                block = np.fromfile(file, "<f4", BLOCK * channels).reshape(-1, channels)
                check_values(block.T, sample_rate, at)
                yield np.ascontiguousarray(block.T)

    return Song(channels, frames, sample_rate, blocks)


def read_audio(path: str | Path) -> Audio:
    """All of a file that `open_audio` opens, checked."""
    song = open_audio(path)
    return Audio(song.samples(), song.sample_rate)


class _Forward(soundfile.SoundFile):
    """A file read from its beginning to its end. soundfile seeks after every read where it can, which makes an MP3 lose what one
    frame lends the next."""

    def seekable(self) -> bool:
        return False

    def count(self) -> int:
        """How many frames there are, by reading all that are left."""
        frames = 0
        while read := len(self.read(BLOCK, "float32")):
            frames += read
        return frames

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["_Forward"]:
        """AudioError for what goes wrong inside. An MP3 that does not say its length, which libsndfile then guesses and keeps to,
        is opened as an endless one."""
        try:
            with ExitStack() as files:
                file = files.enter_context(cls(path))
                if file.format == "MP3" and (start := start_of_untold(path)) is not None:
                    file = files.enter_context(cls(files.enter_context(_Endless(path, start))))
                yield file
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(
                f"{path} is not an audio file that can be read: {error}.", "WAV, AIFF, FLAC, OGG and MP3 can be."
            ) from error


class _Endless(io.FileIO):
    """A file from `start` on, far larger than it is by what it says of its end."""

    FAR = 2**50

    def __init__(self, path: Path, start: int):
        super().__init__(path)
        self._start, self._at_end = start, False
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at_end = whence == os.SEEK_END
        if not self._at_end:
            super().seek(offset + (self._start if whence == os.SEEK_SET else 0), whence)
        return self.tell()

    def tell(self) -> int:
        return self.FAR if self._at_end else super().tell() - self._start


def _blocks(path: Path, promised: int) -> Iterator[np.ndarray]:
    read = 0
    with _Forward.opened(path) as file:
        while read < promised and len(block := file.read(min(BLOCK, promised - read), "float32", always_2d=True)):
            check_values(block.T, file.samplerate, read)
            read += len(block)
            yield np.ascontiguousarray(block.T)
        if read < promised:
            raise _ends_early(path, read / file.samplerate)


def _ends_early(path: Path, seconds: float) -> AudioError:
    return AudioError(
        f"{path} ends early: only {seconds:.2f} s of it are there.",
        "The copy or the export was cut off; make it again.",
    )


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int, comment: str = "") -> Path:
    """Write (channels, frames) as 32-bit float WAV, whole or not at all; comment: goes into the file's metadata.
    ResourceError when the place cannot be written."""
    channels, frames = samples.shape
    with writing(path, channels, frames, sample_rate, comment) as write:
        write(samples)
    return Path(path)


@contextmanager
def writing(
    path: str | Path, channels: int, frames: int, sample_rate: int, comment: str = ""
) -> Iterator[Callable[[np.ndarray], None]]:
    """The same piece by piece: yields what takes (channels, n) in order, `frames` in all. The file is there once all went well."""
    path = Path(path)
    _remove_abandoned(path)
    kind = "RF64" if channels * frames * 4 > WAV_LIMIT else "WAV"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ResourceError(f"Cannot write in {path.parent}: {error.strerror}.", "Choose another folder.") from error
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            soundfile.SoundFile(raw, "w", sample_rate, channels, format=kind, subtype="FLOAT") as file,
        ):
            if comment:
                file.comment = comment
            yield lambda samples: _write(file, path, samples)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError | soundfile.LibsndfileError):
            raise _cannot_write(path, error) from error
        raise


def _remove_abandoned(path: Path) -> None:
    """What a program that was killed had written of it: nobody has touched that for long."""
    with suppress(OSError):
        for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


def _write(file: soundfile.SoundFile, path: Path, samples: np.ndarray) -> None:
    try:
        for start in range(0, samples.shape[1], BLOCK):
            file.write(samples[:, start : start + BLOCK].T)
    except (OSError, soundfile.LibsndfileError) as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: Exception) -> ResourceError:
    return ResourceError(f"Cannot write {path}: {error}.", "Make room on the disk, or choose another folder.")


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


def resampled(song: Song, rate: int) -> Iterator[np.ndarray]:
    """The song's blocks at another rate, together the frames that `resample` gives, and the same."""
    stream = StreamResampler(song.sample_rate, rate, song.channels)
    left, ahead = resampled_frames(song.frames, song.sample_rate, rate), song.frames
    for block in song.blocks():
        ahead -= block.shape[1]
        piece = stream.push(block, last=not ahead)
        if not ahead:
            piece = fit(piece, left)
        left -= piece.shape[1]
        yield piece


class Window:
    """A stretch of a stream of (..., n) pieces that only moves forward: what lies before it is forgotten."""

    def __init__(self, pieces: Iterable[np.ndarray]):
        self._pieces = iter(pieces)
        self._held: np.ndarray | None = None
        self._start = 0

    def take(self, start: int, stop: int) -> np.ndarray:
        """(..., stop - start): from `start`, which never decreases nor leaves anything out, to before `stop`."""
        held = [next(self._pieces) if self._held is None else self._held[..., start - self._start :]]
        there = sum(piece.shape[-1] for piece in held)
        while there < stop - start:
            held.append(next(self._pieces))
            there += held[-1].shape[-1]
        self._held, self._start = np.concatenate(held, axis=-1), start
        return self._held[..., : stop - start]
