"""What a server writes down: a line an event, for people or, where it is asked for, as one JSON object.

Of jobs and clients only so much that lines can be told to belong together: a job's name would let others take it over, a client's
identity speak for it. Never a path, a word of a prompt, a key or audio.
"""

import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("stemweave")


def event(what: str, job: str = "", client: Any = None, **fields: str | float | None) -> None:
    """Something that happened. job: its name; client: its identity, an OSC sender's address, or None; fields: names in lower case,
    those that are None or "" left out."""
    told = {"job": job[:8], "client": _called(client)} | fields
    log.info(what, extra={"fields": {key: value for key, value in told.items() if value not in (None, "")}})


def _called(client: Any) -> str:
    """A name for a client that says nothing of its identity."""
    if isinstance(client, bytes):
        return hashlib.sha256(client).hexdigest()[:8]
    return f"osc:{client[1]}" if isinstance(client, tuple) else ""


class Lines(logging.Formatter):
    """For people: the time, what happened, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={value!r}" for key, value in getattr(record, "fields", {}).items())
        return f"{super().format(record)}{fields}"


class Objects(logging.Formatter):
    """One JSON object a line: `time` (UTC, ISO 8601), `level`, `event`, `fault` (a traceback), and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info:
            told["fault"] = self.formatException(record.exc_info)
        return json.dumps(getattr(record, "fields", {}) | told)


def write(as_json: bool) -> None:
    """From now on, to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(Objects() if as_json else Lines("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
