"""Benchmarks, a file each; `stemweave bench` runs them. What they share is in rounds.py.

separation.py    the main job, at several numbers of steps
denoiser.py      one call of the network by every back end
guidance.py      a gradient through the network
gpu.py           the paper's network in its full size, every way in every precision
authors.py       the authors' package on the same weights
separators.py    other separators from PyPI on the same song
"""
