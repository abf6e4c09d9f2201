"""Evaluation: separation measured by the protocol of MSDM's authors, on folders of tracks."""

from engine.evaluation.metrics import si_sdr, si_sdr_improvement
from engine.evaluation.separation import Report, evaluate

__all__ = ["Report", "evaluate", "si_sdr", "si_sdr_improvement"]
