"""Renders whole data sets: song after song into Slakh's layout, resumable, the splits disjoint by construction."""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import soundfile

from engine.data.composer import COMPOSER, compose
from engine.data.mixing import mix
from engine.data.render import Renderer
from engine.data.song import SOURCES
from engine.data.tracks import ABOUT
from engine.errors import DataError

SPLITS = ("train", "validation", "heldout", "demo")
DEFAULT_FONTS = (Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),)
MIXING = 99  # so that the mixing dice are not the composer's

_renderer: Renderer | None = None  # a worker process's own, open as long as it lives


def song_seed(split: str, index: int) -> int:
    """Seed of a split's song; no two (split, index) share one, but by a chance of 2^-64."""
    return int.from_bytes(hashlib.sha256(f"stemweave {split} {index}".encode()).digest()[:8], "big")


def track_name(index: int) -> str:
    return f"Track{index:05d}"


def render_dataset(
    out: Path,
    split: str,
    songs: int,
    seconds: float,
    sound_fonts: Sequence[Path] = DEFAULT_FONTS,
    sample_rate: int = 44100,
    jobs: int = 1,
    first: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write out/TrackXXXXX/{source}.wav, 16-bit stereo, and track.json for songs first .. first + songs of a split.

    A source that does not play has no file. A track is there whole or not at all; those that are there (with their track.json) are
    left as they are. progress(done, of). Ctrl-C ends it quietly; what is complete stays, and the same call goes on from there.
    Two calls at once may share a folder, but no songs.
    """
    if split not in SPLITS:
        raise DataError(f"There is no split called '{split}'.", f"Splits: {', '.join(SPLITS)}.")
    out = Path(out)
    missing = [i for i in range(first, first + songs) if not (out / track_name(i) / ABOUT).exists()]
    report = progress or (lambda done, of: None)
    report(songs - len(missing), songs)
    if not missing:
        return
    try:
        work = _alone if jobs == 1 else _together
        for done, _ in enumerate(work(out, split, missing, seconds, sound_fonts, sample_rate, jobs), 1):
            report(songs - len(missing) + done, songs)
    except KeyboardInterrupt:
        return


def _alone(
    out: Path, split: str, missing: list[int], seconds: float, sound_fonts: Sequence[Path], sample_rate: int, jobs: int
):
    with Renderer(sound_fonts, sample_rate) as renderer:
        for index in missing:
            yield render_track(out, split, index, seconds, renderer, _names(sound_fonts))


def _together(
    out: Path, split: str, missing: list[int], seconds: float, sound_fonts: Sequence[Path], sample_rate: int, jobs: int
):
    Renderer(sound_fonts, sample_rate).close()  # what is wrong with the font is said here, not in every worker
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=_open, initargs=(sound_fonts, sample_rate)) as pool:
        fonts = _names(sound_fonts)
        futures = [pool.submit(_render_in_worker, out, split, index, seconds, fonts) for index in missing]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _names(sound_fonts: Sequence[Path]) -> str:
    return ", ".join(Path(font).name for font in sound_fonts)


def _open(sound_fonts: Sequence[Path], sample_rate: int) -> None:
    global _renderer
    _renderer = Renderer(sound_fonts, sample_rate)


def _render_in_worker(out: Path, split: str, index: int, seconds: float, fonts: str) -> Path:
    assert _renderer is not None
    return render_track(out, split, index, seconds, _renderer, fonts)


def render_track(out: Path, split: str, index: int, seconds: float, renderer: Renderer, fonts: str) -> Path:
    """Compose, render, mix and write one track. fonts: their names, for the record. Returns the track's folder."""
    song = compose(song_seed(split, index), seconds)
    stems = mix(renderer.render(song), np.random.default_rng([song.seed, MIXING]), renderer.sample_rate)
    folder = out / track_name(index)
    begun = folder.with_name(f".{folder.name}.new")  # which no reader takes for a track: what it lacks is not silence
    shutil.rmtree(begun, ignore_errors=True)  # a kill may have left it
    begun.mkdir(parents=True)
    for source, stem in stems.items():
        if stem.any():
            soundfile.write(begun / f"{source}.wav", stem.T, renderer.sample_rate, subtype="PCM_16")
    about = {
        "description": song.describe(),
        "split": split,
        "seed": song.seed,
        "composer": COMPOSER,
        "tempo_bpm": round(song.tempo_bpm, 3),
        "key": f"{song.key} {song.mode}",
        "meter": song.meter,
        "style": song.style,
        "programs": {source: part.program for source, part in song.parts.items()},
        "playing": {source: list(part.playing) for source, part in song.parts.items()},
        "sound_font": fonts,
    }
    (begun / ABOUT).write_text(json.dumps(about, indent=1))
    if folder.exists():
        _remove_half(folder)
    begun.rename(folder)
    return folder


def _remove_half(folder: Path) -> None:
    """What a kill of an older version left of a track, which it wrote in its place. DataError where there is more."""
    ours = {*(f"{source}.wav" for source in SOURCES), f".{ABOUT}.new"}
    if any(file.name not in ours for file in folder.iterdir()):
        raise DataError(f"{folder} holds other files than a rendered track.", "Render into another folder.")
    shutil.rmtree(folder)
