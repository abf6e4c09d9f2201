"""Back ends: each makes a denoiser of a model folder for a device, `backend(card, device) -> Denoiser`."""

from engine.backends.eager import eager

BACKENDS = {"torch": eager}
