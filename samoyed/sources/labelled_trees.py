"""Parse trees with a label at every node, as s-expressions: (3 (2 It) (4 (2 's) (4 lovely))), the Stanford Sentiment Treebank's.

A sentence is the words at its leaves, its label that of its root; the nodes below are its phrases.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import LabelledText
from samoyed.sources import Source
from samoyed.sources._reading import opened
from samoyed.sources.labelled_lines import numbered_lines

_TREE = re.compile(r"\s*\((\S+)\s.*\)\s*")
_PART = re.compile(r"\(([^\s()]+)\s+|([^\s()]+)\s*|(\))\s*")  # a label, a word, or the end of a node
_BRACKETS = {"-LRB-": "(", "-RRB-": ")"}


class LabelledTrees(Source):
    """Reads one tree in each line, as the sentence and the class of its root."""

    yields = "LabelledText"
    reads = "a file of parse trees with a label at each node ((3 (2 a) (4 wonder)))"
    usual = False
    holds = "lines"

    def __init__(self, path: Path, *, text: str | None = None, label: str | None = None) -> None:
        super().__init__(path)
        self.lines = numbered_lines(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not path.is_file():
            return False
        with opened(path) as file:
            first = file.read(2**16).lstrip(b"\xef\xbb\xbf \r\n").split(b"\n", 1)[0]
        return bool(_TREE.fullmatch(first.decode("utf-8", "replace"))) and first.count(b"(") == first.count(b")") > 1

    def __len__(self) -> int:
        return len(self.lines)

    def examples(self) -> Iterator[LabelledText]:
        for number, line in self.lines:
            where, found = f"{self.path}:{number}", _TREE.fullmatch(line)
            if found is None or line.count("(") != line.count(")"):
                self.skip(where, "it is no tree, or a bracket is missing")
                continue
            (text, label), *phrases = reversed(_nodes(line))
            yield LabelledText(text, label, where, tuple(phrases))


def _nodes(tree: str) -> list[tuple[str, str]]:
    """The text and label of every node, each after those below it."""
    words: list[str] = []
    begun: list[tuple[str, int]] = []
    found = []
    for label, word, _ in _PART.findall(tree):
        if label:
            begun.append((label, len(words)))
        elif word:
            words.append(_BRACKETS.get(word, word.replace("\\/", "/").replace("\\*", "*")))
        elif begun:
            name, first = begun.pop()
            found.append((" ".join(words[first:]), name))
    return found
