"""Evaluation: what a model makes, measured. A file a question.

separation.py with metrics.py      stems against the true ones, by the protocol of MSDM's authors
generation.py with frechet.py      songs and sub-sets of stems against true ones, by distance of embeddings
accompaniments.py, agreement.py    whether a stem that was made plays along with the others
gaps.py                            infill and continue against what was there
prompts.py with classifier.py      whether a prompt's source becomes what it says
posteriors.py with priors.py       each likelihood where the truth is known in closed form
plots.py, pictures.py, figures.py  drawings of these and of what tasks make
RESULTS.md                         what was measured, and by which command
"""

from engine.evaluation.metrics import si_sdr, si_sdr_improvement
from engine.evaluation.separation import Report, evaluate

__all__ = ["Report", "evaluate", "si_sdr", "si_sdr_improvement"]
