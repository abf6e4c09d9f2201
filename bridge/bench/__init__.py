"""Benchmarks of the bridge: rates.py, the way to a server and back; scale.py, songs of 1 to 60 minutes. ends.py: the other ends."""
