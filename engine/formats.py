"""File formats a core is exported to: how to write one, what it says of itself, and how to run it.

Two are traced: `torch.jit.trace` and ONNX by way of it. The newer exporter (`dynamo=True`) cannot take along a GRU whose
length and batch are not fixed (torch 2.13). The third, aoti, is compiled: see engine/aoti.py.
"""

import json
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.aoti import open_aoti, write_aoti
from engine.described import KEY, damaged, said
from engine.errors import ResourceError
from engine.memory import out_of_memory
from engine.providers import sessions

OPSET = 18
EXTERNAL = 10**9  # bytes of weights from which an ONNX file keeps them in a file beside it; protobuf ends at 2**31
INPUTS = ("x", "noise", "told")

Run = Callable[..., Tensor]


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Without torch's words that tracing is deprecated and that checks of shapes are not recorded: both are known here."""
    with warnings.catch_warnings(), torch.no_grad():
        for kind in (DeprecationWarning, FutureWarning, UserWarning, torch.jit.TracerWarning):
            warnings.simplefilter("ignore", kind)
        yield


def write_torchscript(core: nn.Module, inputs: tuple[Tensor, ...], path: Path, about: dict[str, Any]) -> None:
    """A frozen trace, for any device."""
    with quiet_tracing(), told_where_to_begin(core):
        traced = torch.jit.freeze(torch.jit.trace(core.eval(), inputs, check_trace=False))
        torch.jit.save(traced, str(path), _extra_files={KEY: json.dumps(about)})


@contextmanager
def told_where_to_begin(core: nn.Module) -> Iterator[None]:
    """Its recurrent layers are handed the zeros they begin with. Those they make themselves are traced for the device at hand,
    which loading the file for another does not change."""

    def zeros(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Any, ...]:
        assert isinstance(layer, nn.GRU | nn.LSTM)
        (x,) = inputs
        items = x.shape[0 if layer.batch_first else 1]
        state = x.new_zeros(layer.num_layers * (2 if layer.bidirectional else 1), items, layer.hidden_size)
        return x, (state if isinstance(layer, nn.GRU) else (state, state))

    layers = [module for module in core.modules() if isinstance(module, nn.GRU | nn.LSTM)]
    hooks = [layer.register_forward_pre_hook(zeros) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def open_torchscript(path: Path, device: str) -> tuple[Run, dict[str, Any]]:
    """The core and what the file says. ModelError when it cannot be read or is not one of ours."""
    extra = {KEY: ""}
    try:
        with quiet_tracing():
            network = torch.jit.load(str(path), map_location=device, _extra_files=extra)
    except (RuntimeError, ValueError, OSError) as error:
        raise damaged(path, error) from error
    return network, said(path, extra[KEY])


def write_onnx(
    core: nn.Module, inputs: tuple[Tensor, ...], path: Path, about: dict[str, Any], external: int = EXTERNAL
) -> None:
    """ONNX with any batch and length (the last axis), float32 in and out. Weights of `external` bytes or more lie beside it in
    `path`.data. ResourceError where the package onnx is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise ResourceError("Writing ONNX needs the package onnx.", "pip install 'stemweave[export]'") from error
    names = list(INPUTS[: len(inputs)])
    axes = {
        name: {0: "batch"} | ({tensor.ndim - 1: "length"} if tensor.ndim > 2 else {})
        for name, tensor in zip(names, inputs, strict=True)
    }
    with quiet_tracing():
        torch.onnx.export(
            core.eval(), inputs, str(path), dynamo=False, opset_version=OPSET,
            input_names=names, output_names=["y"], dynamic_axes=axes | {"y": axes["x"]},
        )  # fmt: skip
        inner = core(*inputs).shape[1:-1]
    written = onnx.load(str(path))
    for axis, size in enumerate(inner, 1):  # sums hide them from ONNX, and readers rely on them
        written.graph.output[0].type.tensor_type.shape.dim[axis].dim_value = size
    for tensor in (*written.graph.input, *written.graph.output):
        tensor.doc_string = about.get("tensors", {}).get(tensor.name, "")
    onnx.helper.set_model_props(written, {KEY: json.dumps(about | {"opset": OPSET})})
    size = sum(parameter.numel() * parameter.element_size() for parameter in core.parameters())
    if size < external:
        onnx.save_model(written, str(path))
    else:
        onnx.save_model(
            written, str(path), save_as_external_data=True, all_tensors_to_one_file=True, location=f"{path.name}.data"
        )


def open_onnx(path: Path, device: str) -> tuple[Run, dict[str, Any]]:
    """The core in a session of onnxruntime, its tensors bound where they lie, and what the file says.

    ModelError when the file cannot be read or is not one of ours; ResourceError when onnxruntime cannot run it on `device`.
    """
    tries = sessions(path, device)
    first = next(tries)
    about = said(path, first.get_modelmeta().custom_metadata_map.get(KEY, ""))
    return Session(first, tries, torch.device(device if device.startswith("cuda") else "cpu")), about


class Session:
    """onnxruntime on torch's tensors, without copies: it reads and writes the memory they lie in (I/O binding).

    current: what runs it; tries: what follows where that fails (`sessions`). device: whose memory it reads; tensors of another
    are copied there and back.
    """

    def __init__(self, current: Any, tries: Generator[Any, None, None], device: torch.device):
        self.current, self.tries, self.device = current, tries, device
        self.names = [tensor.name for tensor in current.get_inputs()]
        self.channels = current.get_outputs()[0].shape[1]

    def __call__(self, *inputs: Tensor) -> Tensor:
        home = inputs[0].device
        inputs = tuple(tensor.to(self.device, torch.float32).contiguous() for tensor in inputs)
        y = torch.empty(len(inputs[0]), self.channels, *inputs[0].shape[2:], device=self.device)
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # onnxruntime has a stream of its own
        try:
            self._run(inputs, y)
        except (
            Exception
        ) as error:  # some that start fail at a shape or an operator; onnxruntime's have no common base but this
            if out_of_memory(error):
                raise
            self.current = self.tries.throw(error)
            return self(*inputs).to(home)
        return y.to(home)

    def _run(self, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        binding = self.current.io_binding()
        for name, tensor in zip(self.names, inputs, strict=True):
            binding.bind_input(name, *self._place(tensor))
        binding.bind_output("y", *self._place(y))
        self.current.run_with_iobinding(binding)

    def _place(self, tensor: Tensor) -> tuple[Any, ...]:
        return self.device.type, self.device.index or 0, "float32", list(tensor.shape), tensor.data_ptr()


@dataclass(frozen=True)
class Format:
    """suffix of its files; write(core, inputs, path, about); open(path, device) gives how to run it and what it says."""

    suffix: str
    write: Callable[[nn.Module, tuple[Tensor, ...], Path, dict[str, Any]], None]
    open: Callable[[Path, str], tuple[Run, dict[str, Any]]]


FORMATS = {
    "onnx": Format(".onnx", write_onnx, open_onnx),
    "torchscript": Format(".pt", write_torchscript, open_torchscript),
    "aoti": Format(".pt2", write_aoti, open_aoti),
}
