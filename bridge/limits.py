"""What a server takes of whom, and the words in which it refuses the rest: sizes, counts, rates, paths."""

import time
from collections.abc import Hashable

from bridge import errors, protocol
from bridge.costs import Costs
from bridge.errors import Forbidden
from bridge.folders import Folders
from bridge.jobs import OPEN, Jobs, Order
from bridge.protocol import AudioShape, Part, Submit
from engine.audio import check_format
from engine.errors import AudioError

Refusal = tuple[str, str, str]
"""Code, message and hint of an error."""

CLIENTS = 256  # at once
A_SECOND = 5.0  # jobs of one client, in the long run
AT_ONCE = 32  # jobs of one client, after a while without any
REMEMBERED = 1000  # clients whose rate is known, before those that are within it anyway are forgotten


class Rate:
    """At most so many at once, and so many a second in the long run, for each client (the generic cell rate algorithm)."""

    def __init__(self, a_second: float = A_SECOND, at_once: int = AT_ONCE):
        self.a_second, self._slack = a_second, (at_once - 1) / a_second
        self._due: dict[Hashable, float] = {}  # client to when the next would come if they came evenly

    def wait(self, client: Hashable, now: float) -> float:
        """Seconds until this one more may come; 0: it came."""
        if len(self._due) > REMEMBERED:
            self._due = {other: due for other, due in self._due.items() if due > now}
        due = max(now, self._due.get(client, now))
        if (early := due - now - self._slack) > 1e-6:  # what is less comes of adding up
            return early
        self._due[client] = due + 1 / self.a_second
        return 0.0


class Limits:
    """Of one server. jobs: those it has."""

    def __init__(self, jobs: Jobs, folders: Folders, costs: Costs):
        self._jobs, self._folders, self._costs, self._rate = jobs, folders, costs, Rate()

    def of_order(self, client: Hashable, order: Order) -> Refusal | None:
        """Why a client's order cannot be taken, whatever it is of."""
        if wait := self._rate.wait(client, time.monotonic()):
            return errors.LIMIT, f"More than {A_SECOND:g} jobs a second were asked for.", f"Wait {wait:.1f} s."
        if sum(job.state in OPEN for job in self._jobs.of(client)) >= protocol.MAX_JOBS:
            return (
                errors.LIMIT,
                f"{protocol.MAX_JOBS} jobs of this client are open already.",
                "Wait for one, or cancel one.",
            )
        if sum(not job.at_rest for job in self._jobs.by_id.values()) >= protocol.MAX_ALL_JOBS:
            return errors.LIMIT, f"The server has {protocol.MAX_ALL_JOBS} jobs open already.", "Try again later."
        try:
            self._folders.check(order)
        except Forbidden as error:
            return errors.FORBIDDEN, error.message, error.hint
        lacking = self._costs.lacks(order)
        return ("no_resource", *lacking) if lacking else None


def of_message(message: Submit) -> Refusal | None:
    """Why what was announced cannot be taken from anybody."""
    if not (0 < len(message.job) <= 64 and message.job.isprintable()):
        return errors.PROTOCOL, "A job needs a name of 1 to 64 characters.", "Use a UUID."
    least = 0 if message.seconds > 0 else 1  # what is generated needs nothing to go by
    return _of_audio(message.audio, least) or _of_parts(message.parts, message.audio.frames)


def of_clients(there: int) -> Refusal | None:
    """Why one more client than those there are cannot be served."""
    if there < CLIENTS:
        return None
    return errors.LIMIT, f"The server has {CLIENTS} clients already.", "Close one, or try again later."


def _of_audio(audio: AudioShape, least: int) -> Refusal | None:
    if audio.channels not in (1, 2) or not least <= audio.frames <= protocol.MAX_FRAMES:
        said = (
            f"The audio has {audio.channels} channels and {audio.frames} frames; 1 or 2 channels and {least} to "
            f"{protocol.MAX_FRAMES} frames can be taken."
        )
        return errors.LIMIT, said, "Send mono or stereo, at most two hours at 48 kHz."
    try:
        check_format(audio.channels, max(1, audio.frames), audio.sample_rate)
    except AudioError as error:
        return errors.code_of(error), error.message, error.hint
    return None


def _of_parts(parts: list[Part], frames: int) -> Refusal | None:
    if parts and (any(part.frames < 0 for part in parts) or sum(part.frames for part in parts) != frames):
        return errors.PROTOCOL, "The parts of the audio do not add up to its frames.", "Announce what is sent."
    if len({part.name for part in parts}) < len({(part.name, part.frames) for part in parts}):
        return errors.PROTOCOL, "Parts of one name differ in length.", "Send silence where one ends."
    return None
