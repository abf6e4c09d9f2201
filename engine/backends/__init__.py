"""Back ends: each makes a denoiser of a model folder for a device, `backend(card, device) -> Denoiser`.

All give the same stems for the same inputs and seed: those in float32 to 1e-3 of full scale and better, those in bfloat16 and
in eight bits to -30 dB and better. Whatever runs the core, a gradient through it is torch's in float32.
"""

from engine.backends.eager import eager, eager_bf16, eager_int8
from engine.backends.exported import aoti, onnxruntime, torchscript, torchscript_bf16
from engine.backends.graphs import compiled, graph

BACKENDS = {
    "torch": eager,
    "torch-bf16": eager_bf16,
    "torch-int8": eager_int8,
    "torchscript": torchscript,
    "torchscript-bf16": torchscript_bf16,
    "onnxruntime": onnxruntime,
    "aoti": aoti,
    "torch-graph": graph,
    "torch-compiled": compiled,
}
GPU_ONLY = {"torch-graph", "torch-compiled"}
CPU_ONLY = {"torch-int8"}


def runs_on(backend: str, device: str) -> bool:
    """Whether it makes sense to try it there."""
    return backend not in (CPU_ONLY if device.startswith("cuda") else GPU_ONLY)
