"""Playing a stem through sounddevice, imported only when somebody wants to hear something."""

import numpy as np

from engine.errors import PresetError, ResourceError


def sounddevice():
    """The module; ResourceError with what to install when PortAudio is missing (the import itself fails then)."""
    try:
        import sounddevice as module
    except OSError as error:
        raise ResourceError(
            "The sound library PortAudio is not installed, so nothing can be played.",
            "Install it (Debian, Ubuntu: apt-get install libportaudio2). The stems are written all the same.",
        ) from error
    return module


def check_stem(stem: str, names: list[str]) -> None:
    """PresetError when there will be no such stem to play."""
    if stem not in names:
        raise PresetError(f"There is no stem called '{stem}' to play.", f"Stems: {', '.join(names)}.")


def play(samples: np.ndarray, sample_rate: int) -> None:
    """Play (channels, frames) to its end on the default output. ResourceError when there is no device for it."""
    module = sounddevice()
    try:
        module.play(samples.T, sample_rate, blocking=True)
    except module.PortAudioError as error:
        raise ResourceError(
            f"The stem cannot be played here: {error}.",
            "Connect a sound device and see: stemweave doctor. The stems are written.",
        ) from error
