"""What a picture of a stem is drawn from."""

import numpy as np
import torch

from engine.torchaudio_shim import torchaudio


def log_mel(samples: np.ndarray, sample_rate: int, relative: bool = True) -> np.ndarray:
    """Mel spectrogram of (channels, frames), mixed to mono: (96 bands, columns), dB under the loudest cell; as it is, in dB, unless
    `relative`."""
    mel = torchaudio.transforms.MelSpectrogram(sample_rate, n_fft=4096, hop_length=1024, n_mels=96, f_min=30.0)
    power = mel(torch.from_numpy(samples.mean(0)))
    loudest = power.max().clamp_min(1e-10) if relative else 1.0
    return torchaudio.transforms.AmplitudeToDB("power", top_db=100.0)(power / loudest).numpy()
