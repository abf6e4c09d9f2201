"""The program as a user starts it, a tiny model for it, a song, and a server."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.models import write_tiny_model, write_tiny_text_model
from support.servers import PATIENCE, is_ready, until

from bridge.ports import free_port


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """A folder with tiny models in models/: "default", and "text", which understands prompts."""
    folder = tmp_path_factory.mktemp("home")
    write_tiny_model(folder / "models" / "default")
    write_tiny_text_model(folder / "models" / "text")
    return folder


@pytest.fixture
def stemweave(home, tmp_path):
    """Runs the program there; gives back the finished process."""
    environment = os.environ | {"STEMWEAVE_MODELS": str(home / "models"), "COLUMNS": "200", "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])  # this checkout, whichever one is installed

    def run(*arguments: object, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "bridge", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=4 * PATIENCE,
            check=False,
            **options,
        )

    run.environment = environment
    return run


@pytest.fixture
def song(tmp_path) -> Path:
    samples = 0.1 * np.random.default_rng(0).standard_normal((20_000, 2))
    soundfile.write(tmp_path / "song.wav", samples, 44100, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.fixture
def refused():
    """Checks that a program ended with exit code 1, in these words, without a traceback."""

    def check(process: subprocess.CompletedProcess, *words: str) -> None:
        assert process.returncode == 1, process.stderr
        assert "Traceback" not in process.stderr
        for word in words:
            assert word in process.stderr, process.stderr

    return check


@pytest.fixture
def served(stemweave, home):
    """A server started from the command line: (its port, its process)."""
    port = free_port()
    command = [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--osc-port", "0"]
    command += ["--folder", str(home.parent)]  # what the tests make
    process = subprocess.Popen(command, env=stemweave.environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: process.poll() is not None or is_ready(port), "a server")
        assert process.poll() is None
        yield port, process
    finally:
        process.kill()
        process.communicate()
