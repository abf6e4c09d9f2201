"""A song through the VST3 in pedalboard, which has no timeline: the plug-in runs its own clock.

    pedalboard_session.py PLUGIN SONG PRESET RESULT

RESULT: out (2, frames) of the first bus (pedalboard has no other), the kept track and stems (5, 2, frames). PRESET: where to
save the plug-in's state as a .vstpreset file, as hosts exchange them.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pedalboard
import soundfile

RATE = 44100
PATIENCE = 600.0
NAMES = ("bass", "drums", "guitar", "piano", "residual")


def main(plugin_file: str, song_file: str, preset: str, result: str) -> None:
    song = np.load(song_file)
    plugin = pedalboard.load_plugin(plugin_file)
    plugin.own_clock = True
    out = plugin.process(song, RATE, buffer_size=441, reset=True)
    plugin.takes_part = False  # what follows only keeps the parameters moving
    tick = np.zeros((2, 512), dtype=np.float32)
    end = time.monotonic() + PATIENCE
    plugin.separate = True
    takes = Path(os.environ["STEMWEAVE_TAKES"])  # pedalboard does not follow a plug-in's output parameters
    while not list(takes.glob("*/recipe.txt")) or list(takes.glob("*.part")):
        assert time.monotonic() < end, "no finished take appears"
        plugin.process(tick, RATE, reset=False)
        time.sleep(0.05)
    plugin.own_clock = False
    plugin.process(tick, RATE, reset=False)
    Path(preset).write_bytes(plugin.preset_data)
    (take,) = takes.iterdir()
    kept = {name: soundfile.read(take / f"{name}.wav", dtype="float32")[0].T for name in ("track", *NAMES)}
    stems = np.stack([kept[name] for name in NAMES])
    np.savez(result, out=out, track=kept["track"], stems=stems)


if __name__ == "__main__":
    main(*sys.argv[1:])
