"""Jobs, their stems and the cache, without a server: their C++ tests."""

import subprocess

import pytest
from support.servers import PATIENCE


@pytest.mark.parametrize("sanitize", ["", "address,undefined"])
def test_jobs_end_as_they_should_and_takes_are_kept(command, sanitize):
    run = subprocess.run(command("test_jobs", sanitize), capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr
