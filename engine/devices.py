"""Which devices torch can compute on here, and how audio gets to one."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """`tensor`, of the processor, on `device`; to a GPU out of pinned memory, so that nobody waits while it is copied."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def is_here(device: str) -> bool:
    """Whether this process can compute on it."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # the latter of a torch without CUDA
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
