"""About 1,500 docstrings of Python's standard library, with the arguments (ARG) and the code (CODE) they speak of as spans.

Nobody tagged them by hand: an ARG is the name of an argument of the function that is documented, so that one word is a name
here and plain English there; CODE is a dotted name, a name with brackets, or that of a class.
"""

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import TaggedText
from samoyed.samples.docstrings import PACKAGES

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?|\d+|[^\w\s]")
_PIECE = re.compile(r"\w+|[^\w\s]")


def examples() -> list[TaggedText]:
    """The first paragraphs of functions' docstrings, each once, in an order that mixes the packages."""
    found: dict[tuple[str, ...], TaggedText] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for path in sorted(Path(spec.origin).parent.rglob("*.py")) if spec is not None and spec.origin else []:
            if {"test", "tests", "site-packages"} & set(path.parts):
                continue
            tree = ast.parse(path.read_bytes())
            classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
            for node in ast.walk(tree):
                text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
                if not text or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = {argument.arg for argument in given} - {"self", "cls"}
                pairs = list(_tagged(text.split("\n\n")[0], names, classes))
                if len(pairs) > 3:
                    tokens = tuple(token for token, _ in pairs)
                    tags = tuple(tag for _, tag in pairs)
                    found.setdefault(
                        tokens, TaggedText(tokens, tags, f"the standard library's {package}, text {len(found) + 1}")
                    )
    return sorted(
        found.values(), key=lambda e: hashlib.sha1(" ".join(e.tokens).encode(), usedforsecurity=False).digest()
    )


def _tagged(text: str, names: set[str], classes: set[str]) -> Iterator[tuple[str, str]]:
    for match in _NAME.finditer(text):
        word = match[0]
        kind = "ARG" if word in names else "CODE" if "." in word[:-1] or word.endswith("()") or word in classes else ""
        for i, piece in enumerate(_PIECE.findall(word)):
            yield piece, f"{'I' if i else 'B'}-{kind}" if kind else "O"
