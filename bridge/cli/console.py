"""What the commands share: where words go, JSON, a progress bar, Ctrl-C."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

# Without markup: a song may be called "take [final].wav", and brackets would be taken for a style and left out.
out = Console(markup=False, highlight=False)
err = Console(stderr=True, markup=False, highlight=False)


def say_error(message: str, hint: str = "") -> None:
    """To stderr, the hint on a line of its own."""
    err.print("error: ", style="bold red", end="")
    err.print(message, soft_wrap=True)
    if hint:
        err.print(hint, style="yellow", soft_wrap=True)


def print_json(document: Any) -> None:
    """One JSON document on stdout, for scripts."""
    print(json.dumps(document, indent=2, default=str))


@contextmanager
def progress_bar(title: str, shown: bool = True) -> Iterator[Callable[[float], None]]:
    """Yields a function that takes the fraction done, 0 to 1. Shown only to people: not when stderr is a file."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, disable=not (shown and err.is_terminal), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@contextmanager
def interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only turns the yielded question true, so that work stops cleanly; the second one kills."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
