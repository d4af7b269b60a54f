"""Searching an output: greedy and sampled."""
