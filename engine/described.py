"""What every exported file says of itself, as JSON under `KEY`, and what is said when it cannot be read."""

import json
from pathlib import Path
from typing import Any

from engine.errors import ModelError

KEY = "stemweave"


def damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} cannot be read: {str(error).strip().splitlines()[0]}", "Export the model again.")


def said(path: Path, text: str) -> dict[str, Any]:
    """What a file says of itself. ModelError when that is nothing of ours."""
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise ModelError(
            f"{path} was not written by stemweave: it does not say what it is.", "Export the model again."
        ) from error
