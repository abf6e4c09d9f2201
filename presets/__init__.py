"""Data a user picks by name: task presets (`tasks/*.toml`), embedded models (`models/`) and the demo song (`demo/`)."""

from pathlib import Path

FOLDER = Path(__file__).parent
TASKS = FOLDER / "tasks"
MODELS = FOLDER / "models"
DEMO = FOLDER / "demo"
