"""Which devices torch can compute on here."""

import torch


def torch_devices() -> list[str]:
    """ "cpu (2 threads)" first, then each GPU with its name, as `--device` takes them before the space."""
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps (Apple GPU)")
    return devices
