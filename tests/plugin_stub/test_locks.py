"""Locked cells of the grid of stems and time: their C++ tests."""

import subprocess

import pytest
from support.servers import PATIENCE


@pytest.mark.parametrize("sanitize", ["", "address,undefined"])
def test_locked_cells_are_kept(command, sanitize):
    run = subprocess.run(command("test_locks", sanitize), capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr
