"""Every task on the stem grid: what is locked stays bit for bit, sums hold, lengths and rates are kept, bad requests are told."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.models import SOURCES, write_tiny_model, write_tiny_paper_model

from engine.errors import AudioError, Cancelled, PresetError
from engine.filling import fill, perform, perform_stretches
from engine.models import Model, load_model
from engine.pipeline import separate
from engine.presets import load_preset
from engine.request import Request
from engine.tasks import TASKS, SongGrid

RATE = 22050
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", chunk=16384, hears_known=True))


def stem(frames: int = RATE, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Pink-ish noise in bursts, float32."""
    noise = np.random.default_rng(seed).standard_normal((channels, frames)).cumsum(1)
    return (0.05 * np.sin(noise / 8)).astype(np.float32)


def quick(task: str, **changes):
    preset = load_preset("separate", **changes)
    return dataclasses.replace(preset, task=task, steps=2, sigma_min=1e-3, sigma_max=1.0)


STEMS = {"bass": stem(seed=1), "guitar": stem(seed=2)}
REQUESTS = {
    "generate": Request(RATE, seconds=1.1, channels=1),
    "accompany": Request(RATE, STEMS),
    "separate": Request(RATE, {"bass": STEMS["bass"]}, mixture=STEMS["bass"] + STEMS["guitar"]),
    "infill": Request(RATE, STEMS, start=0.3, stop=0.6),
    "regenerate": Request(RATE, STEMS, start=0.3, stop=0.6, wanted=("guitar",)),
    "continue": Request(RATE, STEMS, seconds=0.4),
    "transition": Request(RATE, STEMS, after={"drums": stem(seed=3)}, seconds=0.4),
    "restyle": Request(RATE, STEMS, start=0.3, stop=0.6, like=stem(seed=4)),
}


def test_there_is_a_request_here_for_every_task():
    assert set(REQUESTS) == set(TASKS)


@pytest.mark.parametrize("known", ["heard", "replacement", "reconstruction", "reconstruction-fixed", "dps"])
@pytest.mark.parametrize("task", REQUESTS)
def test_known_cells_come_back_bit_for_bit_and_wanted_ones_are_made(model, task, known):
    request = REQUESTS[task]
    grid = TASKS[task](request, model.spec)
    made = perform(model, request, quick(task, known=known))
    for row, name in enumerate(SOURCES):
        assert made[name].shape == grid.known[row].shape
        assert np.array_equal(made[name][:, grid.mask[row]], grid.known[row][:, grid.mask[row]])
        wanted = made[name][:, ~grid.mask[row]]
        assert np.isfinite(wanted).all()
        assert wanted.size == 0 or np.abs(wanted).max() > 0


@pytest.mark.parametrize("task", REQUESTS)
def test_the_same_seed_gives_the_same_audio_and_another_gives_another(model, task):
    first, again, other = (perform(model, REQUESTS[task], quick(task, seed=seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    if task != "separate":  # where one source is left, the mixture says it all
        assert any(not np.array_equal(first[name], other[name]) for name in SOURCES)


def test_a_mixture_and_a_known_stem_leave_the_rest_to_the_others(model):
    request = REQUESTS["separate"]
    for likelihood in ("dirac", "gaussian", "conditional"):
        made = perform(model, request, quick("separate", likelihood=likelihood))
        assert np.array_equal(made["bass"], request.stems["bass"])
        np.testing.assert_allclose(sum(made.values()), request.mixture, atol=5e-6)
        if likelihood == "dirac":
            assert np.abs(made["residual"]).max() < 1e-5


def test_beside_a_known_stem_the_conditional_network_separates_what_that_leaves_of_the_song(model):
    """In chunks that overlap, as any song: where one begins nothing is known that was not given."""
    bass, guitar = (stem(frames=4 * model.spec.chunk, channels=2, seed=seed) for seed in (1, 2))
    preset = load_preset("separate")
    alone = separate(model, guitar, RATE, preset)
    made = perform(model, Request(RATE, {"bass": bass}, mixture=bass + guitar), preset)
    assert np.array_equal(made["bass"], bass)
    for name in ("drums", "guitar", "piano"):
        np.testing.assert_allclose(made[name], alone[name], atol=1e-5)
    np.testing.assert_allclose(sum(made.values()), bass + guitar, atol=1e-6)


@pytest.mark.parametrize("task", ["regenerate", "restyle"])
def test_a_whole_song_is_made_again_at_its_own_level(model, task):
    quiet, usual = (
        perform(
            model,
            dataclasses.replace(
                REQUESTS[task],
                stems={name: stem * np.float32(gain) for name, stem in STEMS.items()},
                start=0.0,
                stop=0.0,
                wanted=(),
            ),
            dataclasses.replace(quick(task), fresh=0.3),
        )
        for gain in (0.01, 1.0)
    )
    for name in STEMS:
        np.testing.assert_allclose(100 * quiet[name], usual[name], atol=0.01 * np.abs(usual[name]).max())


def test_channels_that_are_alike_are_computed_once(model):
    heard = set()

    def counting(x, sigma, conditioning=None):
        heard.add(len(x))
        return model.denoiser(x, sigma, conditioning)

    counted = dataclasses.replace(model, denoiser=counting)
    both, one = (perform(counted, Request(RATE, seconds=0.5, channels=count), quick("generate")) for count in (2, 1))
    assert heard == {1}
    for name in SOURCES:
        assert np.array_equal(both[name], np.repeat(one[name], 2, axis=0))
    wide = {"bass": np.concatenate([STEMS["bass"], STEMS["guitar"]])}
    perform(counted, Request(RATE, wide), quick("accompany"))
    assert heard == {1, 2}


def test_models_that_hear_known_stems_do_and_others_hear_them_through_noise(model, tmp_path):
    deaf = load_model(write_tiny_model(tmp_path / "deaf", chunk=16384))
    for task, source, otherwise in (("accompany", "drums", "replacement"), ("infill", "guitar", "reconstruction")):
        for each, the_same in ((deaf, True), (model, False)):
            heard, instead = (
                perform(each, REQUESTS[task], quick(task, known=known))[source] for known in ("heard", otherwise)
            )
            assert np.array_equal(heard, instead) == the_same


def test_bars_of_one_stem_are_made_again_against_the_mixture(model):
    """A combination no paper has: regenerate a stretch of the guitar so that it fits a mixture."""
    grid = TASKS["regenerate"](REQUESTS["regenerate"], model.spec)
    mixture = sum(STEMS.values())
    made = fill(model, dataclasses.replace(grid, mixture=mixture), quick("regenerate", likelihood="dirac"))
    np.testing.assert_allclose(
        made["guitar"], STEMS["guitar"], atol=1e-5
    )  # only one unknown a moment: it is determined


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 60000),
    st.sampled_from([8000, 22050, 44100]),
    st.integers(1, 2),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    st.sampled_from([None, "dirac", "gaussian"]),
    st.sampled_from(["heard", "replacement", "reconstruction"]),
)
def test_any_grid_keeps_what_it_must(model, frames, rate, channels, gaps, likelihood, known):
    """Random holes in random rows: locked cells bit-identical, length, rate and sum kept, all finite."""
    truth = np.stack([stem(frames, channels, seed) for seed in range(4)])
    mask = np.ones((4, frames), dtype=bool)
    for row, a, b in gaps:
        start, stop = sorted((round(a * frames), round(b * frames)))
        mask[row, start : stop + 1] = False
    grid = SongGrid(rate, truth * mask[:, None], mask, truth.sum(0) if likelihood else None)
    made = fill(model, grid, quick("infill", likelihood=likelihood or "dirac", known=known))
    for row, name in enumerate(SOURCES):
        assert made[name].shape == (channels, frames)
        assert made[name].dtype == np.float32
        assert np.isfinite(made[name]).all()
        assert np.array_equal(made[name][:, mask[row]], truth[row][:, mask[row]])
    if likelihood:
        np.testing.assert_allclose(sum(made.values()), truth.sum(0), atol=1e-5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(TASKS)),
    st.integers(2000, 20000),
    st.sampled_from([8000, 22050, 44100]),
    st.integers(1, 2),
    st.sets(st.sampled_from(SOURCES), min_size=1, max_size=3),
    st.sampled_from(SOURCES),
    st.tuples(st.floats(0, 0.9), st.floats(0.05, 1)),
    st.booleans(),
)
def test_any_request_of_any_task_keeps_what_it_must(model, task, frames, rate, channels, names, want, stretch, against):
    """Random stems, stretches and mixtures for every task: the cells its grid locks are the user's bit for bit, and so as loud;
    length, rate and channels are the song's, and with a mixture the sum is."""
    stems = {name: stem(frames, channels, seed) for seed, name in enumerate(SOURCES) if name in names}
    start = stretch[0] * frames / rate
    request = Request(
        rate, stems, sum(stem(frames, channels, seed) for seed in range(4)) if against or task == "separate" else None,
        after={want: stem(frames, channels, 9)}, like=stem(frames, channels, 8), wanted=(want,), start=start,
        stop=start + stretch[1] * (frames / rate - start), seconds=0.4 * frames / rate, channels=channels,
    )  # fmt: skip
    if task in ("generate", "continue", "transition"):
        request = dataclasses.replace(request, mixture=None)
    if task in ("accompany", "separate"):
        request = dataclasses.replace(
            request, stems={name: stems[name] for name in stems if name != want} or {"bass": stem(frames, channels)}
        )
    if task == "accompany" and want in request.stems:
        request = dataclasses.replace(request, wanted=("drums",))
    grid = TASKS[task](request, model.spec)
    made = perform(model, request, quick(task, likelihood="dirac"))
    length = {"generate": 0.4, "continue": 1.4, "transition": 1.6}.get(task, 1.0) * frames
    for row, name in enumerate(SOURCES):
        assert made[name].shape == (channels, grid.mask.shape[1])
        assert made[name].dtype == np.float32
        assert np.isfinite(made[name]).all()
        assert np.array_equal(made[name][:, grid.mask[row]], grid.known[row][:, grid.mask[row]])
    assert grid.mask.shape[1] == pytest.approx(length, abs=1)
    if request.mixture is not None:
        np.testing.assert_allclose(sum(made.values()), request.mixture, atol=1e-5)


def test_a_long_gap_is_made_in_stretches_that_know_each_other(model):
    """Three chunks' length: nothing in it is silent, and the joints are no louder than the rest."""
    request = Request(RATE, seconds=3 * model.spec.chunk / RATE, channels=1)
    made = perform(model, request, quick("generate"))
    for name in SOURCES:
        blocks = made[name][0, : len(made[name][0]) // 512 * 512].reshape(-1, 512).std(1)
        assert blocks.min() > 0


def test_work_is_told_and_can_be_stopped(model):
    seen: list[float] = []
    perform(model, REQUESTS["infill"], quick("infill"), on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(Cancelled):
        perform(model, REQUESTS["infill"], quick("infill"), cancelled=lambda: True)


@pytest.mark.parametrize(
    ("task", "changes", "error", "says"),
    [
        ("accompany", {"stems": dict.fromkeys(SOURCES, stem())}, PresetError, "nothing to make"),
        ("accompany", {"stems": {}}, PresetError, "No stem"),
        ("accompany", {"wanted": ("kazoo",)}, PresetError, "kazoo"),
        ("accompany", {"stems": {"kazoo": stem()}}, PresetError, "kazoo"),
        ("accompany", {"stems": {"bass": stem(), "guitar": stem(RATE - 1)}}, AudioError, "others"),
        ("accompany", {"stems": {"bass": stem() * np.nan}}, AudioError, "NaN"),
        ("infill", {"start": 0.5, "stop": 2.0}, PresetError, "not inside"),
        ("infill", {"start": 0.6, "stop": 0.5}, PresetError, "not inside"),
        ("continue", {"seconds": 0.0}, PresetError, "seconds"),
        ("generate", {"seconds": 1e9}, PresetError, "3600"),
        ("transition", {"after": {}}, PresetError, "No stem"),
        ("transition", {"seconds": 5.0}, PresetError, "longer"),
        ("restyle", {"like": None}, PresetError, "nothing to sound like"),
        ("restyle", {"like": stem(), "stems": {}}, PresetError, "No stem"),
        ("restyle", {"like": stem() * np.inf}, AudioError, "NaN"),
        ("separate", {"mixture": stem(RATE + 1)}, AudioError, "samples"),
        ("separate", {"mixture": None}, PresetError, "mixture"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(model, task, changes, error, says):
    request = dataclasses.replace(REQUESTS[task], **changes)
    with pytest.raises(error, match=says):
        perform(model, request, quick(task))


def test_an_embedder_that_returns_nan_is_told(model, monkeypatch):
    monkeypatch.setitem(
        __import__("engine.embedders").embedders.EMBEDDERS, "mel", lambda rate: lambda samples: samples[:, :3] * np.nan
    )
    with pytest.raises(PresetError, match="NaN"):
        perform(model, REQUESTS["restyle"], quick("restyle"))


def test_a_model_needs_the_constrained_source_only_where_there_is_a_mixture(tmp_path):
    model = load_model(write_tiny_paper_model(tmp_path / "paper", ("vocals", "other")))
    given = {"other": stem(frames=8192)}
    for task, request in (("generate", Request(RATE, seconds=0.2)), ("accompany", Request(RATE, given))):
        assert np.abs(perform(model, request, quick(task, likelihood="dirac"))["vocals"]).max() > 0
    against = Request(RATE, given, mixture=given["other"], start=0.1, stop=0.2)
    with pytest.raises(PresetError, match="'bass' to constrain"):
        perform(model, against, quick("infill", likelihood="dirac"))
    with pytest.raises(PresetError, match="not trained to hear the mixture"):
        perform(model, against, quick("infill", likelihood="conditional"))


def test_a_separation_makes_all_that_is_not_given_and_knows_the_names_it_is_told(model):
    mixture = stem(seed=1) + stem(seed=2)
    for known in ({}, {"bass": stem(seed=1)}):
        unknown = Request(RATE, known, mixture=mixture, wanted=("vocals",))
        for run in (perform, lambda *told: list(perform_stretches(*told))):
            with pytest.raises(PresetError, match="'vocals'"):
                run(model, unknown, quick("separate"))
        made = perform(model, Request(RATE, known, mixture=mixture, wanted=("guitar",)), quick("separate"))
        assert all(np.abs(made[name]).max() > 0 for name in SOURCES)


def test_a_separation_may_be_pulled_towards_a_class(model):
    request = Request(RATE, mixture=stem(seed=1))
    made, plain = (perform(model, request, quick("separate", **more)) for more in ({"towards": "drums"}, {}))
    assert not np.array_equal(made["drums"], plain["drums"])


def test_what_sounds_only_in_the_last_part_of_a_second_is_enough_to_go_by(model):
    bass = stem(frames=round(1.9 * RATE), seed=1)
    bass[:, : RATE + 100] = 0
    made = perform(model, Request(RATE, {"bass": bass}, start=0.0, stop=1.0), quick("infill"))
    assert np.array_equal(made["bass"][:, RATE:], bass[:, RATE:])


def test_a_search_for_a_repeat_can_be_stopped_and_no_request_makes_it_unasked(model):
    grid, calls = TASKS["infill"](REQUESTS["infill"], model.spec), 0
    assert grid.repeats
    assert grid.draft is None

    def on_step(fraction):
        nonlocal calls
        calls += 1

    asked = iter([False, True])
    with pytest.raises(Cancelled):
        fill(model, grid, quick("infill"), on_progress=on_step, cancelled=lambda: next(asked))
    assert calls == 0


@pytest.mark.parametrize(
    ("task", "request_", "error"),
    [
        ("generate", Request(0, seconds=1.0), AudioError),
        ("generate", Request(10**7, seconds=1.0), AudioError),
        ("infill", Request(RATE, STEMS, start=float("nan")), PresetError),
        ("infill", Request(RATE, STEMS, start=0.1, stop=float("inf")), PresetError),
    ],
)
def test_numbers_that_are_none_are_refused_in_words(model, task, request_, error):
    with pytest.raises(error):
        perform(model, request_, quick(task))
