"""What a report says of its rows, against numbers worked out by hand."""

import math

import pytest

from engine.evaluation import Report


def report(*values: float) -> Report:
    """One window of one sounding source a track."""
    made = Report(("bass",), {}, 1)
    made.rows = [(f"Track{number}", "bass", value, False) for number, value in enumerate(values)]
    return made


def test_being_ahead_is_measured_on_each_track():
    ahead, width = report(11.0, 3.0, 7.5).over(report(10.0, 2.0, 6.0))
    assert ahead == pytest.approx(7 / 6)
    assert width == pytest.approx(1.96 * math.sqrt(1 / 12) / math.sqrt(3))  # of 1, 1 and 1.5, whose variance is 1/12


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
