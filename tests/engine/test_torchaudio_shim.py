"""torchaudio works whatever build of torch stands beside it."""

import torch

from engine.torchaudio_shim import torchaudio


def test_transforms_and_filters_work():
    noise = torch.randn(1, 22050)
    assert torchaudio.transforms.MelSpectrogram(22050, n_mels=40)(noise).shape[1] == 40
    assert torchaudio.functional.lowpass_biquad(noise, 22050, 1000.0).std() < noise.std()


def test_a_mel_spectrogram_peaks_where_the_tone_is():
    from engine.evaluation.pictures import log_mel

    tone = torch.sin(torch.arange(44100) * 2 * torch.pi * 1000 / 44100)[None].numpy()
    picture = log_mel(tone, 44100)
    centre = torchaudio.functional.melscale_fbanks(2049, 30.0, 22050.0, 96, 44100).argmax(0) * 44100 / 4096
    assert abs(centre[picture.mean(1).argmax()] - 1000) < 60
