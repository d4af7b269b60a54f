"""Tokens and tags in columns, one token in each line, an empty line between sentences: CoNLL 2000 to 2003, and CoNLL-U.

The first column is the token and the last its tag; in CoNLL-U, whose lines have ten columns between tabs, the second and the
fourth (the part of speech). Comments (# ...) of CoNLL-U and lines of -DOCSTART- are no tokens.
"""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import TaggedText
from samoyed.sources import Source
from samoyed.sources._reading import looks_like_text, opened, read_text
from samoyed.sources.labelled_lines import numbered_lines

_UNIVERSAL = 10  # columns of CoNLL-U


class TaggedColumns(Source):
    """Reads sentences of tokens with tags. A sentence with a line that has no two columns is skipped and listed."""

    yields = "TaggedText"
    reads = "a file with a token and its tag in each line and an empty line between sentences (CoNLL)"
    holds = "sentences"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        numbered_lines(path)
        self.sentences = _sentences(read_text(path))

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not path.is_file() or not (path.suffix.lower() == ".gz" or looks_like_text(path)):
            return False
        with opened(path) as file:
            lines = file.read(2**14).decode("utf-8", "replace").splitlines()
        first = [line.split() for line in lines if line.strip() and not _is_comment(line)][:20]
        return bool(first) and all(len(cells) > 1 for cells in first) and not first[0][0].startswith(("{", "["))

    def __len__(self) -> int:
        return len(self.sentences)

    def examples(self) -> Iterator[TaggedText]:
        for begins, lines in self.sentences:
            tokens, tags, wrong = [], [], None
            for number, line in enumerate(lines, start=begins):
                cells = line.split("\t") if line.count("\t") == _UNIVERSAL - 1 else line.split()
                if len(cells) < 2:
                    wrong = number
                    break
                universal = len(cells) == _UNIVERSAL and "\t" in line
                if universal and not cells[0].isdigit():
                    continue  # 1-2 spans two words that follow, 1.1 is an empty one
                tokens.append(cells[1 if universal else 0].strip())
                tags.append(cells[3 if universal else -1].strip())
            if wrong is not None:
                self.skip(f"{self.path}:{wrong}", "the line has no two columns")
            elif tokens:
                yield TaggedText(tuple(tokens), tuple(tags), f"{self.path}:{begins}")


def _sentences(text: str) -> list[tuple[int, list[str]]]:
    """The lines of each sentence, with the number of the first."""
    found: list[tuple[int, list[str]]] = []
    going = False
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or _is_comment(line):
            going = False
        elif going:
            found[-1][1].append(line.rstrip("\r"))
        else:
            found.append((number, [line.rstrip("\r")]))
            going = True
    return found


def _is_comment(line: str) -> bool:
    return line.startswith(("-DOCSTART-", "# "))
