"""Renders whole data sets: song after song into Slakh's layout, resumable, the splits disjoint by construction."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import soundfile

from engine.data.composer import compose
from engine.data.mixing import mix
from engine.data.render import render_song
from engine.errors import DataError

SPLITS = ("train", "validation", "heldout", "demo")
ABOUT = "track.json"
DEFAULT_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


def song_seed(split: str, index: int) -> int:
    """Seed of a split's song; no two (split, index) share one, but by a chance of 2^-64."""
    return int.from_bytes(hashlib.sha256(f"stemweave {split} {index}".encode()).digest()[:8], "big")


def render_dataset(
    out: Path,
    split: str,
    songs: int,
    seconds: float,
    sound_font: Path = DEFAULT_FONT,
    sample_rate: int = 44100,
    jobs: int = 1,
    first: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write out/TrackXXXXX/{source}.wav, 16-bit stereo, and track.json for songs first .. first + songs of a split.

    A source that does not play has no file. Tracks that are complete (track.json is written last) are left as they are.
    progress(done, of).
    """
    if split not in SPLITS:
        raise DataError(f"There is no split called '{split}'.", f"Splits: {', '.join(SPLITS)}.")
    missing = [i for i in range(first, first + songs) if not (out / track_name(i) / ABOUT).exists()]
    done = songs - len(missing)
    if progress:
        progress(done, songs)
    arguments = [(out, split, index, seconds, sound_font, sample_rate) for index in missing]
    if jobs == 1:
        results = (render_track(*argument) for argument in arguments)
        for count, _ in enumerate(results, done + 1):
            if progress:
                progress(count, songs)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(render_track, *argument) for argument in arguments]
        try:
            for count, future in enumerate(as_completed(futures), done + 1):
                future.result()
                if progress:
                    progress(count, songs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def track_name(index: int) -> str:
    return f"Track{index:05d}"


def render_track(out: Path, split: str, index: int, seconds: float, sound_font: Path, sample_rate: int) -> Path:
    """Compose, render, mix and write one track. Returns its folder."""
    song = compose(song_seed(split, index), seconds)
    stems = render_song(song, sound_font, sample_rate)
    stems = mix(stems, sample_rate, np.random.default_rng([song.seed, 2]))
    folder = out / track_name(index)
    folder.mkdir(parents=True, exist_ok=True)
    for source, stem in stems.items():
        if stem.any():
            soundfile.write(folder / f"{source}.wav", stem.T, sample_rate, subtype="PCM_16")
    about = {
        "description": song.describe(),
        "split": split,
        "seed": song.seed,
        "tempo_bpm": round(song.tempo_bpm, 3),
        "key": f"{song.key} {song.mode}",
        "style": song.style,
        "programs": {source: part.program for source, part in song.parts.items()},
        "sound_font": Path(sound_font).name,
    }
    temporary = folder / f".{ABOUT}.new"
    temporary.write_text(json.dumps(about, indent=1))
    temporary.replace(folder / ABOUT)
    return folder
