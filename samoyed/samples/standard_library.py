"""The text of Python's own standard library: fourteen of its modules, about half a million characters."""

import importlib.util
from pathlib import Path

from samoyed.examples import Text

_MODULES = (
    "argparse", "ast", "calendar", "cmd", "configparser", "csv", "difflib",
    "heapq", "inspect", "pathlib", "random", "statistics", "textwrap", "typing",
)  # fmt: skip


def examples() -> list[Text]:
    """One text per module, in a fixed order that mixes subjects between the splits. The text varies with Python's version."""
    found = []
    for name in _MODULES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).is_file():
            found.append(Text(Path(spec.origin).read_text("utf-8"), f"the standard library's {name}"))
    return found
