"""A server on a network: whoever was not paired gets nothing, whoever was is served, and only the code that is shown pairs."""

import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zmq
from support.machines import Machine, another_machine
from support.servers import PATIENCE, address, running, song, until

from bridge import keys, pairing, protocol
from bridge.cli.pair import pair
from bridge.client import Client
from bridge.doors import Doors, approach, knock
from bridge.errors import BridgeError
from bridge.keys import CLIENTS, SERVERS, KeyPair
from bridge.ports import free_port
from bridge.protocol import Hello, encode

ASK = f"""
import sys
import numpy
import bridge.client
bridge.client.SILENT_AFTER = {PATIENCE}
music = numpy.random.default_rng(0).standard_normal((2, 70_000)).astype("f")
with bridge.client.Client(sys.argv[1], float(sys.argv[2])) as client:
    stems = client.separate(music, 44100)
assert numpy.array_equal(stems["one"], music / 2)
print("served")
"""

KNOCK = """
import sys
import zmq
from bridge.protocol import Hello, encode
with zmq.Context() as context, context.socket(zmq.DEALER) as door:
    door.linger = 0
    if len(sys.argv) > 2:
        door.curve_publickey, door.curve_secretkey = zmq.curve_keypair()
        door.curve_serverkey = sys.argv[2].encode()
    door.connect(sys.argv[1])
    door.send_multipart(encode(Hello("1.0")))
    print("heard", door.recv() if door.poll(1500) else "nothing")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The user's config folder on this machine, which has the server."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Machine:
    with another_machine(tmp_path_factory.mktemp("other")) as machine:
        yield machine


@pytest.fixture(scope="module")
def server(home, other):
    with running(host=other.server, osc_port=0) as server:
        yield server


@pytest.fixture
def offered(home):
    """Starts an offer; gives back its code and a function that waits for its end: the client's name, or the error."""
    threads = []

    def start(port: int, **options):
        offer, ended = pairing.Offer(port, **options), []

        def wait() -> None:
            try:
                with offer:
                    name = offer.wait()
                ended.append(name)  # and the door is closed
            except BridgeError as error:
                ended.append(error)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        return offer.code, lambda: until(lambda: ended, "the end of an offer")[0]

    yield start
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_who_was_not_paired_gets_nothing_and_who_was_is_served(server, other, offered):
    """One story: nothing, plain or encrypted; a wrong code; the right one; stems; and nothing again once it is forgotten."""
    place = f"tcp://{other.server}:{server.port}"
    for more in ((), (keys.own("server").public,)):
        knocked = other.run("-c", KNOCK, place, *more)
        assert knocked.stdout.strip() == "heard nothing", knocked.stderr
    refused = other.run("-c", ASK, place, str(PATIENCE))
    assert "was not paired with" in refused.stderr
    assert "stemweave pair" in refused.stderr

    code, end = offered(server.port)
    pair = ("-m", "bridge", "pair", f"{other.server}:{server.port}")
    wrong = other.run(*pair, pairing.new_code())
    assert wrong.returncode == 1
    assert "not the code" in wrong.stderr
    assert not CLIENTS.keys()
    paired = other.run(*pair, code.lower().replace("-", " "))
    assert paired.returncode == 0, paired.stderr
    assert set(CLIENTS.keys()) == {end()}

    served = other.run("-c", ASK, place, str(PATIENCE))
    assert served.stdout.strip() == "served", served.stderr
    assert CLIENTS.drop(end())
    assert "No stemweave server answers" in other.run("-c", ASK, place, "3").stderr


def test_this_machine_is_served_in_the_clear_all_the_same(server):
    music = song(1000)
    with Client(address(server)) as client:
        assert client.separate(music, 44_100)


def test_osc_stays_on_this_machine(server):
    assert [door.getsockname()[0] for door in server._osc._sockets] == ["127.0.0.1"]


def test_a_guard_that_is_gone_lets_nobody_in(home, other):
    """Who would be let in again, by the same keys, while it is there."""
    with running(host=other.server) as server, zmq.Context() as context:
        CLIENTS.put("me", keys.own("client").public)
        with context.socket(zmq.DEALER) as before, context.socket(zmq.DEALER) as after:
            for door, patience in ((before, PATIENCE * 1000), (after, 1500)):
                door.linger = 0
                knock(door, keys.own("client"), keys.own("server").public)
                door.connect(server.outside[0])
                door.send_multipart(encode(Hello(protocol.VERSION)))
                assert bool(door.poll(patience)) == (door is before)
                server._doors._guard.stop()
            assert isinstance(protocol.decode(before.recv_multipart())[0], protocol.Welcome)
        assert CLIENTS.drop("me")


def test_two_clients_of_the_same_identity_at_two_doors_are_two(server, other):
    """What one of them says is answered to it, not to the one on the other side."""
    CLIENTS.put("me", keys.own("client").public)
    with zmq.Context() as context, context.socket(zmq.DEALER) as near, context.socket(zmq.DEALER) as far:
        near.linger = far.linger = 0
        near.identity = far.identity = b"the same"
        knock(far, keys.own("client"), keys.own("server").public)
        near.connect(address(server))
        far.connect(server.outside[0])
        for door in (near, far, near):
            door.send_multipart(encode(Hello(protocol.VERSION)))
            assert door.poll(PATIENCE * 1000)
            assert isinstance(protocol.decode(door.recv_multipart())[0], protocol.Welcome)
        assert not near.poll(0)
        assert not far.poll(0)
    assert CLIENTS.drop("me")


def test_a_code_is_good_once(home, offered, monkeypatch):
    port = free_port()
    code, end = offered(port)
    pairing.ask("127.0.0.1", port, code, "laptop", timeout=PATIENCE)
    assert end() == "laptop"
    with pytest.raises(BridgeError, match="Nobody pairs at"):
        pairing.ask("127.0.0.1", port, code, "laptop", timeout=PATIENCE)
    assert SERVERS.keys()[f"127.0.0.1:{port}"] == keys.own("server").public
    monkeypatch.setattr(keys, "own", lambda role: KeyPair.of(zmq.curve_keypair()[1].decode()))
    for name, shown in (("laptop", "laptop 2"), ("\x1b[2J\n" + "x" * 100, "[2J" + "x" * 37), ("", "a client")):
        code, end = offered(port)
        pairing.ask("127.0.0.1", port, code, name, timeout=PATIENCE)
        assert end() == shown
    for name in list(CLIENTS.keys()):
        CLIENTS.drop(name)


def test_wrong_codes_use_up_the_tries_and_strangers_do_not(home, offered):
    port = free_port()
    code, end = offered(port)
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.linger = 0
        plain.connect(f"tcp://127.0.0.1:{port + pairing.OFFSET}")
        plain.send(b"hello?")
        for _ in range(pairing.TRIES):
            with pytest.raises(BridgeError, match="not the code"):
                pairing.ask("127.0.0.1", port, pairing.new_code(), "guesser", timeout=PATIENCE)
    assert "wrong codes were tried" in str(end())
    with pytest.raises(BridgeError, match="Nobody pairs at"):
        pairing.ask("127.0.0.1", port, code, "laptop", timeout=PATIENCE)
    assert not CLIENTS.keys()


def test_an_offer_ends_by_itself(home, offered):
    assert "in time" in str(offered(free_port(), good_for=0.2)[1]())


@pytest.mark.parametrize("code", ["", "ABC", "ABCDE-FGHJKM", "ABCDE-FGHJ!", "ABCDE-FGHJU"])
def test_what_cannot_be_a_code_is_told_at_once(code):
    with pytest.raises(BridgeError, match="is not a code"):
        pairing.keys_of(code)


def test_the_keys_of_a_code_are_the_documents_however_it_is_typed():
    document = Path(protocol.__file__).with_name("PROTOCOL.md").read_text()
    secret, public = re.search(r"<!-- code -->\n```\n(.*?)```", document, re.S)[1].split()
    assert pairing.keys_of("K7QM2-9XD4T") == pairing.keys_of("k7qm2 9xd4t") == KeyPair(public, secret)
    assert pairing.keys_of("01234-10000") == pairing.keys_of("ol234-ioOo0")


def test_keys_are_for_the_users_eyes_only(home):
    keys.own("client")
    CLIENTS.put("laptop", keys.own("client").public)
    assert CLIENTS.drop("laptop")
    folder = home / "stemweave" / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert keys.own("client") == keys.own("client") != keys.own("server")


def test_keys_that_others_may_read_or_that_are_damaged_are_not_used(home):
    SERVERS.put("studio:1", keys.own("server").public)
    path = home / "stemweave" / "keys" / "servers.toml"
    path.chmod(0o644)
    with pytest.raises(BridgeError, match="read or changed by others") as caught:
        SERVERS.keys()
    assert f"chmod 600 {path}" in caught.value.hint
    path.chmod(0o600)
    for text in ('"studio:1" = "short"', "studio", '"studio:1" = 7', f'"studio:1" = "{"~" * 40}"'):
        path.write_text(text)
        with pytest.raises(BridgeError, match="damaged"):
            SERVERS.keys()
    path.unlink()


def test_a_key_is_used_for_its_own_address_only(home):
    server = keys.own("server").public
    SERVERS.put("studio.local:27182", server)
    with zmq.Context() as context, context.socket(zmq.DEALER) as door:
        approach(door, "tcp://STUDIO.local:27182")
        assert door.mechanism == zmq.CURVE
    with zmq.Context() as context, context.socket(zmq.DEALER) as door:
        approach(door, "tcp://127.0.0.1:27182")
        assert door.mechanism == zmq.NULL
        for address_ in ("tcp://studio.local:27183", "tcp://other.local:27182"):
            with pytest.raises(BridgeError, match="was not paired"):
                approach(door, address_)
        with pytest.raises(BridgeError, match="not an address"):
            approach(door, "tcp://127.0.0.1:0;other.local:27182")  # from which, to which: ZeroMQ would take it


def test_the_program_shows_the_code_and_who_was_paired(home, other):
    port = free_port()
    command = [sys.executable, "-m", "bridge", "pair", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    shown = process.stdout.readline()
    code = re.search(r"stemweave pair \S+ (\S+)$", shown.strip())[1]
    paired = other.run("-m", "bridge", "pair", f"{other.server}:{port}", code)
    assert paired.returncode == 0, paired.stderr
    said, _ = process.communicate(timeout=PATIENCE)
    assert "was paired" in said
    (name,) = CLIENTS.keys()
    for arguments, words in (
        (["--list"], name),
        (["--forget", name], "let in no more"),
        (["--forget", name], "No client called"),
    ):
        done = subprocess.run([*command[:4], *arguments], capture_output=True, text=True, check=False)
        assert words in done.stdout + done.stderr
    assert not CLIENTS.keys()


@pytest.mark.parametrize(
    "speak",
    [
        lambda: Client("tcp://[::1]:27182"),
        lambda: Client("tcp://[fe80::1]:27182"),
        lambda: Doors("::1", 0),
        lambda: Doors("::", 0),
        lambda: pair("[fe80::1]:27182", "K7QM2-9XD4T"),
        lambda: pair("fe80::1", "K7QM2-9XD4T"),
    ],
    ids=["client here", "client elsewhere", "server here", "server everywhere", "pair with a port", "pair"],
)
def test_ipv6_is_refused_with_what_to_give_instead(speak):
    with pytest.raises(BridgeError, match="IPv6") as caught:
        speak()
    assert "IPv4" in caught.value.hint
