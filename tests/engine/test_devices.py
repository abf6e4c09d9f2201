"""Memory that a process keeps is not cleared by the system again."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from engine.devices import keep_memory

if sys.argv[1] == "keep":
    keep_memory()
for _ in range(20):  # until the heap has found its size
    torch.ones(16 << 20)  # 64 MiB, given back at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_what_is_kept_is_not_asked_for_again():
    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < faults("plain") / 10
