"""Nothing is left out in silence."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.gpu
def test_of_a_machine():
    pytest.skip("no GPU here")

def test_of_a_tool():
    pytest.skip("no cmake here")

@pytest.mark.xfail
def test_of_a_fault():
    assert False
"""


def test_what_is_skipped_names_the_machine_it_needs_or_fails(tmp_path):
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "test_none.py").write_text("import pytest\npytest.importorskip('no_such_package')")
    options = (
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        tmp_path,
        "-p",
        "conftest",
        "--continue-on-collection-errors",
    )
    run = subprocess.run([sys.executable, "-m", "pytest", *options, tmp_path], capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in run.stdout
    assert "skipped: 1 for want of gpu" in run.stdout
    assert "no cmake here. Only what is marked ('gpu', 'vnni', 'glibc') may be skipped." in run.stdout
