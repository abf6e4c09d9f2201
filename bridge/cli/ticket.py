"""A ticket in the folder of the stems: under which name a server was asked for them, until they are there.

Whatever ends the command before that (a lost connection, a closed terminal), the same command finds the job again where it stands.
"""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

from engine.recipe import SETTINGS, fingerprint
from engine.request import Request

NAME = ".stemweave-job.json"


def take(folder: Path, server: str, request: Request, preset: str, overrides: dict[str, Any]) -> tuple[str, bool]:
    """The job's UUID, and whether an earlier command had asked for the very same."""
    parts = {name: fingerprint(samples) for name, samples in request.parts().items()}
    settings = {key: getattr(request, key) for key in SETTINGS}
    asked = [server, preset, overrides, parts, request.sample_rate, settings]
    wish = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    try:
        before = json.loads((folder / NAME).read_text())
        if before["wish"] == wish:
            return str(uuid.UUID(before["job"])), True
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or not one of ours
    job = str(uuid.uuid4())
    (folder / NAME).write_text(json.dumps({"job": job, "wish": wish}))
    return job, False


def drop(folder: Path) -> None:
    """The stems are there, or nobody wants them any more."""
    (folder / NAME).unlink(missing_ok=True)
