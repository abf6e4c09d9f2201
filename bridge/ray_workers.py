"""Where jobs run when a server is to use a Ray cluster: the worker process keeps no model but hands each order to an actor there.

What runs in the actor is what runs in a local worker; orders and stems go through the job's folder, which all machines of the
cluster have to share. Ray trusts whoever is in its network: keep the cluster in one that is yours.
"""

import importlib
import logging
import os
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayActorError

from bridge.errors import WORKER_DIED
from bridge.folders import Folders
from bridge.jobs import TRIES, Order
from bridge.workers import DIED, Desk, leave_with_parent, names, outcome

SEATS = 2  # where the cluster has no GPUs: one works, one is there when that dies
LOOK_EVERY = 0.05  # seconds


class Seat:
    """A Ray actor: runs one order and, in its other thread, tells how far it is. It stands for the Desk's connection and flag."""

    def __init__(self, target: str):
        module, function = target.split(":")
        self._run = getattr(importlib.import_module(module), function)
        self._events: list[tuple] = []
        self.value = 0  # number of the order that is cancelled

    def names(self) -> tuple[list[str], list[str]]:
        return names()

    def perform(self, number: int, order: Order, folders: Folders) -> tuple:
        return outcome(self._run, Desk(self, self, number, order, folders))

    def send(self, event: tuple) -> None:
        self._events.append(event)

    def take(self) -> list[tuple]:
        """What was reported since."""
        taken = self._events[:]
        del self._events[: len(taken)]
        return taken

    def cancel(self, number: int) -> None:
        self.value = number


def cluster_main(connection: Connection, cancel: Any, target: str, folders: Folders) -> None:
    """The worker process, as bridge.workers.worker_main: one order after another until the server hangs up. The cluster is the one
    RAY_ADDRESS names, else one of its own on this machine."""
    threading.Thread(target=leave_with_parent, daemon=True).start()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_worker_niceness", "0"
    )  # of a cluster of its own; 15 by default, which waits for all else here
    local = (
        {}
        if os.environ.get("RAY_ADDRESS")
        else {"address": "local", "include_dashboard": False, "object_store_memory": 10**8}
    )
    ray.init(**local, logging_level=logging.ERROR, log_to_driver=False)  # type: ignore[arg-type]
    gpus = int(ray.cluster_resources().get("GPU", 0))
    kind = ray.remote(Seat).options(
        num_cpus=1, num_gpus=min(1, gpus), max_concurrency=2, max_restarts=-1, scheduling_strategy="SPREAD"
    )
    seats = [kind.remote(target) for _ in range(gpus or SEATS)]
    try:
        connection.send(("ready", *ray.get(seats[0].names.remote())))  # type: ignore[attr-defined]
        while True:
            number, order = connection.recv()
            order = replace(order, fresh=False)  # by the server; where the job runs, the same file may look otherwise
            connection.send(_ended(seats, connection, cancel, number, order, folders))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _ended(seats: list, connection: Connection, cancel: Any, number: int, order: Order, folders: Folders) -> tuple:
    """How an order ended, on another seat where one died with it; Ray brings the dead one back meanwhile."""
    for _ in range(TRIES):
        try:
            return _watched(seats[0], connection, cancel, number, order, folders)
        except RayActorError:
            logging.getLogger("stemweave").warning("a Ray worker died on job %s", order.job)
            seats.append(seats.pop(0))
    return ("error", order.job, WORKER_DIED, *DIED)


def _watched(seat: Any, connection: Connection, cancel: Any, number: int, order: Order, folders: Folders) -> tuple:
    running = seat.perform.remote(number, order, folders)
    told = False
    while True:
        done, _ = ray.wait([running], timeout=LOOK_EVERY)
        ended = ray.get(running) if done else None
        for event in ray.get(seat.take.remote()):
            connection.send(event)
        if ended is not None:
            return ended
        if cancel.value == number and not told:
            seat.cancel.remote(number)
            told = True
