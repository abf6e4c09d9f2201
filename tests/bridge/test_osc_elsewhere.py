"""OSC for other machines, where it was opened: it is found, asked and listened to, and names and learns no path."""

import json
from select import select

import pytest
from support.machines import another_machine
from support.osc import Patch
from support.servers import PATIENCE, running

from bridge.errors import BridgeError, Refused
from bridge.osc.endpoint import OscEndpoint
from bridge.ports import addresses, free_port

FIND = """
import json, sys, time, urllib.request
from zeroconf import ServiceBrowser, Zeroconf
mine, osc, query, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), time.monotonic() + 300
wanted = {"_osc._udp.local.": osc, "_oscjson._tcp.local.": query}
names, found = set(), {}
with Zeroconf(interfaces=[mine]) as zeroconf:
    def seen(zeroconf, service_type, name, state_change):
        names.add((service_type, name))
    ServiceBrowser(zeroconf, list(wanted), handlers=[seen])
    while len(found) < 2:
        if time.monotonic() > patience:
            sys.exit(f"of {wanted} only {found} was found; announced were {names}")
        for service_type, name in list(names):
            info = zeroconf.get_service_info(service_type, name)
            if info and info.port == wanted[service_type]:
                found[service_type] = info.parsed_addresses()[0]
        time.sleep(0.02)
where = f"http://{found['_oscjson._tcp.local.']}:{query}"
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
info = json.loads(direct.open(where + "/?HOST_INFO").read())
tree = json.loads(direct.open(where + "/").read())
print(json.dumps([found, info["OSC_IP"], info["OSC_PORT"], sorted(tree["CONTENTS"]["stemweave"]["CONTENTS"])]))
"""

LISTEN = """
import json, socket, sys
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.settimeout(300)
door.connect((sys.argv[1], int(sys.argv[2])))
heard = []
def say(address, *arguments):
    builder = OscMessageBuilder(address="/stemweave" + address)
    for argument in arguments:
        builder.add_arg(argument)
    door.send(builder.build().dgram)
def hear():
    message = OscMessage(door.recv(65536))
    heard.append([message.address.removeprefix("/stemweave"), *message.params])
    return heard[-1][0]
say("/ping"); hear()
say("/separate", sys.argv[3], sys.argv[3] + "-out"); hear()
say("/subscribe"); hear()
print("listening", flush=True)
while not hear().startswith("/job/error"):
    pass
print(json.dumps(heard))
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with another_machine(tmp_path_factory.mktemp("other")) as machine:
        yield machine


@pytest.fixture(scope="module")
def server(other, tmp_path_factory):
    folders = [tmp_path_factory.getbasetemp()]
    with running(osc_port=free_port(), osc_host=other.server, folders=folders, advertise=True) as server:
        yield server


def test_it_is_found_without_being_told_where(other, server):
    network, _, _ = other.server.rpartition(".")
    mine = f"{network}.2" if other.prefix else other.server
    ran = other.run("-c", FIND, mine, str(server._osc.port), str(server.query_ports[-1]))
    assert ran.returncode == 0, ran.stderr
    found, ip, port, names = json.loads(ran.stdout)
    assert set(found.values()) == {other.server}
    assert (ip, port) == (other.server, server._osc.port)
    assert "separate" in names


def test_others_may_ask_and_listen_but_name_and_learn_no_path(other, server, tmp_path):
    secret = str(tmp_path / "secret.wav")
    with (
        other.start("-c", LISTEN, other.server, str(server._osc.port), secret) as listener,
        Patch(server._osc.port) as patch,
    ):
        assert listener.stdout.readline() == "listening\n"
        patch.send("/separate", secret, str(tmp_path / "out"))
        (job,) = patch.hear("/job/accepted")
        failed, _, text = patch.hear("/job/error")
        assert (failed, bool(text)) == (job, True)
        said, errors = listener.communicate()
    assert listener.returncode == 0, errors
    pong, refused, subscribed, *heard = json.loads(said)
    assert (pong, refused[:2], subscribed) == (["/pong"], ["/error", "forbidden"], ["/subscribed", 60.0])
    assert secret not in said
    assert {message[1] for message in heard} == {job[:8]}
    assert heard[-1][-1] == ""


def test_at_all_addresses_this_machine_is_trusted_and_its_others_are_not():
    class Asked:
        """Takes every job as far as its refusal."""

        def submit_files(self, *_):
            raise Refused("asked", "Somebody came as far as this.")

    endpoint = OscEndpoint("0.0.0.0", 0, Asked())
    try:
        for address, code in (("127.0.0.1", "asked"), *((address, "forbidden") for address in addresses())):
            with Patch(endpoint.port, address) as patch:
                patch.send("/separate", "/song.wav", "/out")
                select(endpoint.filenos(), [], [], PATIENCE)
                endpoint.receive()
                assert patch.next()[1][0] == code
        assert endpoint.outside == addresses()
    finally:
        endpoint.close()


def test_an_address_of_another_machine_is_told():
    with pytest.raises(BridgeError, match=r"Cannot hear OSC at 203\.0\.113\.7"):
        OscEndpoint("203.0.113.7", 0, None)
