"""A song through the pipeline: rates, channels, lengths, seams, seeds, progress and cancelling."""

import numpy as np
import pytest
import torch
from support.models import SOURCES, write_tiny_model

from engine.audio import Song, open_audio, write_audio
from engine.cards import Card
from engine.denoiser import ModelSpec
from engine.errors import AudioError, Cancelled, PresetError
from engine.evaluation.priors import IndependentGaussians
from engine.models import Model, load_model
from engine.pipeline import RESIDUAL, active_rms, separate, separate_song
from engine.presets import load_preset

RATE = 22050


def music(seconds: float, rate: int, channels: int, seed: int = 0) -> np.ndarray:
    """Low-passed noise with a slow beat: something at every moment, nothing above the model's Nyquist frequency."""
    rng = np.random.default_rng(seed)
    frames = max(1, round(seconds * rate))
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    spectrum[:, np.fft.rfftfreq(frames, 1 / rate) > 3000] = 0
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * 2 * np.arange(frames) / rate)
    return (0.2 * np.fft.irfft(spectrum, frames) * beat).astype(np.float32)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def exact() -> Model:
    """Independent Gaussian sources with their exact denoiser: what it does at one sample depends on that sample alone."""
    spec = ModelSpec(SOURCES, RATE, 8192, 0.05)
    return Model(Card(None, spec, "exact", {}), IndependentGaussians([0.05, 0.1, 0.2, 0.1]), "cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_rate_channels_and_length_come_back_to_the_sample(tiny, rate, channels):
    song = music(1.7, rate, channels)
    stems = separate(tiny, song, rate, load_preset())
    assert list(stems) == [*SOURCES, RESIDUAL]
    for stem in stems.values():
        assert stem.shape == song.shape
        assert stem.dtype == np.float32


@pytest.mark.parametrize("frames", [1, 2, 255, 8191, 8192, 32768, 32769, 100_003])
def test_stems_and_residual_add_up_to_the_input_at_any_length(tiny, frames):
    song = music(frames / 44100, 44100, 2, seed=frames)
    stems = separate(tiny, song, 44100, load_preset())
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


def test_a_stem_is_in_time_with_the_song(tiny):
    """With all sources predicted equally strong each stem is a quarter of the mixture: its delay against the input is 0."""
    even = load_model(tiny.card.folder)
    torch.nn.init.zeros_(even.denoiser.unet.leave.weight)  # type: ignore[union-attr]
    song = music(4.0, 48000, 1)
    stem = separate(even, song, 48000, load_preset())["piano"]
    inside = slice(2000, -2000)
    np.testing.assert_allclose(stem[:, inside], song[:, inside] / 4, atol=2e-4)


@pytest.mark.parametrize("likelihood", ["dirac", "gaussian"])
def test_chunked_equals_unchunked_where_the_model_hears_only_the_moment(exact, likelihood):
    song = music(2.0, RATE, 2)
    preset = load_preset(f"separate-{likelihood}", steps=60, overlap=0.1)
    whole = Model(exact.card.__class__(None, ModelSpec(SOURCES, RATE, 10**6, 0.05), "exact", {}), exact.denoiser, "cpu")
    chunked, unchunked = separate(exact, song, RATE, preset), separate(whole, song, RATE, preset)
    for name in SOURCES:
        np.testing.assert_allclose(chunked[name], unchunked[name], atol=1e-5)


def test_no_seam_can_be_measured(tiny):
    """The energy of the sample-to-sample jump at chunk borders is what it is elsewhere."""
    song = music(8.0, RATE, 1)
    stem = separate(tiny, song, RATE, load_preset(overlap=0.5))["guitar"][0]
    jumps = np.abs(np.diff(stem, 2))
    hop = 32768 - round(0.5 * RATE)
    borders = np.concatenate([jumps[start - 3 : start + 3] for start in range(hop, len(stem) - 3, hop)])
    assert borders.mean() < 2 * jumps.mean()


@pytest.mark.parametrize(("model", "preset"), [("tiny", "separate"), ("exact", "separate-dirac")])
def test_the_same_seed_gives_the_same_stems_for_batch_1_and_batch_4(request, model, preset):
    """To -60 dB of a stem's peak: a matrix product may round differently by batch size."""
    song, model = music(5.0, RATE, 2), request.getfixturevalue(model)
    one, four = (separate(model, song, RATE, load_preset(preset, batch=n)) for n in (1, 4))
    for name in SOURCES:
        np.testing.assert_allclose(one[name], four[name], rtol=0, atol=1e-3 * np.abs(one[name]).max())


def test_another_seed_gives_other_stems_and_the_same_seed_the_same(exact):
    song = music(0.5, RATE, 1)
    first, again, other = (
        separate(exact, song, RATE, load_preset("separate-dirac", steps=5, seed=seed))["piano"] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


def test_equal_channels_stay_equal(exact):
    song = np.repeat(music(0.5, RATE, 1), 2, axis=0)
    for stem in separate(exact, song, RATE, load_preset("separate-dirac", steps=5)).values():
        assert np.array_equal(stem[0], stem[1])


def test_silence_gives_silence(tiny):
    for stem in separate(tiny, np.zeros((2, 30000), np.float32), 44100, load_preset()).values():
        assert not stem.any()


def test_level_does_not_matter(tiny):
    """A song clipped 20 dB over full scale, or 40 dB too quiet, is separated as at its usual level."""
    song = music(1.0, RATE, 1)
    usual = separate(tiny, song, RATE, load_preset())
    for gain in (10.0, 0.01):
        found = separate(tiny, song * np.float32(gain), RATE, load_preset())
        np.testing.assert_allclose(found["bass"] / gain, usual["bass"], atol=2e-4)


@pytest.mark.parametrize(("level", "heard"), [(0.0, 0.02), (0.1, 0.1)])
def test_a_model_hears_songs_at_the_level_it_was_trained_at_or_as_they_are(level, heard):
    rms = []

    def listening(x, sigma, conditioning):
        rms.append(float(conditioning.mixture.square().mean().sqrt()))
        return torch.zeros_like(x)

    spec = ModelSpec(SOURCES, RATE, 8192, 0.05, level=level, conditional=True)
    song = np.random.default_rng(0).standard_normal((1, 8192)).astype(np.float32)
    song *= 0.02 / np.sqrt(np.mean(song**2))
    separate(Model(Card(None, spec, "listening", {}), listening, "cpu"), song, RATE, load_preset())  # type: ignore[arg-type]
    assert rms == pytest.approx([heard], rel=0.02)


def test_progress_rises_to_one(tiny):
    seen = []
    separate(tiny, music(6.0, 44100, 2), 44100, load_preset(), on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_file_is_separated_as_its_samples_are(tiny, tmp_path):
    song = music(6.0, 44100, 2)
    wanted = separate(tiny, song, 44100, load_preset())
    found = list(separate_song(tiny, open_audio(write_audio(tmp_path / "song.wav", song, 44100)), load_preset()))
    assert len(found) > 2
    for name, stem in wanted.items():
        np.testing.assert_array_equal(np.concatenate([stretch[name] for stretch in found], axis=1), stem)


def test_the_first_stems_of_an_endless_song_are_there_when_little_of_it_was_read(tiny):
    """Nothing but what is read bounds the memory: no array here is as long as the song, which is two hours."""
    block, read = music(1.0, 8000, 1), []

    def blocks():
        read.append(0)
        for _ in range(7200):
            read[-1] += 1
            yield block

    stretches = separate_song(tiny, Song(1, 7200 * 8000, 8000, blocks), load_preset(batch=1))
    made = sum(next(stretches)["bass"].shape[1] for _ in range(5))
    first, second = read
    assert first == 7200
    assert made / 8000 <= second <= made / 8000 + 5


def test_cancel_is_heard_during_the_first_reading(tiny):
    with pytest.raises(Cancelled):
        next(separate_song(tiny, Song.of(music(1.0, 8000, 1), 8000), load_preset(), cancelled=lambda: True))


def test_cancel_stops_between_two_steps(exact):
    calls = []
    with pytest.raises(Cancelled):
        separate(
            exact, music(1.0, RATE, 1), RATE, load_preset("separate-dirac"), on_progress=calls.append,
            cancelled=lambda: len(calls) == 3,
        )  # fmt: skip
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros((6, 100), np.float32), 44100, "6 channels"),
        (np.zeros((2, 0), np.float32), 44100, "empty"),
        (np.full((1, 100), np.nan, np.float32), 44100, "not numbers"),
        (np.full((1, 100), np.inf, np.float32), 44100, "not numbers"),
        (np.zeros((1, 100), np.float32), 4000, "4000 Hz"),
        (np.zeros((1, 100), np.float32), 384000, "384000 Hz"),
        (np.zeros(100, np.float32), 44100, "dimensions"),
    ],
)
def test_bad_audio_is_refused_in_plain_words(tiny, samples, rate, words):
    with pytest.raises(AudioError, match=words):
        separate(tiny, samples, rate, load_preset())


def test_a_model_that_cannot_hear_the_mixture_says_so(exact):
    with pytest.raises(PresetError, match="separate-dirac") as caught:
        separate(exact, music(0.2, RATE, 1), RATE, load_preset())
    assert "not trained" in caught.value.message


def test_the_last_part_of_a_second_is_heard_like_any_other(tiny):
    """A hit 1.4 s into 1.9 s: it is all there is to bring to a level."""
    song = np.zeros((1, round(1.9 * RATE)), np.float32)
    song[:, -RATE // 2 :] = music(0.5, RATE, 1)
    assert np.abs(separate(tiny, song, RATE, load_preset())["drums"]).max() > 0
    assert active_rms(Song.of(song, RATE)) == pytest.approx(np.sqrt(np.mean(song[:, -RATE:] ** 2)))


def test_an_unknown_constrained_source_is_named(tiny):
    with pytest.raises(PresetError, match="kazoo"):
        separate(tiny, music(0.2, RATE, 1), RATE, load_preset("separate-dirac", constrained="kazoo"))
