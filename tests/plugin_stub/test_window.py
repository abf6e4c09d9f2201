"""What the plug-in's window shows and where, without a screen: its C++ tests."""

import subprocess

import pytest
from support.servers import PATIENCE


@pytest.mark.parametrize("sanitize", ["", "address,undefined"])
def test_the_window_says_and_places_what_it_should(command, sanitize):
    run = subprocess.run(command("test_window", sanitize), capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr
