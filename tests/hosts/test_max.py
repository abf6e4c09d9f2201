"""Max's patchers, which Max itself never opened here: their form, and their wiring by a stand-in that talks to a live server."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient
from support.max import Box, Patcher, atoms
from support.models import SOURCES
from support.osc import engine_by_osc
from support.servers import PATIENCE

from bridge.osc.addresses import ADDRESSES, REPLIES, ROOT
from bridge.osc.endpoint import task_usages

PATCHES = Path(__file__).parents[2] / "plugin_stub" / "hosts" / "max"
EXAMPLE = PATCHES / "stemweave-example.maxpat"
SHAPES = {
    "udpsend": (1, 0), "udpreceive": (1, 1), "prepend": (1, 1), "zl": (2, 2), "patcherargs": (1, 2), "message": (2, 1),
    "print": (1, 0), "buffer~": (1, 2), "line~": (2, 2), "*~": (2, 1), "ezdac~": (2, 0), "flonum": (1, 2), "button": (1, 1),
    "comment": (1, 0), "inlet": (0, 1), "outlet": (1, 0),
}  # fmt: skip
"""Inlets and outlets of Max's objects, those whose number does not depend on what they are told."""


def shape(box: Box) -> tuple[int, int]:
    """Inlets and outlets a box has in Max."""
    abstraction = PATCHES / f"{box.name}.maxpat"
    if abstraction.exists():
        names = [inner.name for inner in loaded(abstraction).boxes]
        return names.count("inlet"), names.count("outlet")
    if box.name == "play~":
        return 1, int(box.words[1]) + 1  # a channel each, and the end
    told = len(box.words)
    return (SHAPES | {"t": (1, told), "unpack": (1, told), "route": (told + 1, told + 1)})[box.name]


def loaded(path: Path) -> Patcher:
    return Patcher(path, send=lambda port, message: None)


@pytest.fixture(params=["stemweave.maxpat", "stemweave-example.maxpat"])
def patcher(request) -> Patcher:
    return loaded(PATCHES / request.param)


def test_boxes_have_the_inlets_and_outlets_of_their_kind_and_lines_lie_between_them(patcher):
    for box in patcher.boxes:
        ins, outs = shape(box)
        assert (box.saved["numinlets"], box.saved["numoutlets"]) == (ins, outs), box.text
        assert len(box.saved.get("outlettype", [])) == outs, box.text
        assert all(outlet < outs for outlet in box.wires), box.text
        for target, inlet in (wire for wires in box.wires.values() for wire in wires):
            assert inlet < target.saved["numinlets"], (box.text, target.text)
    assert len({box.saved["id"] for box in patcher.boxes}) == len(patcher.boxes)


def test_the_outlets_are_numbered_as_they_lie(patcher):
    outlets = [box.saved for box in patcher.boxes if box.name == "outlet"]
    assert [outlet["index"] for outlet in sorted(outlets, key=lambda saved: saved["patching_rect"][0])] == [1, 2, 3][
        : len(outlets)
    ]


def test_every_address_is_in_the_table_with_as_many_arguments_as_it_takes(patcher):
    tasks = dict(task_usages())
    for box in patcher.boxes:
        sent = [word.removeprefix(ROOT) for word in box.text.split() if word.startswith(ROOT)]
        table = REPLIES if box.name == "route" else ADDRESSES
        assert set(sent) <= set(table), box.text
        if box.name == "message" and box.text:
            first, *given = atoms(box.text)
            usage = (ADDRESSES | {task[1:]: (names, "") for task, names in tasks.items()}).get(
                str(first).removeprefix(ROOT)
            )
            if usage and first != f"{ROOT}/job/cancel":  # whose id is put there when there is one
                names = usage[0].split()
                assert sum("[" not in name for name in names) <= len(given) <= len(names), box.text


def test_every_task_and_every_answer_of_a_job_has_its_way():
    boxes = loaded(PATCHES / "stemweave.maxpat").boxes
    asked, answered = sorted((box for box in boxes if box.name == "route"), key=lambda box: ROOT in box.text)
    assert set(asked.words) == {"cancel"} | {task[1:] for task, _ in task_usages()}
    assert {word.removeprefix(ROOT) for word in answered.words} >= {reply for reply in REPLIES if "/job/" in reply} | {
        "/error"
    }
    for outlet, task in enumerate(asked.words[1:], 1):
        ((target, _),) = asked.wires[outlet]
        assert target.text == f"prepend {ROOT}/{task}"
        assert [box.name for box, _ in target.wires[0]] == ["udpsend"]


def test_all_stems_are_played_by_one_signal():
    boxes = loaded(EXAMPLE).boxes
    (ramp,) = (box for box in boxes if box.name == "line~")
    players = [box for box in boxes if box.name == "play~"]
    assert {target for target, _ in ramp.wires[0]} == set(players)
    assert {box.words[0] for box in players} == {f"stem-{name}" for name in (*SOURCES, "residual")}
    assert {box.words[0] for box in players} == {box.words[0] for box in boxes if box.name == "buffer~"}
    for side in (0, 1):
        assert len({wires[0][0] for box in players for outlet, wires in box.wires.items() if outlet == side}) == 1


def test_it_says_that_max_never_opened_it(patcher):
    assert any("never played in Max" in box.text for box in patcher.boxes if box.name == "comment")


class Stage:
    """The example on a stand-in for Max, with two sockets as udpsend and udpreceive have them."""

    def __init__(self, port: int, folder: Path, messages: dict[str, str]):
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.settimeout(PATIENCE)
        self.ear.bind(("127.0.0.1", 0))
        here = self.ear.getsockname()[1]
        text = EXAMPLE.read_text()
        for old, new in {"stemweave 27183 27184": f"stemweave {port} {here}", **messages}.items():
            assert text.count(f'"{old}"') == 1
            text = text.replace(f'"{old}"', f'"{new}"')
        (folder / "example.maxpat").write_text(text)
        shutil.copy(PATCHES / "stemweave.maxpat", folder)
        self.mouth = SimpleUDPClient("127.0.0.1", port, family=socket.AF_INET)
        self.patcher = Patcher(folder / "example.maxpat", self.send)
        ((*_, listens),) = (box.words for box in self.patcher.named("udpreceive"))
        assert int(listens) == here

    def send(self, port: int, message: list) -> None:
        assert port == self.mouth._port
        self.mouth.send_message(message[0], message[1:])

    def printed(self, *words: str) -> list:
        """What the patch prints, once it begins with one of these words."""
        while True:
            message = OscMessage(self.ear.recv(65536))
            self.patcher.receive([message.address, *message.params])
            said = [line for line in self.patcher.named("print")[0].heard if line[0] in words]
            if said:
                return said[0]

    def close(self) -> None:
        self.ear.close()
        self.mouth.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with engine_by_osc(tmp_path_factory) as server:
        yield server


@pytest.fixture
def stage(server, tmp_path):
    messages = {
        "separate /path/to/song.wav /path/to/stems": f"separate {tmp_path}/song.wav {tmp_path}/stems",
        "generate /path/to/new 10": f"generate {tmp_path}/new 100",
    }
    stage = Stage(server._osc.port, tmp_path, messages)
    yield stage
    stage.close()


def test_a_separation_ends_with_every_stem_sent_to_its_buffer(stage, tmp_path):
    soundfile.write(
        tmp_path / "song.wav", 0.1 * np.random.default_rng(0).standard_normal((30_000, 2)), 44100, subtype="FLOAT"
    )
    stage.patcher.click(f"separate {tmp_path}/song.wav {tmp_path}/stems")
    (word, _) = stage.printed("done", "error")
    assert word == "done"
    read = {box.words[0]: box.heard for box in stage.patcher.named("buffer~")}
    assert read == {f"stem-{name}": [["replace", f"{tmp_path}/stems/{name}.wav"]] for name in (*SOURCES, "residual")}
    progress = [value for (value,) in stage.patcher.named("flonum")[0].heard]
    assert progress == sorted(progress)
    assert 0 < progress[-1] <= 1


def test_a_job_is_cancelled_and_a_failure_printed(stage, tmp_path):
    stage.patcher.click(f"generate {tmp_path}/new 100")
    (_, job) = stage.printed("accepted")
    stage.patcher.click("cancel")
    assert stage.printed("cancelled") == ["cancelled", job]
    stage.patcher.click(f"separate {tmp_path}/song.wav {tmp_path}/stems")
    assert stage.printed("error")[2] == "bad_audio"
    stage.patcher.click(f"{ROOT}/ping")
    assert stage.printed(f"{ROOT}/pong") == [f"{ROOT}/pong"]
