"""What a server that keeps nothing had on the disk is gone when it ends, and after a kill with the start of the next one."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bridge.jobs import Jobs
from bridge.spool import LOCK

KILLED = """
import os
from bridge.jobs import Jobs
(Jobs().folder / "song").write_text("audio")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_killed_servers_audio_goes_with_the_next_start_and_a_living_ones_stays(place):
    living = Jobs()
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    orphans = set(place.iterdir()) - {living.folder}
    assert [path.name for folder in orphans for path in folder.glob("song")] == ["song"]
    following = Jobs()
    assert set(place.iterdir()) == {living.folder, following.folder}
    living.close()
    following.close()
    assert not list(place.iterdir())


def test_nothing_else_in_the_temporary_folder_is_touched(place):
    (place / "stemweave-notes").mkdir()
    (place / "stemweave-notes" / "song").write_text("mine")
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / LOCK).write_text("")
    (place / "stemweave-link").symlink_to(place / "elsewhere")
    Jobs().close()
    assert {str(path.relative_to(place)) for path in place.rglob("*")} >= {
        str(Path("stemweave-notes", "song")),
        str(Path("elsewhere", LOCK)),
    }
