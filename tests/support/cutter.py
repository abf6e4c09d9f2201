"""A link that is cut once, or falls silent once."""

import socket
import threading


class Cutter:
    """A TCP relay in front of a server that drops its first connection once it has carried `limit` bytes one way. freezes: it
    leaves that open instead and lets nothing more through, either way."""

    def __init__(self, port: int, up: int = 0, down: int = 0, freezes: bool = False):
        self.target, self.limits, self.cuts, self.freezes = port, {"up": up, "down": down}, 0, freezes
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
            frozen = threading.Event()
            for way, source, sink in (("up", inner, outer), ("down", outer, inner)):
                threading.Thread(target=self._relay, args=(way, source, sink, frozen), daemon=True).start()

    def _relay(self, way: str, source: socket.socket, sink: socket.socket, frozen: threading.Event) -> None:
        carried = 0
        try:
            while data := source.recv(16384):
                carried += len(data)
                if not self.cuts and 0 < self.limits[way] < carried:
                    self.cuts += 1
                    if not self.freezes:
                        break
                    frozen.set()
                if not frozen.is_set():
                    sink.sendall(data)
        except OSError:
            pass
        if frozen.is_set():  # neither end hears of the other's
            return
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.close()
