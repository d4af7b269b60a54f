"""Smaller networks: prune, share, quantise, and what is written to disk; distil."""
