"""Two processes of torch's own launcher train as one with twice the batch, hold the same weights, and go on after a kill."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.training import trainer
from engine.training.examples import Batch, Examples

PROGRAM = """
import os, pathlib, signal, sys
import torch
from engine.training import trainer

config, run, dies_after = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
rank, move = os.environ["RANK"], trainer.Optimizer.step


def recorded(self, share):
    weights = [weight for part in self.parts for group in part.param_groups for weight in group["params"]]
    if not (run / f"gradients-{rank}.pt").exists():
        torch.save([weight.grad for weight in weights], run / f"gradients-{rank}.pt")
        torch.save([weight.detach() for weight in weights], run / f"start-{rank}.pt")
    move(self, share)
    torch.save([weight.detach() for weight in weights], run / f"weights-{rank}.pt")


def tell(state):
    print(state["step"], repr(state["loss"]), flush=True)
    if str(state["step"]) == dies_after:
        os.kill(os.getpid(), signal.SIGKILL)


trainer.Optimizer.step = recorded
trainer.train(config, run, tell)
"""


@pytest.fixture
def together(config, tmp_path):
    """Trains in two processes in one folder, or goes on there: ([(step, loss)], exit code)."""
    config.write_text(config.read_text().replace("steps = 12", "steps = 6").replace("checkpoint = 4", "checkpoint = 2"))
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(trainer.__file__).parents[2])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    command += ["--nproc-per-node=2", tmp_path / "program.py", config, tmp_path / "run"]

    def start(dies_after: str = "never") -> tuple[list[tuple[int, float]], int]:
        done = subprocess.run(
            [*command, dies_after], env=environment, capture_output=True, text=True, timeout=1200, check=False
        )
        print(done.stderr)  # which pytest shows of a test that fails
        lines = [line.split() for line in done.stdout.splitlines()]
        return [(int(step), float(loss)) for step, loss in lines], done.returncode

    return start


@pytest.mark.parametrize("muon", ["", "muon = true\n"])
def test_two_processes_train_as_one_with_twice_the_batch_and_go_on_after_a_kill(
    config, together, tmp_path, monkeypatch, muon
):
    config.write_text(muon + config.read_text())
    before, code = together(dies_after="3")  # the checkpoint is of step 2
    assert code != 0
    after, code = together()
    assert code == 0
    assert [step for step, _ in before + after] == [1, 2, 3, 3, 4, 5, 6]
    assert before[2] == after[0]
    losses, gradients, way = alone_with_twice_the_batch(config, tmp_path, monkeypatch)
    assert [loss for _, loss in before[:2] + after] == pytest.approx(losses, rel=1e-3)
    for rank in (0, 1):
        for ours, theirs in zip(gradients, torch.load(tmp_path / "run" / f"gradients-{rank}.pt"), strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-5)
    one, other = (torch.load(tmp_path / "run" / f"weights-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    start = torch.load(tmp_path / "run" / "start-0.pt")
    assert [float((a - b).norm()) for a, b in zip(one, start, strict=True)] == pytest.approx(way, rel=0.05, abs=1e-4)


def alone_with_twice_the_batch(config, tmp_path, monkeypatch) -> tuple[list[float], list[torch.Tensor], list[float]]:
    """The losses of one process that is given the examples of both, its first gradients, and how far each weight went."""
    draw, move, losses, gradients, start, way = Examples.batch, trainer.Optimizer.step, [], [], [], []

    def draw_both(self, step: int, process: int = 0) -> Batch:
        batches = [
            draw(self, step, process) for process in ((0, 1) if step < 6 else (0,))
        ]  # later ones are not trained on
        parts = zip(*(vars(batch).values() for batch in batches), strict=True)
        return Batch(*(None if part[0] is None else torch.cat(part) for part in parts))

    def look(self, share: float) -> None:
        weights = [weight for part in self.parts for group in part.param_groups for weight in group["params"]]
        if not gradients:
            gradients.extend(weight.grad.clone() for weight in weights)
            start.extend(weight.detach().clone() for weight in weights)
        move(self, share)
        way[:] = [float((a.detach() - b).norm()) for a, b in zip(weights, start, strict=True)]

    monkeypatch.setattr(Examples, "batch", draw_both)
    monkeypatch.setattr(trainer.Optimizer, "step", look)
    trainer.train(config, tmp_path / "alone", lambda state: losses.append(state["loss"]))
    return losses, gradients, way
