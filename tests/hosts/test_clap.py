"""The CLAP in a small host of our own (Debian and PyPI have none that plays one), with a live server."""

import json
import os
import subprocess

from support.servers import PATIENCE, running
from support.tools import cmake_build


def test_the_clap_plays_stems_where_the_timeline_is_not_where_the_steady_clock_is(formats, tmp_path):
    folder = cmake_build("plugin-tests-plain", "-DSTEMWEAVE_TESTS=ON", "-DSTEMWEAVE_PLUGIN=OFF")
    with running() as server:
        environment = {
            **os.environ,
            "STEMWEAVE_SERVER": f"tcp://127.0.0.1:{server.port}",
            "STEMWEAVE_TAKES": str(tmp_path),
        }
        run = subprocess.run(
            [folder / "clap_host", formats / "stemweave.clap"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["outputs"] == 12
    assert result["track_wrong"] == result["other"] == 0
    assert result["halves"] > 3.99 * result["frames"]  # two stereo stems, each half of the song
