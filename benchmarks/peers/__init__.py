"""This project beside its peers, in one process, on the same weights: `python -m benchmarks.peers`.

Needs the environment that `make bench` makes of `requirements.txt` here. What is not installed is
named in the result with the reason, and left out.
"""
