"""Every error the engine raises on purpose, drawn once.

Each carries a `message` a producer can read and a `hint` that says what to do next. The bridge turns them into protocol
errors in one place (`bridge/errors.py`).

    StemweaveError
      AudioError      a file or array of audio that cannot be used
      ModelError      a model folder, card or checkpoint that cannot be used
      PresetError     an unknown preset, task, likelihood, sampler or parameter
      ShapeError      an array of the wrong shape at one of the seams
      DataError       training data that is missing or damaged
      ResourceError   memory, disk or a device that is not there
      Cancelled       the user stopped the work; not a fault
"""


class StemweaveError(Exception):
    """Base of all. `message`: what went wrong, in a producer's words; `hint`: what to do next (may be empty)."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self):
        # Exception's own pickling drops the hint, and workers send errors between processes.
        return type(self), (self.message, self.hint)


class AudioError(StemweaveError):
    """A file or array of audio that cannot be used."""


class ModelError(StemweaveError):
    """A model folder, card or checkpoint that cannot be used."""


class PresetError(StemweaveError):
    """An unknown preset, task, likelihood, sampler or parameter."""


class ShapeError(StemweaveError, ValueError):
    """An array of the wrong shape at one of the seams: a programmer's error more often than a producer's."""


class DataError(StemweaveError):
    """Training data that is missing or damaged."""


class ResourceError(StemweaveError):
    """Memory, disk or a device that is not there."""


class Cancelled(StemweaveError):
    """The user stopped the work."""

    def __init__(self, message: str = "Cancelled.", hint: str = ""):
        super().__init__(message, hint)
