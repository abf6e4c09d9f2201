"""A stand-in for Max, which does not run here: it reads patchers and passes messages as Max's documentation says its objects do.

No signals and no windows. It shows that a patch is wired to do what it should, not that Max itself agrees.
"""

import json
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Message = list[Any]
BANG = ["bang"]


def atoms(text: str) -> Message:
    """The words of a message, quotes respected; what looks like a number is one."""
    return [atom(word) for word in shlex.split(text)]


def atom(word: str) -> Any:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(word)
    return word


class Box:
    """A box of a patcher. name, words: of its text; wires: (box, inlet) by outlet; heard: the messages that came to it."""

    def __init__(self, saved: dict[str, Any]):
        self.saved, self.text = saved, saved.get("text", "")
        self.name, *self.words = self.text.split() if saved["maxclass"] == "newobj" else [saved["maxclass"]]
        self.wires: dict[int, list[tuple[Box, int]]] = {}
        self.heard: list[Message] = []


class Patcher:
    """A .maxpat with its abstractions, loaded. send: what udpsend does, given its port and a message; leave: what outlets do."""

    def __init__(self, path: Path, send: Callable, arguments: tuple = (), leave: Callable | None = None):
        self.send, self.arguments, self.leave = send, arguments, leave
        saved = json.loads(path.read_text())["patcher"]
        boxes = {one["box"]["id"]: Box(one["box"]) for one in saved["boxes"]}
        self.boxes = list(boxes.values())
        for line in saved["lines"]:
            (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
            boxes[source].wires.setdefault(outlet, []).append((boxes[target], inlet))
        self.inner = {}
        for box in self.boxes:
            for wires in box.wires.values():  # the rightmost first, then the lowest
                wires.sort(key=lambda wire: [-where for where in wire[0].saved["patching_rect"][:2]])
            file = path.parent / f"{box.name}.maxpat"
            if file.exists():
                self.inner[box] = Patcher(file, send, tuple(map(atom, box.words)), self._leaver(box))
        for box in self.boxes:
            if box.name == "patcherargs":
                self._emit(box, 0, [*arguments, *map(atom, box.words[len(arguments) :])])

    def _leaver(self, box: Box) -> Callable:
        return lambda outlet, message: self._emit(box, outlet, message)

    def named(self, name: str) -> list[Box]:
        """All boxes of that name, those of abstractions too."""
        return [box for box in self.boxes if box.name == name] + [
            box for patcher in self.inner.values() for box in patcher.named(name)
        ]

    def click(self, text: str) -> None:
        """The message box with that text."""
        (box,) = (box for box in self.boxes if box.name == "message" and box.text == text)
        self._put(box, BANG)

    def receive(self, message: Message) -> None:
        """A message comes to every udpreceive."""
        for patcher in (self, *self.inner.values()):
            for box in patcher.boxes:
                if box.name == "udpreceive":
                    patcher._emit(box, 0, message)

    def _emit(self, box: Box, outlet: int, message: Message) -> None:
        for target, _ in box.wires.get(outlet, []):
            self._put(target, message)

    def _put(self, box: Box, message: Message) -> None:
        """To the left inlet: no other is used by the messages of these patches, but those of numbers to signals."""
        box.heard.append(message)
        if box in self.inner:
            for inlet in (one for one in self.inner[box].boxes if one.name == "inlet"):
                self.inner[box]._emit(inlet, 0, message)
        elif message[0] == "port" and box.name in ("udpsend", "udpreceive"):
            box.words[-1] = str(message[1])
        elif box.name == "udpsend":
            self.send(int(box.words[-1]), message)
        elif box.name == "outlet" and self.leave:
            self.leave(box.saved["index"] - 1, message)
        else:
            for outlet, made in reversed(list(enumerate(made_by(box, message)))):  # outlets fire from right to left
                if made:
                    self._emit(box, outlet, made)


def made_by(box: Box, message: Message) -> list[Message]:
    """What a message object makes of a message, by outlet; [] is nothing."""
    if box.name == "t":
        return [BANG if word == "b" else message for word in box.words]
    if box.name == "route":
        matches = [atom(word) == message[0] for word in box.words]
        return [(message[1:] or BANG) if match else [] for match in matches] + [[] if any(matches) else message]
    if box.name == "prepend":
        return [[*map(atom, box.words), *message]]
    if box.name == "unpack":
        return [[value] for value in message]
    if box.name == "zl":
        count = int(box.words[1])
        return [message[:count], message[count:]]
    if box.name == "message" and message[0] == "set":
        box.text = shlex.join(map(str, message[1:]))
    elif box.name == "message":
        return [[message[0] if word == "$1" else word for word in atoms(box.text)]]
    return []
