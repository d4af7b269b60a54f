"""The embedded data each task runs on when none is named: real, and on every machine.

A file of this folder is one sample; its `examples()` gives them all, its docstring says what they are and where from.
"""

import importlib
from typing import Any


def load(name: str) -> tuple[list[Any], str]:
    """The sample's examples, and its docstring's first line."""
    module = importlib.import_module(f"samoyed.samples.{name}")
    return module.examples(), (module.__doc__ or "").partition("\n")[0]
