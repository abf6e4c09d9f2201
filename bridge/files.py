"""Tasks on files of this machine, for the command line and OSC: stems by name or by folder in, stems and their recipe out."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from engine.audio import Song, open_audio, read_audio, writing
from engine.errors import AudioError, PresetError, ResourceError
from engine.recipe import NAME, Recipe, read_recipe
from engine.request import AFTER, MIXTURE, RESIDUAL, Request

SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")
NO_STEMS = (RESIDUAL, MIXTURE)  # what `separate` and the demo write beside stems


def path_in(text: str) -> str:
    """The path in one of the texts that `stem_paths` reads."""
    return text.partition("=")[2] if "=" in text else text.removeprefix(AFTER)


def stem_paths(given: list[str], role: str = "", found_at: Callable[[str | Path], Path] = Path) -> dict[str, Path]:
    """NAME=FILE, or a folder whose files are called after their sources: {role + name: path}. "after:FOLDER" for another role.

    found_at: gives the path to use for one that was given or found in a folder, or raises.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, _ = text.partition("=")
        if text.startswith(AFTER) and not equals:
            found |= stem_paths([path_in(text)], AFTER, found_at)
        elif equals:
            found[role + name] = found_at(path_in(text))
        elif (folder := found_at(text)).is_dir():
            files = [f for f in sorted(folder.iterdir()) if f.suffix.lower() in SUFFIXES and f.stem not in NO_STEMS]
            if not files:
                raise AudioError(
                    f"There is no audio in the folder {text}.", "Its files are to be called bass.wav and so on."
                )
            found |= {role + file.stem: found_at(file) for file in files}
        else:
            raise PresetError(
                f"'{text}' is not a stem.", "Give NAME=FILE, for example bass=take3.wav, or a folder of stems."
            )
    return found


def read_parts(paths: dict[str, Path]) -> tuple[int, list[tuple[str, np.ndarray | Song]]]:
    """Sample rate and audio by role, the mixture as a song that is not in memory. AudioError where files differ in their rate."""
    audio = {role: open_audio(path) if role == MIXTURE else read_audio(path) for role, path in paths.items()}
    rates = {a.sample_rate for a in audio.values()}
    if len(rates) > 1:
        told = ", ".join(f"{paths[role].name} {a.sample_rate} Hz" for role, a in audio.items())
        raise AudioError(f"The files differ in sample rate: {told}.", "Export them at one rate.")
    return rates.pop(), [(role, a if isinstance(a, Song) else a.samples) for role, a in audio.items()]


def prepare(folder: Path) -> None:
    """Make the folder and see that it can be written, before any work is done."""
    another = "Choose another folder for the stems."
    if folder.exists() and not folder.is_dir():
        raise ResourceError(f"{folder} is a file, not a folder for stems.", another)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResourceError(f"Cannot write in {folder}: {error.strerror}.", another) from error


def spare(given: Iterable[Path], folder: Path, names: Iterable[str]) -> None:
    """ResourceError where a stem of one of these names would replace, in the folder, what it is made from."""
    places = [folder / f"{name}.wav" for name in names]
    for path in given:
        if any(place.exists() and place.samefile(path) for place in places):
            raise ResourceError(
                f"A stem called {path.name} would replace what it is made from.", "Choose another folder for the stems."
            )


def spare_others(folder: Path, names: Iterable[str]) -> None:
    """ResourceError where stems of these names and their recipe would replace, in the folder, what stemweave did not write."""
    places = [folder / NAME, *(folder / f"{name}.wav" for name in names)]
    others = [place.name for place in places if (place.exists() or place.is_symlink()) and not _is_ours(place)]
    if others:
        raise ResourceError(
            f"{folder} already holds {', '.join(others)}, which stemweave did not write.",
            "Choose another folder for the stems, or move what is there.",
        )


def _is_ours(path: Path) -> bool:
    """Whether it carries a recipe. Stemweave makes no links: what one leads to is not even looked at."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        read_recipe(path)
    except AudioError:
        return False
    return True


def write_stems(
    folder: Path,
    stretches: Iterable[dict[str, np.ndarray]],
    request: Request,
    recipe: Recipe,
    before: Callable[[], None] = lambda: None,
) -> dict[str, Path]:
    """Stems that come in stretches, each stem as WAV with the recipe in it, and the recipe beside them; the paths by name. They are
    there when all of them are whole. Without a mixture there is but one stretch. before: asked when all are whole and replace
    nothing yet; what it raises leaves everything as it was."""
    text, write, paths = recipe.text(), {}, {}
    with ExitStack() as files:
        for stretch in stretches:
            for name, piece in stretch.items():
                if name not in paths:
                    channels, frames = piece.shape if request.mixture is None else request.mixture.shape
                    paths[name] = folder / f"{name}.wav"
                    write[name] = files.enter_context(writing(paths[name], channels, frames, request.sample_rate, text))
                write[name](piece)
        before()
    _write_recipe(folder / NAME, text + "\n")
    return paths


def _write_recipe(path: Path, text: str) -> None:
    """Whole or not at all, and over a link rather than through it."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # of a program that was killed
    with open(part, "x") as file:
        file.write(text)
    part.replace(path)
