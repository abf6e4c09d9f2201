"""Renders a song's parts through FluidSynth, one stem a source.

Every part is played by a synthesizer of its own, made in half a millisecond, to which a sound font is lent: loading it is
what takes time. So nothing of an earlier part can sound in a later one, and the same song gives the same bits, whatever
was rendered before.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from engine.data.song import SOURCES, Part, Song
from engine.errors import DataError

DRUM_CHANNEL, DRUM_BANK = 9, 128
GAIN = 0.4
RATES = (8000, 96000)  # Hz; FluidSynth silently bends others to these
BEND_RANGE = 2.0  # semitones, General MIDI's default
PEDAL, EXPRESSION = 64, 11
REVERB, CHORUS = 0.3, 0.2  # how often a part is played through the synthesizer's own
CHATTER = (2, 3, 4)  # FluidSynth's levels of log from warnings down; a bare synthesizer warns of each empty channel


class Renderer:
    """Holds sound fonts open for any number of songs; a context manager. DataError when FluidSynth or a font is missing.

    sound_fonts: an instrument is played by the first that has it. sample_rate: Hz, within RATES.
    """

    def __init__(self, sound_fonts: Sequence[Path], sample_rate: int = 44100):
        self._fluid = _fluidsynth()
        self.sample_rate = sample_rate
        for font in sound_fonts:
            if not Path(font).is_file():
                raise DataError(
                    f"There is no sound font {font}.",
                    "Install one (Debian: apt-get install fluid-soundfont-gm) or name another with --font.",
                )
        low, high = RATES
        if not low <= sample_rate <= high:
            raise DataError(
                f"FluidSynth renders at {low} to {high} Hz, not at {sample_rate} Hz.", "Render at 44100 Hz."
            )
        self._keeper = self._fluid.Synth(samplerate=float(sample_rate), channels=16)
        self._fonts = [self._load(font) for font in sound_fonts]

    def _load(self, font: Path):
        loaded = self._keeper.sfload(str(font))
        if loaded == -1:
            self.close()
            raise DataError(f"{font} is not a sound font FluidSynth can read.", "Name an .sf2 or .sf3 file.")
        return self._fluid.fluid_synth_get_sfont_by_id(self._keeper.synth, loaded)

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Free the sound fonts. Idempotent."""
        if self._keeper is not None:
            self._keeper.delete()
            self._keeper = None

    def render(self, song: Song) -> dict[str, np.ndarray]:
        """Every source's stem, (2, round(seconds * sample_rate)) float32; zeros for a source that does not play."""
        frames = round(song.seconds * self.sample_rate)
        stems = {}
        for place, source in enumerate(SOURCES):
            part = song.parts.get(source)
            stems[source] = np.zeros((2, frames), dtype=np.float32)
            if part is not None:
                self._play(part, source == "drums", np.random.default_rng([song.seed, 10 + place]), stems[source])
        return stems

    def _play(self, part: Part, drums: bool, rng: np.random.Generator, out: np.ndarray) -> None:
        """Write a part into out, (2, frames)."""
        library = self._fluid._fl
        effects = {"synth.reverb.active": int(rng.random() < REVERB), "synth.chorus.active": int(rng.random() < CHORUS)}
        synth = self._fluid.Synth(gain=GAIN, samplerate=float(self.sample_rate), channels=16, **effects)
        channel, bank = (DRUM_CHANNEL, DRUM_BANK) if drums else (0, 0)
        lent, program = self._preset(bank, part.program)
        font = library.fluid_synth_add_sfont(synth.synth, lent)
        try:
            room, damping, level = rng.uniform(0.1, 0.9), rng.uniform(0, 0.8), rng.uniform(0.1, 0.7)
            synth.set_reverb(roomsize=float(room), damping=float(damping), level=float(level), width=0.5)
            synth.program_select(channel, font, bank, program)
            if effects["synth.reverb.active"]:
                synth.cc(channel, 91, int(rng.integers(20, 100)))
            if effects["synth.chorus.active"]:
                synth.cc(channel, 93, int(rng.integers(20, 100)))
            at = 0
            for time, _, send, arguments in sorted(_messages(part), key=lambda message: message[:2]):
                ahead = min(out.shape[1], round(time * self.sample_rate))
                at = self._draw(synth, out, at, ahead)
                getattr(synth, send)(channel, *arguments)
            self._draw(synth, out, at, out.shape[1])
        finally:
            synth.all_sounds_off(-1)  # no voice may hold on to the font's samples
            library.fluid_synth_remove_sfont(synth.synth, lent)
            synth.delete()

    def _preset(self, bank: int, program: int):
        """The font that plays a program, and as which: small fonts lack some kits."""
        for number in (program, 0):
            for font in self._fonts:
                if self._fluid.fluid_sfont_get_preset(font, bank, number):
                    return font, number
        return self._fonts[0], 0

    def _draw(self, synth, out: np.ndarray, start: int, end: int) -> int:
        """Fill out[:, start:end] straight from the synthesizer, as floats: no clipping, no dither."""
        if end > start:
            left, right = out[0].ctypes.data, out[1].ctypes.data
            self._fluid._fl.fluid_synth_write_float(synth.synth, end - start, left, start, 1, right, start, 1)
        return max(start, end)


def _messages(part: Part):
    """(seconds, order at one moment, method of the synthesizer, its arguments): note-offs, then controllers, then note-ons."""
    for note in part.notes:
        yield note.start_s, 2, "noteon", (note.pitch, note.velocity)
        yield note.end_s, 0, "noteoff", (note.pitch,)
    for control in part.controls:
        if control.kind == "bend":
            yield control.time_s, 1, "pitch_bend", (round(control.value / BEND_RANGE * 8191),)
        else:
            number = PEDAL if control.kind == "pedal" else EXPRESSION
            yield control.time_s, 1, "cc", (number, round(control.value * 127))


def _fluidsynth() -> ModuleType:
    """The binding, with the three calls it lacks declared."""
    try:
        import fluidsynth
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"Rendering needs FluidSynth, which cannot be loaded: {error}.",
            "Install it (Debian: apt-get install libfluidsynth3) and pip install 'stemweave[train]'.",
        ) from error
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library = fluidsynth._fl
    for name, arguments in {
        "fluid_synth_add_sfont": (pointer, pointer),
        "fluid_synth_remove_sfont": (pointer, pointer),
        "fluid_synth_write_float": (pointer, integer, pointer, integer, integer, pointer, integer, integer),
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, integer
    for level in CHATTER:
        library.fluid_set_log_function(level, None, None)
    return fluidsynth
