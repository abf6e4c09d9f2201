"""What a report says of its rows, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from engine.evaluation import Report
from engine.evaluation.metrics import jackknife


def report(*values: float) -> Report:
    """One window of one sounding source a track."""
    made = Report(("bass",), {}, 1)
    made.rows = [(f"Track{number}", "bass", value, False) for number, value in enumerate(values)]
    return made


def test_being_ahead_is_measured_on_each_track():
    ahead, width = report(11.0, 3.0, 7.5).over(report(10.0, 2.0, 6.0))
    assert ahead == pytest.approx(7 / 6)
    assert width == pytest.approx(
        4.3027 * math.sqrt(1 / 12) / math.sqrt(3), rel=1e-4
    )  # of 1, 1 and 1.5, whose variance is 1/12


def test_the_interval_is_that_of_the_mean_beside_it():
    """Which weighs windows and sources, not tracks."""
    dice, sources = np.random.default_rng(0), ("bass", "drums")
    whole = Report(sources, {}, 1)
    for track in range(12):
        for name in sources[: dice.integers(1, 3)]:
            whole.rows += [
                (f"Track{track}", name, float(dice.normal(track)), False) for _ in range(dice.integers(1, 9))
            ]
    whole.rows.append(("Track99", "bass", 60.0, True))

    def without(track: int) -> Report:
        return Report(sources, {}, 1, [row for row in whole.rows if row[0] != f"Track{track}"])

    left_out = [without(track) for track in range(12)]
    assert whole.interval() == pytest.approx(jackknife([each.mean(with_silent=False) for each in left_out]))
    bass = [each.improvement("bass", with_silent=False) for each in left_out]
    assert whole.interval("bass") == pytest.approx(jackknife(bass))


def test_one_track_has_no_interval():
    assert math.isnan(report(5.0).interval())
    assert math.isnan(report().interval())
    lone = Report(("bass", "drums"), {}, 1, [*report(5.0, 4.0).rows, ("Track0", "drums", 3.0, False)])
    assert math.isnan(lone.interval())
    assert lone.interval("bass") > 0


def test_only_tracks_of_both_are_compared():
    assert report(5.0, 4.0).over(report(3.0))[0] == 2.0
    assert math.isnan(report(5.0).over(report())[0])


def test_a_silent_target_counts_only_as_published():
    made = report(2.0, 4.0)
    made.rows.append(("Track0", "bass", 60.0, True))
    assert made.improvement("bass", with_silent=False) == 3.0
    assert made.improvement("bass", with_silent=True) == 22.0
    assert made.track_means() == {"Track0": 2.0, "Track1": 4.0}
    told = made.as_dict()
    assert [told["si_sdr_improvement_db"][name]["all"] for name in ("silent_left_out", "as_published")] == [3.0, 22.0]
    assert told["network_calls"] == 1
