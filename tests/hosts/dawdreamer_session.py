"""A session in DawDreamer: play a song through the VST3, have it separated, bounce the stems; or reopen a saved one.

    dawdreamer_session.py separate PLUGIN SONG BLOCK RESULT
    dawdreamer_session.py reopen   PLUGIN SONG BLOCK PRESET RESULT      a .vstpreset file

RESULT: out (12, frames), the track and the five stems, and job, what the plug-in says of it.
"""

import sys
import time

import dawdreamer
import numpy as np

RATE = 44100
PATIENCE = 600.0  # seconds


class Session:
    def __init__(self, plugin: str, song: np.ndarray, block: int):
        self.engine = dawdreamer.RenderEngine(RATE, block)
        self.seconds = song.shape[1] / RATE
        track = self.engine.make_playback_processor("track", song)
        self.plugin = self.engine.make_plugin_processor("stemweave", plugin)
        assert self.plugin.get_num_output_channels() == 12
        self.engine.load_graph([(track, []), (self.plugin, ["track"])])

    def play(self, seconds: float) -> np.ndarray:
        """From the beginning, faster than real time; what came out."""
        self.engine.render(seconds)
        return self.plugin.get_audio().copy()

    def says(self, parameter: str) -> str:
        return next(p["text"] for p in self.plugin.get_parameters_description() if p["name"] == parameter)

    def switch(self, parameter: str, on: bool) -> None:
        index = next(p["index"] for p in self.plugin.get_parameters_description() if p["name"] == parameter)
        self.plugin.set_parameter(index, float(on))
        self.play(0.01)

    def until(self, parameter: str, *values: str) -> None:
        end = time.monotonic() + PATIENCE
        while self.says(parameter) not in values:
            assert time.monotonic() < end, f"{parameter} stays {self.says(parameter)}"
            time.sleep(0.1)
            self.play(0.01)


def main(task: str, plugin: str, song_file: str, block: str, *files: str) -> None:
    song = np.load(song_file)
    session = Session(plugin, song, int(block))
    if task == "separate":
        session.until("Connection", "connected")
        session.play(session.seconds)
        session.switch("Separate", True)
        session.switch("Separate", False)
        session.until("Job", "done", "failed")
    else:
        assert session.plugin.load_vst3_preset(files[0])
    np.savez(files[-1], out=session.play(session.seconds), job=session.says("Job"))


if __name__ == "__main__":
    main(*sys.argv[1:])
