"""Where one piece of sound follows another: what the first would have gone on with sounds on over the second, and fades."""

import numpy as np

HEARD, ORDER = (
    8192,
    1024,
)  # samples that are listened to, and how many of them say the next: notes down to 40 Hz at 44.1 kHz
FADED = 0.1  # seconds after which nothing of it is left


def sounding_on(missed: np.ndarray, sample_rate: int) -> np.ndarray:
    """missed: (..., n), by how much the second piece, were it played from before the seam, would not be the first there. FADED
    seconds, (..., frames), which added to the second after the seam make the two meet: the same, predicted on and faded out.

    Zero where the second piece is what the first would have been. Prediction of a difference, and not of the first piece itself,
    leaves what begins in the second as it is: a crossfade would take the attack from a note right after the seam. Prediction by
    Burg's method, as Kauppinen & Roth 2002 ("Audio signal extrapolation - theory and applications") extrapolate over gaps.
    """
    frames = round(FADED * sample_rate)
    fade = np.cos(np.linspace(0, np.pi / 2, frames, endpoint=False)) ** 2
    return (fade * predicted(missed[..., -HEARD:], frames)).astype(missed.dtype)


def predicted(samples: np.ndarray, frames: int) -> np.ndarray:
    """How (..., n) goes on for `frames` by linear prediction: (..., frames), float64."""
    weights = prediction(samples, min(ORDER, samples.shape[-1] // 2))
    order = weights.shape[-1]
    whole = np.zeros((*samples.shape[:-1], order + frames))
    whole[..., :order] = samples[..., samples.shape[-1] - order :]
    peak = np.abs(samples).max(-1)  # never exceeded: in so long a filter rounding alone may grow
    for at in range(frames):
        whole[..., order + at] = (weights * whole[..., at : order + at]).sum(-1).clip(-peak, peak)
    return whole[..., order:]


def prediction(samples: np.ndarray, order: int) -> np.ndarray:
    """Burg's method: what each of the last `order` samples counts for in the next, earliest first: (..., order). Never unstable."""
    forward, backward = (np.array(part, np.float64) for part in (samples[..., 1:], samples[..., :-1]))
    filter_ = np.ones((*samples.shape[:-1], 1))
    for _ in range(order):
        energy = (forward**2 + backward**2).sum(-1, keepdims=True)
        reflection = -2 * (forward * backward).sum(-1, keepdims=True) / np.maximum(energy, 1e-20)
        filter_ = np.concatenate([filter_, np.zeros_like(reflection)], -1)
        filter_ = filter_ + reflection * filter_[..., ::-1]
        forward, backward = (
            (forward + reflection * backward)[..., 1:],
            (backward + reflection * forward)[..., :-1],
        )
    return -filter_[..., :0:-1]
