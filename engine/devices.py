"""Which devices torch can compute on here, and how audio gets to one."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """`tensor`, of the processor, on `device`; to a GPU out of pinned memory, so that nobody waits while it is copied."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def torch_devices() -> list[str]:
    """ "cpu (2 threads)" first, then each GPU with its name, as `--device` takes them before the space."""
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps (Apple GPU)")
    return devices
