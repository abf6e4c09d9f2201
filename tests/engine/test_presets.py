"""Presets: data that is checked, the offending key named."""

import pytest

from engine.errors import PresetError
from engine.presets import list_presets, load_preset


def test_all_presets_that_come_along_load():
    assert {"separate", "separate-dirac", "separate-gaussian"} <= {preset.name for preset in list_presets()}


def test_a_preset_is_named_for_its_task():
    """Programs that know no more than the names go by it, the plug-in for one."""
    for preset in list_presets():
        assert preset.name == preset.task or preset.name.startswith(f"{preset.task}-")


def test_the_zero_shot_presets_are_the_papers():
    dirac, gaussian = load_preset("separate-dirac"), load_preset("separate-gaussian")
    assert (dirac.steps, dirac.churn, dirac.resamples, dirac.sigma_max, dirac.rho) == (150, 20, 2, 1.0, 7.0)
    assert (gaussian.steps, gaussian.churn, gaussian.resamples, gaussian.gamma) == (150, 40, 2, 0.75)
    assert dirac.calls == 300
    total, partial = load_preset("generate-msdm"), load_preset("accompany-msdm")
    assert (total.steps, total.churn, total.resamples, total.sigma_min, total.sigma_max) == (150, 20, 1, 1e-4, 20.0)
    assert (partial.steps, partial.churn, partial.resamples, partial.sigma_min, partial.sigma_max) == (
        256,
        10,
        1,
        1e-4,
        20.0,
    )
    assert partial.known == "replacement"


def test_overrides_replace_and_none_leaves():
    preset = load_preset("separate", steps=7, seed=None)
    assert (preset.steps, preset.seed) == (7, 0)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"likelihood": "magic"}, "no likelihood called 'magic'"),
        ({"sampler": "dice"}, "no sampler called 'dice'"),
        ({"steps": 0}, "'steps' must be between"),
        ({"steps": 2.5}, "'steps' must be int"),
        ({"steps": "many"}, "'steps' must be int"),
        ({"seed": True}, "'seed' must be int"),
        ({"sigma_max": -1.0}, "'sigma_max' must be between"),
        ({"sigma_max": float("nan")}, "'sigma_max' must be between"),
        ({"sigma_min": 5.0, "sigma_max": 1.0}, "must not exceed"),
        ({"colour": "red"}, "unknown keys: colour"),
    ],
)
def test_a_bad_value_is_named(overrides, words):
    with pytest.raises(PresetError, match=words):
        load_preset("separate", **overrides)


@pytest.mark.parametrize("name", ["nothing", "../tasks/separate", "", "missing.toml"])
def test_an_unknown_preset_names_those_there_are(name):
    with pytest.raises(PresetError, match="no preset called") as caught:
        load_preset(name)
    assert "separate-dirac" in caught.value.hint


def test_a_preset_of_ones_own_is_read_by_path(tmp_path):
    (tmp_path / "mine.toml").write_text('title = "mine"\nsteps = 3\n')
    assert load_preset(str(tmp_path / "mine.toml")).steps == 3
    (tmp_path / "bad.toml").write_text("steps = 3\n")
    with pytest.raises(PresetError, match="lacks a title"):
        load_preset(str(tmp_path / "bad.toml"))
