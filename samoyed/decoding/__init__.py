"""Searching an output: greedy, sampled, by beams, and through connectionist temporal classification."""
