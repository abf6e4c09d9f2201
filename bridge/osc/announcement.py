"""Zeroconf (multicast DNS): other machines find OSC and OSCQuery by themselves, where OSC is open to them."""

import logging
import socket
import threading

from zeroconf import IPVersion, ServiceInfo, Zeroconf

from bridge.osc.query import service_name

log = logging.getLogger("stemweave")

PATIENCE = 10.0  # seconds that the end waits for a beginning that hangs
OSC, OSC_QUERY = "_osc._udp.local.", "_oscjson._tcp.local."


class Announcement:
    """Says at `addresses`, of this machine, that OSC is at osc_port there and OSCQuery at query_port, until closed. From a thread
    of its own: it takes a second, and a network where it fails, which the log tells, costs nothing else."""

    def __init__(self, addresses: list[str], osc_port: int, query_port: int):
        self._addresses, self._ports = addresses, {OSC: osc_port, OSC_QUERY: query_port}
        self._zeroconf: Zeroconf | None = None
        self._thread = threading.Thread(target=self._announce, name="zeroconf", daemon=True)
        self._thread.start()

    def _announce(self) -> None:
        try:
            self._zeroconf = Zeroconf(interfaces=list(self._addresses), ip_version=IPVersion.V4Only)
            for kind, port in self._ports.items():
                self._zeroconf.register_service(self._service(kind, port), allow_name_change=True)
        except Exception as error:  # zeroconf raises of its own and the system's many kinds
            log.warning("OSC is not announced on the network: %r", error)

    def _service(self, kind: str, port: int) -> ServiceInfo:
        name = service_name()
        host = f"{name.replace(' ', '-')}.local."
        addresses = [socket.inet_aton(address) for address in self._addresses]
        return ServiceInfo(kind, f"{name}.{kind}", port=port, addresses=addresses, server=host)

    def close(self) -> None:
        """Take it back."""
        self._thread.join(PATIENCE)
        if self._zeroconf:
            self._zeroconf.close()
