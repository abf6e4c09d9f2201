"""The built plug-in, a live server with the embedded model, and a song, for tests that drive real hosts.

Every host runs in a process of its own (a crash of a host is a failed test, not a dead test run).
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.servers import PATIENCE
from support.tools import cmake_build
from support.window import Plugin

from bridge.demo import running_server
from engine.audio import read_audio
from presets import DEMO

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def formats() -> Path:
    """The folder with stemweave.vst3, stemweave.clap, stemweave.lv2 and the JACK program stemweave, made by `make plugin`."""
    run = subprocess.run(["make", "-C", str(ROOT), "plugin"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return ROOT / "build" / "plugin" / "bin"


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the small hosts of tests/plugin_stub, made without sanitizers, which plug-ins could not be loaded beside."""
    return cmake_build("plugin-tests-plain", "-DSTEMWEAVE_TESTS=ON", "-DSTEMWEAVE_PLUGIN=OFF")


@pytest.fixture(scope="session")
def live_server() -> Iterator[str]:
    """Address of a real `stemweave serve` with the embedded model."""
    with running_server() as address:
        yield address


@pytest.fixture(scope="session")
def song_file(tmp_path_factory) -> Path:
    """Five seconds of the demo song, (2, frames) float32 at 44.1 kHz, as a .npy file."""
    stems = [read_audio(DEMO / f"{source}.flac").samples for source in ("bass", "drums", "guitar", "piano")]
    path = tmp_path_factory.mktemp("song") / "song.npy"
    np.save(path, np.sum(stems, axis=0, dtype=np.float32)[:, : 5 * 44100])
    return path


@pytest.fixture
def in_host(tmp_path) -> Callable[..., dict[str, np.ndarray]]:
    """in_host(script, server, ...): run a script of this folder; the arrays it saved to its last argument."""

    def run(script: str, server: str, *arguments: object) -> dict[str, np.ndarray]:
        result = tmp_path / "result.npz"
        environment = {
            **os.environ,
            "STEMWEAVE_SERVER": server,
            "STEMWEAVE_TAKES": str(tmp_path / "takes"),
        }
        command = [sys.executable, str(HERE / script), *map(str, arguments), str(result)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=4 * PATIENCE)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return dict(np.load(result))

    return run


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of 1600 x 1200 that nobody sees."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as says:
        number = says.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    """Eight seconds of the demo song, which the capture's ring holds at once: stereo float32, interleaved."""
    stems = [read_audio(DEMO / f"{source}.flac").samples for source in ("bass", "drums", "guitar", "piano")]
    path = tmp_path_factory.mktemp("song") / "song.f32"
    np.sum(stems, axis=0, dtype=np.float32).T[: 8 * 48000].astype("<f4").tofile(path)
    return path


@pytest.fixture
def plugin(formats, display, tmp_path):
    """plugin(server): the CLAP in its host; its window is not open yet."""
    programs = cmake_build("plugin-tests-plain", "-DSTEMWEAVE_TESTS=ON", "-DSTEMWEAVE_PLUGIN=OFF")
    plugins = []

    def start(server: str, **environment: str) -> Plugin:
        clap = formats / "stemweave.clap"
        plugins.append(
            Plugin(programs / "window_host", clap, tmp_path, DISPLAY=display, STEMWEAVE_SERVER=server, **environment)
        )
        return plugins[-1]

    yield start
    for each in plugins:
        each.close()
