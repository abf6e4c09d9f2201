"""A link that is cut once."""

import socket
import threading


class Cutter:
    """A TCP relay in front of a server that drops its first connection once it has carried `limit` bytes one way."""

    def __init__(self, port: int, up: int = 0, down: int = 0):
        self.target, self.limits, self.cuts = port, {"up": up, "down": down}, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.create_connection(("127.0.0.1", self.target))
            for way, source, sink in (("up", inner, outer), ("down", outer, inner)):
                threading.Thread(target=self._relay, args=(way, source, sink), daemon=True).start()

    def _relay(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        try:
            while data := source.recv(16384):
                carried += len(data)
                if not self.cuts and 0 < self.limits[way] < carried:
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.close()
