"""What of onnxruntime computes: its execution providers, the best that it was built with and that starts here.

Which there are depends on which onnxruntime is installed: onnxruntime-gpu has CUDA, -openvino and -directml what they
are called after, the one for Macs CoreML. All but NVIDIA's read and write the processor's memory, wherever they compute. DirectML's
GPU has no name in torch, so that it belongs to the device "cpu".
"""

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from engine.described import damaged
from engine.errors import ResourceError

SUFFIX = "ExecutionProvider"
IN_TURN = {
    "cuda": ("CUDA",),
    "mps": ("CoreML",),
    "cpu": ("Dml", "OpenVINO", "CPU"),
}
"""By device of torch, the best first. The last one must start; where another does not, that is said and the next one tried.
TensorRT is none of them: it may compute in TF32 without being asked, and makes its engines anew for each new length."""


def sessions(path: Path, device: str) -> Generator[Any, None, None]:
    """An `onnxruntime.InferenceSession` of the file; whoever throws in what went wrong when it ran gets the next provider's, and
    from the last one the error back. ModelError when the file cannot be read; ResourceError when nothing here runs it on `device`,
    or onnxruntime cannot be imported."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise ResourceError(f"onnxruntime cannot be imported: {error}", "See: stemweave doctor") from error
    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)  # what does not start is told below, once
    built = onnxruntime.get_available_providers()
    wanted = [name for name in IN_TURN.get(device.partition(":")[0], ()) if name + SUFFIX in built]
    for index, name in enumerate(wanted):
        session = None  # one at a time: each holds the weights
        left = [(provider + SUFFIX, settings(provider, device)) for provider in wanted[index:]]
        started, why = False, "it does not start"
        try:
            session = onnxruntime.InferenceSession(str(path), options(onnxruntime), providers=left, enable_fallback=0)
            if started := name + SUFFIX in session.get_providers():
                yield session
                return
        except Exception as error:  # onnxruntime's own classes have no common base but this
            if name == wanted[-1]:
                if started:
                    raise
                raise _refused(path, device, error) from error
            why = str(error).strip().splitlines()[0]
        if name != wanted[-1]:
            words = "onnxruntime's %s cannot be used here, %s runs the model: %s"
            logging.getLogger("stemweave").warning(words, name, wanted[index + 1], why)
    raise ResourceError(
        f"onnxruntime cannot use the device '{device}'.", "See what there is: stemweave doctor; or use --backend torch."
    )


def settings(provider: str, device: str) -> dict[str, Any]:
    """What a provider is told: to compute in float32, as torch does, and on which GPU."""
    index = int(device.partition(":")[2] or 0)
    if provider == "CUDA":  # as torch, which does not take TF32 unless it is told to; here it is the default
        return {"device_id": index, "use_tf32": int(torch.backends.cuda.matmul.allow_tf32)}
    others: dict[str, dict[str, Any]] = {
        "CoreML": {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},  # the neural engine has float16 alone
        "OpenVINO": {"device_type": "CPU", "precision": "ACCURACY"},  # else bfloat16, where the processor has it
    }
    return others.get(provider, {})


def options(onnxruntime: Any) -> Any:
    """A session's, the same for all."""
    found = onnxruntime.SessionOptions()
    found.log_severity_level = 4
    found.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait double the time as soon as another program wants a core.
    found.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return found


def _refused(path: Path, device: str, error: Exception) -> Exception:
    if "NOT_IMPLEMENTED" in str(error):
        return ResourceError(f"onnxruntime cannot run {path.name} on '{device}': {error}", "Try fp32.")
    return damaged(path, error)
