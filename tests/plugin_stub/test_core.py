"""The plug-in's real-time core: its C++ tests, and random transport under every guard there is."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.servers import PATIENCE

SECONDS = "3"  # of work on random transport here; ten minutes: build/plugin-tests-plain/fuzz_core 600


def fuzz(command: list[str], *arguments: str, guard: Path | None = None) -> subprocess.CompletedProcess:
    environment = os.environ | ({"LD_PRELOAD": str(guard)} if guard else {})
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def guarded(build, command) -> Callable[..., subprocess.CompletedProcess]:
    """guarded(seconds, ...): under the guard of the audio thread."""
    return partial(fuzz, command("fuzz_core"), guard=build() / "rtguard.so")


@pytest.mark.parametrize("sanitize", ["", "address,undefined", "thread"])
def test_the_core_keeps_time_and_memory(command, sanitize):
    run = subprocess.run(command("test_core", sanitize), capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("sanitize", ["address,undefined", "thread"])
def test_random_transport_is_clean_under_sanitizers(command, sanitize):
    run = fuzz(command("fuzz_core", sanitize), SECONDS)
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["sounded"] > 0
    assert result["recorded"] > 0


def test_random_transport_neither_allocates_nor_locks_nor_calls_the_system(guarded):
    run = guarded(SECONDS)
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["guard"]
    assert result["filter"]
    assert result["wrong"] == result["violations"] == 0
    assert result["sounded"] > 1e6
    assert result["recorded"] > 1e5


@pytest.mark.parametrize("fault", ["malloc", "lock", "syscall", "shift"])
def test_a_planted_fault_is_found(guarded, fault):
    assert guarded("0.3", "1", "--plant", fault).returncode != 0


def test_the_cost_of_the_callback_is_reported_for_what_it_does(build):
    run = subprocess.run([build() / "callback_cost", "0.05"], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    machine, *rows = run.stdout.splitlines()
    assert "64 samples at 48000 Hz" in machine
    assert [row.split("median")[0].strip() for row in rows] == [
        "passing through",
        "and recording",
        "and playing five stems",
    ]
    for row in rows:
        median, nearly_all, worst = map(float, re.findall(r"([\d.]+) %", row))
        assert 0 < median <= nearly_all <= worst
