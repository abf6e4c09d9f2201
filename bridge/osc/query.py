"""OSCQuery (Vidvox's proposal, its core and the attributes in EXTENSIONS): the addresses as a tree of JSON over HTTP, so that a
program can list and offer them. Read only, always the same, and nothing of any job."""

import json
import logging
import os
import platform
import socket
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from bridge.osc.addresses import ADDRESSES, ARGUMENTS, REPLIES, ROOT

log = logging.getLogger("stemweave")

EXTENSIONS = ("ACCESS", "DESCRIPTION", "RANGE", "OVERLOADS")
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", *EXTENSIONS)
AT_ONCE = 8  # requests; more are hung up on
PATIENCE = 5.0  # seconds a client may take for the next bytes of its request
NONE, READ, WRITE = 0, 1, 2  # values of ACCESS
NOTHING = "N"  # the type of a message without arguments: programs show a button


@cache
def tree() -> dict[str, Any]:
    """The whole address space: what is understood is to be written, what is only sent by the server to be read."""
    root = _container("/", "stemweave")
    sent = {address: (usage, "sent by the server") for address, usage in REPLIES.items()}
    for address, (usage, meaning) in (sent | ADDRESSES).items():
        node = root
        *containers, name = (ROOT + address).strip("/").split("/")
        for container in containers:
            path = f"{node['FULL_PATH'].rstrip('/')}/{container}"
            node = node["CONTENTS"].setdefault(container, _container(path))
        node["CONTENTS"][name] = _method(ROOT + address, usage, meaning, WRITE if address in ADDRESSES else READ)
    return root


def _container(path: str, description: str = "") -> dict[str, Any]:
    return {"FULL_PATH": path, "ACCESS": NONE, "CONTENTS": {}} | ({"DESCRIPTION": description} if description else {})


def _method(path: str, usage: str, meaning: str, access: int) -> dict[str, Any]:
    """A leaf. Arguments in brackets, which may be left out, make overloads."""
    names = usage.split()
    needed = sum("[" not in name for name in names)
    forms = [_form([name.strip("[]") for name in names[:many]]) for many in range(needed, len(names) + 1)]
    description = f"{usage}: {meaning}" if usage else meaning
    node = {"FULL_PATH": path, "ACCESS": access, "DESCRIPTION": description} | forms[0]
    return node | ({"OVERLOADS": forms[1:]} if forms[1:] else {})


def _form(names: list[str]) -> dict[str, Any]:
    arguments = [ARGUMENTS[name] for name in names]
    ranges = [
        {key: value for key, value in (("MIN", argument.least), ("MAX", argument.most)) if value is not None} or None
        for argument in arguments
    ]
    form: dict[str, Any] = {"TYPE": "".join(argument.tag for argument in arguments) or NOTHING}
    return form | ({"RANGE": ranges} if any(ranges) else {})


def at(path: str) -> dict[str, Any] | None:
    """The node of an OSC address; None where there is none."""
    node: dict[str, Any] = tree()
    for name in filter(None, path.split("/")):
        node = node.get("CONTENTS", {}).get(name)
        if node is None:
            return None
    return node


class OscQuery:
    """Serves the tree at each of `hosts` from threads of its own, by TCP at the number OSC has by UDP; where that is taken, at one
    the system chooses, which the log tells. ports: one for each host."""

    def __init__(self, hosts: list[str], osc_port: int):
        self._servers: list[_HttpServer] = []
        try:
            for host in hosts:
                self._servers.append(_listening(host, osc_port))
        except BaseException:
            self.close()
            raise
        self.ports = [server.server_port for server in self._servers]

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _HttpServer(ThreadingHTTPServer):
    """osc_port: where what the tree describes is heard."""

    daemon_threads = True

    def __init__(self, host: str, port: int, osc_port: int):
        self.osc_port, self._places = osc_port, threading.BoundedSemaphore(AT_ONCE)
        super().__init__((host, port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.1,), name="OSCQuery", daemon=True).start()

    def server_bind(self) -> None:
        """Without looking its own name up, which the base does and a network may take long for. At the port it had until just
        now, too, which Windows allows without a word."""
        if os.name != "nt":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours, and no line in the log."""
        log.debug("OSCQuery request failed", exc_info=True)


def _listening(host: str, osc_port: int) -> _HttpServer:
    try:
        return _HttpServer(host, osc_port, osc_port)
    except OSError:
        server = _HttpServer(host, 0, osc_port)
        log.warning("TCP port %d is taken; OSCQuery is at port %d instead", osc_port, server.server_port)
        return server


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        node, attribute = at(unquote(asked.path)), asked.query
        if attribute == "HOST_INFO":
            self._answer(200, self._host_info())
        elif node is None:
            self._answer(404)
        elif not attribute:
            self._answer(200, node)
        elif attribute not in ATTRIBUTES:
            self._answer(400)
        elif attribute not in node:
            self._answer(204)
        else:
            self._answer(200, {attribute: node[attribute]})

    def _host_info(self) -> dict[str, Any]:
        return {
            "NAME": service_name(), "OSC_IP": self.connection.getsockname()[0], "OSC_PORT": self.server.osc_port,
            "OSC_TRANSPORT": "UDP", "EXTENSIONS": dict.fromkeys(EXTENSIONS, True),
        }  # fmt: skip

    def _answer(self, status: int, content: dict[str, Any] | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Connection", "close")
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A request is no event of the server."""


def service_name() -> str:
    """What people see of this server among others: 63 bytes at most, no dots."""
    return f"stemweave on {platform.node().split('.')[0] or 'a machine'}".encode()[:63].decode(errors="ignore")
