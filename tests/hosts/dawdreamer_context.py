"""Three tracks in DawDreamer, each through an instance of its own, played one after another; then the first asks for something.

    dawdreamer_context.py PLUGIN STEMS Accompany RESULT         the missing stem
    dawdreamer_context.py PLUGIN STEMS Infill FROM TO RESULT    a stretch of the bass, in seconds

STEMS: (3, 2, frames), of the sources bass, drums and guitar. RESULT: out (12, frames) of the instance that asked, after the job,
and job, what it says of that.
"""

import sys
import time
from collections.abc import Callable

import dawdreamer
import numpy as np

RATE, BLOCK = 44100, 512
PATIENCE = 600.0  # seconds
LONGEST = 7200.0  # seconds that a stretch may be told of
BASS, DRUMS, GUITAR = 1, 2, 3  # of the menu "Track is"


class Instance:
    def __init__(self, engine, plugin: str, number: int, stem: np.ndarray):
        self.engine = engine
        self.track = engine.make_playback_processor(f"track{number}", stem)
        self.plugin = engine.make_plugin_processor(f"stemweave{number}", plugin)
        self.seconds = stem.shape[1] / RATE
        self.set("Track is", number / 4)  # VST3 counts everything from 0 to 1

    def play(self, seconds: float) -> np.ndarray:
        """This track alone, from the beginning."""
        self.engine.load_graph([(self.track, []), (self.plugin, [self.track.get_name()])])
        self.engine.render(seconds)
        return self.plugin.get_audio().copy()

    def says(self, parameter: str) -> str:
        return next(p["text"] for p in self.plugin.get_parameters_description() if p["name"] == parameter)

    def set(self, parameter: str, value: float) -> None:
        index = next(p["index"] for p in self.plugin.get_parameters_description() if p["name"] == parameter)
        self.plugin.set_parameter(index, value)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, [(p["name"], p["text"]) for p in self.plugin.get_parameters_description()]
            time.sleep(0.1)
            self.play(0.01)


def main(plugin: str, stems_file: str, task: str, *places: str) -> None:
    *stretch, result = places
    stems = np.load(stems_file)
    engine = dawdreamer.RenderEngine(RATE, BLOCK)
    instances = [
        Instance(engine, plugin, number, stem) for number, stem in zip((BASS, DRUMS, GUITAR), stems, strict=True)
    ]
    for instance in instances:
        instance.until(lambda each=instance: each.says("Connection") == "connected")
        instance.play(instance.seconds)
    asker = instances[0]
    asker.until(lambda: asker.says("Tracks that take part").split(".")[0] == "3")
    if stretch:
        for name in ("drums", "guitar", "piano"):
            asker.set(f"Want {name}", 0.0)
        for name, seconds in zip(("Fill from", "Fill to"), stretch, strict=True):
            asker.set(name, float(seconds) / LONGEST)
    asker.set(task, 1.0)
    asker.until(lambda: asker.says("Job") in ("done", "failed"))
    np.savez(result, out=asker.play(asker.seconds), job=asker.says("Job"))


if __name__ == "__main__":
    main(*sys.argv[1:])
