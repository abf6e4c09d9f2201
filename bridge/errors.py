"""Errors on the wire: every error of the engine has a code here, and the bridge adds its own."""

import logging
from typing import TypeVar

from engine import errors
from engine.errors import StemweaveError

CODES: dict[type[StemweaveError], str] = {
    errors.AudioError: "bad_audio",
    errors.ModelError: "bad_model",
    errors.PresetError: "bad_preset",
    errors.ShapeError: "bad_shape",
    errors.DataError: "bad_data",
    errors.ResourceError: "no_resource",
    errors.Cancelled: "cancelled",
}
"""Engine error to protocol code, one each; a test keeps it complete."""

INTERNAL = "internal"
PROTOCOL = "protocol"
VERSION = "version"
HELLO_FIRST = "hello_first"
UNKNOWN_JOB = "unknown_job"
LIMIT = "limit"
DAMAGED = "damaged"
TAKEN = "taken"
CONTEXT = "context"
WORKER_DIED = "worker_died"
FORBIDDEN = "forbidden"
CLOSING = "closing"
RETRYABLE = {WORKER_DIED, DAMAGED, CLOSING, "no_resource"}

Told = TypeVar("Told")


class BridgeError(StemweaveError):
    """The server or the connection to it cannot do what was asked."""


class Forbidden(BridgeError):
    """A path that the server may not use."""


class Refused(BridgeError):
    """What a server does not take. code: of the error it answers with."""

    def __init__(self, code: str, message: str, hint: str = ""):
        super().__init__(message, hint)
        self.code = code


class ProtocolError(BridgeError):
    """Bytes that are not a message of the protocol."""


class ContextError(BridgeError):
    """The tracks of a context cannot give what a job asks of them."""


class DamagedChunk(ProtocolError):
    """A chunk whose checksum does not fit. job: whose it was."""

    def __init__(self, job: str, message: str):
        super().__init__(message, "Send the audio again.")
        self.job = job

    def __reduce__(self):
        return type(self), (self.job, self.message)


class RemoteError(BridgeError):
    """An error the server sent. code: from CODES or above; retryable: whether the same request may work later."""

    def __init__(self, code: str, message: str, hint: str = "", retryable: bool = False):
        super().__init__(message, hint)
        self.code, self.retryable = code, retryable

    def __reduce__(self):
        return type(self), (self.code, self.message, self.hint, self.retryable)


def told_of(error: Exception) -> tuple[str, str, str]:
    """Code, message and hint by which whoever asked is told of an error in answering. A fault of ours must not cost the other
    clients their server."""
    if isinstance(error, BridgeError):
        return CONTEXT if isinstance(error, ContextError) else DAMAGED, error.message, error.hint
    if isinstance(error, OSError):
        said = f"The audio cannot be kept: {error.strerror}."
        return "no_resource", said, "Free some space on the server's disk, then try again."
    logging.getLogger("stemweave").error("fault in answering a message", exc_info=error)
    return INTERNAL, "The server made a mistake.", ""


def sayable(told: Told) -> Told:
    """Texts, also those within tuples and lists, that can be sent and put down: a file's name need not be UTF-8."""
    if isinstance(told, str):
        return told.encode(errors="replace").decode()  # type: ignore[return-value]
    return type(told)(map(sayable, told)) if isinstance(told, tuple | list) else told


def code_of(error: BaseException) -> str:
    """Protocol code of an error raised in the engine or on the way to it; "internal" for what nobody foresaw."""
    if isinstance(error, Forbidden):
        return FORBIDDEN
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), INTERNAL)
