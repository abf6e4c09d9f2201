"""Renders a song's parts through FluidSynth, one stem a source."""

from pathlib import Path

import numpy as np

from engine.data.song import SOURCES, Part, Song
from engine.errors import DataError

DRUM_CHANNEL, DRUM_BANK = 9, 128
GAIN = 0.5  # of the synthesizer: loud enough for 16 bits, quiet enough not to clip a full chord
BEND_RANGE = 2.0  # semitones, General MIDI's default
PEDAL, EXPRESSION = 64, 11


def render_song(song: Song, sound_font: Path, sample_rate: int = 44100) -> dict[str, np.ndarray]:
    """Every source's stem, (2, round(seconds * sample_rate)) float32; zeros for a source that does not play.

    The synthesizer is made anew for each song, so nothing of an earlier one can sound in it: the same song gives the same
    bits, whatever was rendered before. DataError when FluidSynth or the sound font is missing.
    """
    frames = round(song.seconds * sample_rate)
    effects = np.random.default_rng([song.seed, 1])
    synth, font = _synth(sound_font, sample_rate)
    try:
        stems = {}
        for source in SOURCES:
            synth.set_reverb(roomsize=float(effects.uniform(0.1, 0.9)), level=float(effects.uniform(0.1, 0.8)))
            synth.setting("synth.reverb.active", int(effects.random() < 0.35))
            synth.setting("synth.chorus.active", int(effects.random() < 0.2))
            part = song.parts.get(source)
            silent = np.zeros((2, frames), dtype=np.float32)
            stems[source] = silent if part is None else _render_part(synth, font, part, source, frames, sample_rate)
        return stems
    finally:
        synth.delete()


def _synth(sound_font: Path, sample_rate: int):
    try:
        import fluidsynth
    except ImportError as error:
        raise DataError(
            f"Rendering needs FluidSynth, which cannot be loaded: {error}.",
            "Install it (Debian: apt-get install libfluidsynth3) and pip install 'stemweave[train]'.",
        ) from error
    if not Path(sound_font).is_file():
        raise DataError(
            f"There is no sound font {sound_font}.",
            "Install one (Debian: apt-get install fluid-soundfont-gm) or name another with --font.",
        )
    synth = fluidsynth.Synth(gain=GAIN, samplerate=float(sample_rate))
    font = synth.sfload(str(sound_font))
    if font == -1:
        synth.delete()
        raise DataError(f"{sound_font} is not a sound font FluidSynth can read.", "Name an .sf2 or .sf3 file.")
    return synth, font


def _render_part(synth, font: int, part: Part, source: str, frames: int, sample_rate: int) -> np.ndarray:
    """(2, frames): notes and controllers in order of time, audio drawn up to each."""
    channel, bank = (DRUM_CHANNEL, DRUM_BANK) if source == "drums" else (0, 0)
    synth.system_reset()
    synth.program_select(channel, font, bank, part.program)
    pieces, at = [], 0
    for time, _, send in sorted(_messages(synth, channel, part), key=lambda message: message[:2]):
        ahead = min(frames, round(time * sample_rate)) - at
        if ahead > 0:
            pieces.append(synth.get_samples(ahead))
            at += ahead
        send()
    if at < frames:
        pieces.append(synth.get_samples(frames - at))
    return np.concatenate(pieces).reshape(-1, 2).T.astype(np.float32) / 32768


def _messages(synth, channel: int, part: Part):
    """(seconds, order at one moment, what to send): note-offs before controllers before note-ons."""
    for note in part.notes:
        yield note.start_s, 2, lambda n=note: synth.noteon(channel, n.pitch, n.velocity)
        yield note.end_s, 0, lambda n=note: synth.noteoff(channel, n.pitch)
    for control in part.controls:
        if control.kind == "bend":
            bend = round(control.value / BEND_RANGE * 8191)
            yield control.time_s, 1, lambda b=bend: synth.pitch_bend(channel, b)
        else:
            number = PEDAL if control.kind == "pedal" else EXPRESSION
            value = round(control.value * 127)
            yield control.time_s, 1, lambda n=number, v=value: synth.cc(channel, n, v)
