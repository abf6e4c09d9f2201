"""Back ends for a GPU that keep the processor out of the way: the core as one CUDA graph, recorded as it is or compiled first."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.backends.eager import eager
from engine.cards import Card
from engine.denoiser import Denoiser
from engine.errors import ResourceError
from engine.networks.core import core_inputs, core_of, probe, replace_core

KEPT = 4  # graphs of a core: each holds the memory of a call, and a song's chunks come in two or three shapes
WARM = 3  # calls before recording, as torch asks for

Run = Callable[..., Tensor]
Recorded = tuple[tuple[Tensor, ...], Callable[[], object], Tensor]
"""The tensors a call reads, how to play it again, and the tensor it writes."""


def graph(card: Card, device: str) -> Denoiser:
    """The core in float32, each shape of its input recorded once. ResourceError without a GPU."""
    denoiser = on_gpu(card, device)
    return replace_core(denoiser, Graphs(core_of(denoiser)))


def compiled(card: Card, device: str) -> Denoiser:
    """The core by torch.compile, which records as well; minutes in every process, before the first call, and again where a batch or
    length is another than before. ResourceError without a GPU, or where torch cannot compile."""
    denoiser = on_gpu(card, device)
    inputs = core_inputs(denoiser, probe(card.spec, 1, card.spec.chunk, device=device))
    return replace_core(denoiser, compiled_core(core_of(denoiser), inputs))


@torch.no_grad()
def compiled_core(core: Run, inputs: tuple[Tensor, ...]) -> Run:
    """A core that torch.compile made and that has been called once. ResourceError where torch cannot, now or at a call whose shapes
    it has to compile anew for."""
    run = torch.compile(core, mode="reduce-overhead")
    try:
        run(*inputs)
    except Exception as error:  # torch's own here have no common base but this
        raise _refused(error) from error

    def again(*given: Tensor) -> Tensor:
        try:
            return run(*given).clone()  # the next call writes where this one did
        except torch._dynamo.exc.TorchDynamoException as error:  # not of memory that ran out, which callers see to
            raise _refused(error) from error

    return again


def _refused(error: Exception) -> ResourceError:
    why = (str(error).strip() or repr(error)).splitlines()[0]
    return ResourceError(f"torch cannot compile this model here: {why}", "Use --backend torch.")


def on_gpu(card: Card, device: str) -> Denoiser:
    """torch's denoiser there. ResourceError when that is no GPU of CUDA's."""
    denoiser = eager(card, device)
    if not device.startswith("cuda"):
        raise ResourceError(f"CUDA graphs do not run on '{device}'.", "Use --device cuda, or another back end.")
    return denoiser


class Graphs:
    """A core's calls played again from what `record` made of the first of their kind (shapes, types, device); the oldest of more
    than KEPT is dropped."""

    def __init__(self, core: Run):
        self.core, self.kept = core, dict[tuple[Any, ...], Recorded]()

    def __call__(self, *inputs: Tensor) -> Tensor:
        kind = tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in inputs)
        with torch.cuda.device_of(inputs[0]):  # streams and graphs are of the current GPU, whichever the tensors are on
            if kind not in self.kept:
                if len(self.kept) == KEPT:
                    del self.kept[next(iter(self.kept))]
                # A separation runs in inference mode; what is made there, guided calls outside of it could not write to.
                with torch.inference_mode(False):
                    own = tuple(tensor.detach().clone() for tensor in inputs)
                self.kept[kind] = own, *record(self.core, own)
            own, play, found = self.kept[kind]
            for mine, theirs in zip(own, inputs, strict=True):
                mine.copy_(theirs)
            play()
            return found.clone()


def record(core: Run, own: tuple[Tensor, ...]) -> tuple[Callable[[], object], Tensor]:
    """One call of the core on these tensors as a CUDA graph of the current GPU: how to play it again, and what it then writes."""
    beside, here = torch.cuda.Stream(), torch.cuda.current_stream()
    beside.wait_stream(here)
    with torch.cuda.stream(beside):
        for _ in range(WARM):
            core(*own)
    here.wait_stream(beside)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        found = core(*own)
    return recorded.replay, found
