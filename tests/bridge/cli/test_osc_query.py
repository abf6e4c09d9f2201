"""What `stemweave serve` says where a program has the TCP port its OSC addresses would be listed at."""

import signal
import socket
import subprocess
import sys

import pytest
from support.servers import until

from bridge.client import find_server
from bridge.ports import free_port


@pytest.mark.parametrize(("more", "told"), [((), True), (("--no-osc-query",), False)])
def test_it_serves_all_the_same_and_tells_where_they_are(stemweave, more, told):
    port = free_port()
    osc_port = port + 1  # which free_port looked at too
    command = [sys.executable, "-m", "bridge", "serve", "--port", str(port), "--osc-port", str(osc_port), *more]
    with socket.create_server(("127.0.0.1", osc_port)):
        process = subprocess.Popen(command, env=stemweave.environment, stderr=subprocess.PIPE, text=True)
        try:
            until(lambda: process.poll() is not None or find_server(f"tcp://127.0.0.1:{port}"), "a server")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said
    assert (f"TCP port {osc_port} is taken; OSCQuery is at port" in said) == told
    assert ("OSC addresses are listed at TCP port" in said) == told
