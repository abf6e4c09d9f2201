"""What a server counts of itself, for Prometheus to fetch from this machine: off unless a port is named."""

from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from bridge.errors import BridgeError
from bridge.jobs import Job, State
from bridge.ports import owner

if TYPE_CHECKING:
    from bridge.server import Server

BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)  # seconds


class Metrics:
    """Of one server; shown to nobody until `serve`."""

    def __init__(self, server: "Server"):
        self._registry = registry = CollectorRegistry()
        jobs = Gauge("stemweave_jobs", "Jobs there are", ["state"], registry=registry)
        for state in get_args(State):
            jobs.labels(state).set_function(partial(_in_state, server, state))
        clients = Gauge("stemweave_clients", "Clients that are there, over ZeroMQ", registry=registry)
        clients.set_function(lambda: server.clients)
        self._ended = Counter("stemweave_jobs_ended", "Jobs that ended", ["state"], registry=registry)
        self._seconds = Histogram(
            "stemweave_job_seconds", "Computing of jobs that were done", buckets=BUCKETS, registry=registry
        )
        self.deaths = Counter("stemweave_worker_deaths", "Workers that died", registry=registry)
        sent = Counter("stemweave_audio_bytes", "Audio carried over ZeroMQ", ["way"], registry=registry)
        self.received, self.sent = sent.labels("in"), sent.labels("out")
        self._http: Any = None

    def serve(self, port: int) -> None:
        """Show them at http://127.0.0.1:PORT/metrics. BridgeError where the port is taken."""
        try:
            self._http, _ = start_http_server(port, "127.0.0.1", self._registry)
        except OSError as error:
            who = owner(port) or "another program"
            raise BridgeError(
                f"Metrics port {port} is already in use by {who}.", "Use another: stemweave serve --metrics PORT"
            ) from error

    def ended(self, job: Job) -> None:
        self._ended.labels(job.state).inc()
        if job.state == "done":
            self._seconds.observe(job.seconds)

    def close(self) -> None:
        if self._http:
            self._http.shutdown()
            self._http.server_close()


def _in_state(server: "Server", state: str) -> float:
    return server.jobs.count().get(state, 0)
