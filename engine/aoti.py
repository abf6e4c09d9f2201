"""The core compiled ahead of time: `torch.export`, then AOTInductor, one package of machine code and weights (.pt2).

It runs on processors (or GPUs) like the one it was made on, by the torch that made it. Any batch and any length fit: see `Steps`.
"""

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.described import KEY, damaged, said
from engine.errors import ResourceError

OTHERWISE = "Use another format, or --backend torch."


def write_aoti(core: nn.Module, inputs: tuple[Tensor, ...], path: Path, about: dict[str, Any]) -> None:
    """The package, for the device the core is on; a minute or two. It says that device beside `about`. ResourceError where there is
    no C++ compiler, or torch cannot compile this."""
    compiler()
    inputs = tuple(tensor.contiguous() for tensor in inputs)
    about = about | {"device": inputs[0].device.type, "torch": torch.__version__}
    any_size = torch.export.Dim.DYNAMIC
    shapes = tuple({0: any_size} | ({t.ndim - 1: any_size} if t.ndim > 2 else {}) for t in inputs)
    try:
        with torch.no_grad():
            program = torch.export.export(in_steps(core), inputs, dynamic_shapes=shapes, strict=False)
            metadata = {"aot_inductor.metadata": {KEY: json.dumps(about)}}
            torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=metadata)
    except Exception as error:  # torch's own here have no common base but this
        why = (str(error).strip() or repr(error)).splitlines()[0]
        raise ResourceError(f"torch cannot compile this model ahead of time here: {why}", OTHERWISE) from error


def open_aoti(path: Path, device: str) -> tuple[Callable[..., Tensor], dict[str, Any]]:
    """The core and what the file says, which is read before anything in it runs. ModelError when it cannot be read or is not one of
    ours; ResourceError when it was compiled for another device."""
    try:
        with zipfile.ZipFile(path) as package:
            if spoilt := package.testzip():
                raise zipfile.BadZipFile(f"{spoilt} in it is damaged")
            notes = [json.loads(package.read(name)) for name in package.namelist() if name.endswith("_metadata.json")]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise damaged(path, error) from error
    about = said(path, next((note[KEY] for note in notes if KEY in note), ""))
    kind, _, index = device.partition(":")
    if about["device"] != kind:
        raise ResourceError(f"{path} was compiled for '{about['device']}', not for '{kind}'.", "Export it again there.")
    try:
        compiled = torch._inductor.aoti_load_package(str(path), device_index=int(index or 0) if kind == "cuda" else -1)
    except (RuntimeError, OSError) as error:
        raise damaged(path, error) from error
    return lambda *inputs: compiled(*(tensor.contiguous() for tensor in inputs)), about


def compiler() -> str:
    """The C++ compiler's name. ResourceError where there is none."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        return get_cpp_compiler()
    except RuntimeError as error:
        message = "Compiling ahead of time needs a C++ compiler, and there is none here."
        raise ResourceError(
            message, f"Install g++ (Debian, Ubuntu: apt install g++), or name one in CXX. {OTHERWISE}"
        ) from error


def in_steps(core: nn.Module) -> nn.Module:
    """A copy of it, its recurrent layers as `Steps`."""
    core = copy.deepcopy(core).eval()
    for parent in list(core.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GRU | nn.LSTM):
                setattr(parent, name, Steps(child))
    return core


class Steps(nn.Module):
    """A recurrent layer as a graph takes it at any length: a loop in the graph, or oneDNN's operator of a whole layer (LSTMs on a
    processor). Torch's own way (2.13) is written out for the length it is traced at, and where it is part of a larger network
    export does not even notice: at other lengths the answers are wrong."""

    def __init__(self, layer: nn.GRU | nn.LSTM):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(batch, steps, features), or with the first two the other way round, to the same of all directions, and no state."""
        from torch._decomp.decompositions import _rnn_helper, gather_params, mkldnn_one_layer_lstm
        from torch.export._patches import one_layer_while_loop_gru, one_layer_while_loop_lstm

        layer, directions = self.layer, 2 if self.layer.bidirectional else 1
        silent = x.shape[0 if layer.batch_first else 1], layer.hidden_size
        if isinstance(layer, nn.GRU):
            state: Any = x.new_zeros(silent)
            one_layer = one_layer_while_loop_gru
        else:
            state = x.new_zeros(silent), x.new_zeros(silent)  # a loop takes no tensor twice
            one_layer = mkldnn_one_layer_lstm if onednn(x) else one_layer_while_loop_lstm
        return _rnn_helper(
            x, [state] * (directions * layer.num_layers), gather_params(list(layer.parameters()), layer.bias, False),
            layer.bias, layer.num_layers, 0.0, False, layer.bidirectional, layer.batch_first, one_layer,
        )[0], None  # fmt: skip


def onednn(x: Tensor) -> bool:
    """Whether oneDNN computes recurrent layers where x lies and in its type."""
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    wide = "AVX512" in torch.backends.cpu.get_cpu_capability()  # which its bfloat16 asks for
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and wide)
