"""The addresses as programs list them over HTTP, against the table, the README and what the server does; and how they are found."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.osc import Patch
from support.servers import PATIENCE, running, until
from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

from bridge.osc.addresses import ADDRESSES, ARGUMENTS, REPLIES, ROOT
from bridge.osc.announcement import OSC, OSC_QUERY, Announcement
from bridge.osc.query import AT_ONCE, OscQuery
from bridge.ports import free_port, is_free, udp_is_free
from bridge.server import Server

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Of OSC, and of its tree, of a server that may use what tests make."""
    with running(osc_port=(port := free_port()), folders=[tmp_path_factory.getbasetemp()], advertise=True):
        yield port


def get(port: int, path: str) -> dict | int:
    """What is answered, or the status where it is nothing."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the environment says of proxies
    try:
        with direct.open(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            if answer.status != 200:
                return answer.status
            assert answer.headers["Content-Type"] == "application/json"
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code


def methods(node: dict) -> list[dict]:
    """Those in a node, however deep."""
    return [
        method for inner in node["CONTENTS"].values() for method in (methods(inner) if "CONTENTS" in inner else [inner])
    ]


def test_the_tree_has_every_address_and_no_other(port):
    found = {method["FULL_PATH"].removeprefix(ROOT): method for method in methods(get(port, "/"))}
    assert set(found) == set(ADDRESSES) | set(REPLIES)
    for address, method in found.items():
        assert method["ACCESS"] == (2 if address in ADDRESSES else 1)
        names = (ADDRESSES[address][0] if address in ADDRESSES else REPLIES[address]).split()
        forms = [method, *method.get("OVERLOADS", [])]
        longest = "".join(ARGUMENTS[name.strip("[]")].tag for name in names) or "N"
        assert forms[-1]["TYPE"] == longest
        assert len(forms) == 1 + sum("[" in name for name in names)
        for form in forms:
            assert longest.startswith(form["TYPE"]) or form["TYPE"] == "N"
            assert len(form.get("RANGE", form["TYPE"])) == len(form["TYPE"])


def test_the_readme_says_the_same(port):
    rows = re.findall(r"^\| `(/stemweave/\S+)` \| (?:`(.*)`)? *\| (.+) \|$", README, re.M)
    usages = {path: (usage, meaning) for path, usage, meaning in rows if path.removeprefix(ROOT) in ADDRESSES}
    tree = {method["FULL_PATH"]: method for method in methods(get(port, "/"))}
    assert {path.removeprefix(ROOT) for path in usages} == set(ADDRESSES)
    for path, (usage, meaning) in usages.items():
        assert tree[path]["DESCRIPTION"] == (f"{usage}: {meaning}" if usage else meaning)
    kinds = {"s": "text", "f": "float", "i": "int"}
    wanted = {name.strip("[]") for usage, _ in ADDRESSES.values() for name in usage.split()}
    for name in wanted:
        tag, meaning, least, most = ARGUMENTS[name]
        within = f", {least} to {most}" if most is not None else f", {least} or more" if least is not None else ""
        assert f"| `{name}` | {kinds[tag]}{within} | {meaning} |" in README


def test_a_node_and_each_of_its_attributes_can_be_had_alone(port):
    node = get(port, "/stemweave/continue")
    assert node == get(port, "/")["CONTENTS"]["stemweave"]["CONTENTS"]["continue"]
    assert get(port, "/stemweave/continue?TYPE") == {"TYPE": "ssf"}
    assert get(port, "/stemweave/continue?RANGE") == {"RANGE": [None, None, {"MIN": 0}]}
    assert [form["TYPE"] for form in get(port, "/stemweave/continue?OVERLOADS")["OVERLOADS"]] == ["ssfs", "ssfss"]
    assert get(port, "/stemweave/job")["CONTENTS"].keys() >= {"cancel", "progress"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/stemweave/nothing", 404), ("/stemweave/ping/deeper", 404), ("/stemweave/ping?RANGE", 204),
        ("/stemweave/ping?VALUE", 400), ("/stemweave/ping?nonsense", 400), ("/..%2f..%2fetc/passwd", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_by_the_status(port, path, status):
    assert get(port, path) == status


def test_the_host_says_where_osc_is_heard_and_what_of_the_proposal_it_knows(port):
    info = get(port, "/?HOST_INFO")
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", port, "UDP")
    known = {key for method in methods(get(port, "/")) for key in method} - {"FULL_PATH", "TYPE"}
    assert known == {key for key, has in info["EXTENSIONS"].items() if has}


def test_what_is_described_is_understood(port, tmp_path):
    """Each form of each address, sent as the tree says, with a type for each argument and no more knowledge than their names."""
    values = {"s": str(tmp_path / "any"), "f": 0.5, "i": 0, "N": None}
    by_name = {"seed": "7", "want": "-"}
    osc = get(port, "/?HOST_INFO")["OSC_PORT"]
    for method in methods(get(port, "/")):
        address = method["FULL_PATH"].removeprefix(ROOT)
        for form in [method, *method.get("OVERLOADS", [])] if method["ACCESS"] == 2 else []:
            names = [name.strip("[]") for name in method["DESCRIPTION"].split(":")[0].split()]
            arguments = [by_name.get(name, values[tag]) for tag, name in zip(form["TYPE"], [*names, ""], strict=False)]
            with Patch(osc) as patch:
                patch.send(address, *arguments)
                answer, said = patch.next()
            assert answer != "/error", (address, arguments, said)


def test_a_port_that_is_taken_is_no_reason_not_to_serve(caplog):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), closing(Server(port=0, osc_port=port, advertise=True)):
        told = re.search(rf"TCP port {port} is taken; OSCQuery is at port (\d+)", caplog.text)
        assert get(int(told[1]), "/?HOST_INFO")["OSC_PORT"] == port
    with pytest.raises(OSError):
        get(int(told[1]), "/")


def test_who_was_asked_and_ended_is_at_the_same_port_again():
    port = free_port()
    for _ in range(2):
        with closing(OscQuery(["127.0.0.1"], port)) as query, socket.create_connection(("127.0.0.1", port)) as asker:
            assert query.ports == [port]
            asker.settimeout(PATIENCE)
            asker.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while asker.recv(65536):  # to the end that the server makes, which holds the port for a while
                pass


def test_who_says_nothing_leaves_room_for_others(port):
    """Connections without a request are hung up on when they take all places, and at the latest after a while."""
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(AT_ONCE + 1)]
        for one in idle:
            one.settimeout(PATIENCE)
            assert one.recv(1) == b""
        assert get(port, "/?HOST_INFO")["OSC_PORT"] == port


def raising(error: Exception):
    def fail(*_: object) -> None:
        raise error

    return fail


def test_where_nothing_can_be_listed_the_server_serves_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr("bridge.server.OscQuery", raising(OSError("no more descriptors")))
    with closing(Server(port=0, osc_port=0, advertise=True)) as server:
        assert server.query_ports == []
    assert "not listed (OSCQuery): no more descriptors" in caplog.text


def test_a_server_that_cannot_begin_leaves_no_port_taken(monkeypatch):
    monkeypatch.setattr("bridge.server.OscQuery", raising(RuntimeError("no more threads")))
    port = free_port()
    with pytest.raises(RuntimeError, match="no more threads"):
        Server(port=port, osc_port=port + 1, advertise=True)
    assert is_free(port)
    assert udp_is_free(port + 1)


def test_what_cannot_be_taken_back_keeps_nothing_else_open(monkeypatch, caplog):
    port = free_port()
    server = Server(port=port, osc_port=port + 1, advertise=True)
    with closing(server._query), monkeypatch.context() as patch:
        patch.setattr(server._query, "close", raising(RuntimeError("it hangs")))
        server.close()
    assert "it hangs" in caplog.text
    assert is_free(port)
    assert udp_is_free(port + 1)


def test_zeroconf_is_imported_by_no_server_that_does_not_need_it():
    look = "import sys, bridge.server; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_without_the_flag_nobody_lists_addresses():
    with closing(Server(port=0, osc_port=(port := free_port()))):
        assert is_free(port)


class Seen(ServiceListener):
    """Where services are that were announced and not taken back: (kind, port) to addresses."""

    def __init__(self):
        self.there: dict[str, tuple[int, list[str]]] = {}

    def add_service(self, browser: Zeroconf, kind: str, name: str) -> None:
        info = browser.get_service_info(kind, name)
        if info:
            self.there[name] = (info.port, info.parsed_addresses())

    update_service = add_service

    def remove_service(self, browser: Zeroconf, kind: str, name: str) -> None:
        self.there.pop(name, None)


def test_what_is_announced_is_found_and_when_taken_back_is_found_no_more():
    osc, query, seen = free_port(), free_port(), Seen()
    with Zeroconf(interfaces=["127.0.0.1"]) as browser:
        ServiceBrowser(browser, [OSC, OSC_QUERY], seen)
        announcement = Announcement(["127.0.0.1"], osc, query)
        for port in (osc, query):
            until(lambda port=port: (port, ["127.0.0.1"]) in list(seen.there.values()), "an announcement")
        announcement.close()
        until(lambda: not {osc, query} & {port for port, _ in list(seen.there.values())}, "its end")


def test_where_nothing_can_be_announced_the_log_says_so(caplog):
    Announcement(["203.0.113.7"], 1, 2).close()  # no address of this machine
    assert "OSC is not announced" in caplog.text
