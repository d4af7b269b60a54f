"""About 2,000 descriptions from Python's own standard library, to be told apart by the package that they describe."""

import ast
import hashlib
import importlib.util
from pathlib import Path

from samoyed.examples import LabelledText

PACKAGES = ("asyncio", "email", "encodings", "http", "importlib", "logging", "multiprocessing", "unittest", "xml")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def examples() -> list[LabelledText]:
    """The docstrings of at least four words, each once, in an order that mixes the packages. They vary with Python's version."""
    found: dict[str, LabelledText] = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for path in sorted(Path(spec.origin).parent.rglob("*.py")) if spec is not None and spec.origin else []:
            if {"test", "tests", "site-packages"} & set(path.parts):
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                text = ast.get_docstring(node) if isinstance(node, _DOCUMENTED) else None
                if text and len(text.split()) > 3:
                    found.setdefault(
                        text, LabelledText(text, name, f"the standard library's {name}, text {len(found) + 1}")
                    )
    return sorted(found.values(), key=lambda e: hashlib.sha1(e.text.encode(), usedforsecurity=False).digest())
