"""The problem type refuses grids that make no sense."""

import pytest
import torch

from engine.errors import ShapeError
from engine.stemgrid import StemGrid


def test_a_grid_to_separate_knows_nothing_but_the_mixture():
    grid = StemGrid.to_separate(torch.ones(2, 5), 3)
    assert grid.shape == (2, 3, 5)
    assert not grid.known_mask.any()
    assert grid.mixture_holds().all()


def test_without_a_mixture_it_holds_nowhere():
    assert not StemGrid(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3, dtype=torch.bool)).mixture_holds().any()


@pytest.mark.parametrize(
    "arrays",
    [
        (torch.zeros(2, 3), torch.zeros(2, 3)),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 4)),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 4)),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 3), torch.zeros(3)),
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), None, torch.zeros(1, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arrays):
    with pytest.raises(ShapeError):
        StemGrid(*arrays)


def test_a_mixture_to_separate_must_be_two_dimensional():
    with pytest.raises(ShapeError):
        StemGrid.to_separate(torch.ones(5), 3)
