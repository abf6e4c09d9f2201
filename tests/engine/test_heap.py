"""Memory that a process keeps is not cleared by the system again; one that has a model on the processor keeps it until it is given
back."""

import subprocess
import sys

import pytest
from support.models import write_tiny_model

PROGRAM = """
import resource, sys
from pathlib import Path
import torch
from engine.backends import BACKENDS
from engine.cards import read_card
from engine.models import load_model

how, folder = sys.argv[1:]
if how == "a model":
    load_model(folder)
else:
    BACKENDS["torch"](read_card(Path(folder)), "cpu")
for _ in range(20):  # until the heap has found its size
    torch.ones(16 << 20)  # 64 MiB, given back at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.glibc
def test_what_is_kept_is_not_asked_for_again(tmp_path):
    model = write_tiny_model(tmp_path / "tiny")

    def faults(how: str) -> int:
        command = [sys.executable, "-c", PROGRAM, how, str(model)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("a model") < faults("its network alone") / 10


HELD = """
from pathlib import Path
import numpy as np
from engine import heap

def held() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

heap.keep_memory()
before = held()
np.ones(1 << 28, np.uint8)
kept = held()
heap.give_back()
print(kept - before, held() - before)
"""


@pytest.mark.glibc
def test_what_is_kept_can_be_given_back():
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 2**27
    assert left < 2**24
