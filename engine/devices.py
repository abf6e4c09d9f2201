"""Which devices torch can compute on here, and how audio gets to one."""

import torch
from torch import Tensor

from engine.errors import ResourceError


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """`tensor`, of the processor, on `device`; to a GPU out of pinned memory, so that nobody waits while it is copied."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def check_device(device: str) -> None:
    """ResourceError where torch has no such device here. A GPU is only counted: nothing is begun on it."""
    try:
        which = torch.device(device)
        gpus = torch.cuda.device_count() if which.type == "cuda" else 0
        if not gpus:
            torch.empty(0, device=which)
        elif (which.index or 0) >= gpus:
            raise RuntimeError(f"GPUs are counted from 0, and there are {gpus}")
    except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
        raise no_device(device, error) from error


def no_device(device: str, error: Exception) -> ResourceError:
    return ResourceError(f"torch cannot use the device '{device}': {error}", "See what there is: stemweave doctor")


def is_here(device: str) -> bool:
    """Whether this process has it."""
    try:
        check_device(device)
    except ResourceError:
        return False
    return True


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether it is better at bfloat16 than at float32. Processors without instructions for that take many times as long."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def torch_devices() -> list[str]:
    """ "cpu (2 threads)" first, then each GPU with its name, as `--device` takes them before the space."""
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps (Apple GPU)")
    return devices
