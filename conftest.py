"""Leaves out of the doctests what stands on a package that this system does not have."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("triton") else ["samoyed/layers/recurrence/triton_cells.py"]
