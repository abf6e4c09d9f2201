"""The plug-in's real-time core: its C++ tests, and random transport under every guard there is."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from support.servers import PATIENCE

SECONDS = "3"  # of work on random transport here; ten minutes: build/plugin-tests-plain/fuzz_core 600


def fuzz(folder: Path, *arguments: str, guard: bool = True) -> subprocess.CompletedProcess:
    environment = dict(os.environ)
    if guard:
        environment["LD_PRELOAD"] = str(folder / "rtguard.so")
    command = [str(folder / "fuzz_core"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("sanitize", ["", "address,undefined", "thread"])
def test_the_core_keeps_time_and_memory(build, sanitize):
    run = subprocess.run([str(build(sanitize) / "test_core")], capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("sanitize", ["address,undefined", "thread"])
def test_random_transport_is_clean_under_sanitizers(build, sanitize):
    run = fuzz(build(sanitize), SECONDS, guard=False)
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["sounded"] > 0
    assert result["recorded"] > 0


def test_random_transport_neither_allocates_nor_locks_nor_calls_the_system(build):
    run = fuzz(build(), SECONDS)
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert result["guard"]
    assert result["filter"]
    assert result["wrong"] == result["violations"] == 0
    assert result["sounded"] > 1e6
    assert result["recorded"] > 1e5


@pytest.mark.parametrize("fault", ["malloc", "lock", "syscall", "shift"])
def test_a_planted_fault_is_found(build, fault):
    assert fuzz(build(), "0.3", "1", "--plant", fault).returncode != 0


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
