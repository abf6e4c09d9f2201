"""The program itself: its commands, and the one place where errors become words and exit codes."""

import errno
import sys

import typer

from bridge.cli import create, data, doctor, export, measure, models, pair, separate, serve, status
from bridge.cli.console import say_error
from engine.errors import Cancelled, StemweaveError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Faults of a disk that name no file; any other OSError without one is a fault of ours and keeps its traceback."""

app = typer.Typer(
    name="stemweave",
    help="Stems in time with the song: separate, generate, infill, restyle; serve, train and measure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("separate")(separate.separate)
app.command("generate")(create.generate)
app.command("accompany")(create.accompany)
app.command("infill")(create.infill)
app.command("regenerate")(create.regenerate)
app.command("continue")(create.continue_)
app.command("transition")(create.transition)
app.command("restyle")(create.restyle)
app.command("redo")(create.redo)
app.command("serve")(serve.serve)
app.command("status")(status.status)
app.command("pair")(pair.pair)
app.command("doctor")(doctor.doctor)
app.command("demo", hidden=True)(separate.demo)
app.add_typer(models.models, name="models")
app.add_typer(models.presets, name="presets")
app.add_typer(data.data, name="data")
app.command("export")(export.export)
app.command("train")(data.train)
app.command("evaluate")(data.evaluate)
app.command("evaluate-gaps")(data.evaluate_gaps)
app.command("evaluate-generation")(measure.evaluate_generation)
app.command("evaluate-accompaniments")(measure.evaluate_accompaniments)
app.command("evaluate-prompts")(measure.evaluate_prompts)
app.command("figures")(measure.figures)
app.command("posteriors")(data.posteriors)
app.command("bench")(data.bench)


def main() -> None:
    """Run the program. Exit codes: 0 done, 1 an error that was explained, 2 wrong usage, 130 cancelled."""
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        if ended.code == 130:  # Ctrl-C before anything minded it, say while a library was loaded
            say_error("Cancelled.")
        raise
    except (KeyboardInterrupt, Cancelled):
        say_error("Cancelled.")
        sys.exit(130)
    except StemweaveError as error:
        say_error(error.message, error.hint)
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in DISK:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        say_error(f"{where}{error.strerror}.", "Check the path, who may write there, and the room on the disk.")
        sys.exit(1)
