"""What word vectors know, asked by files of questions: how alike two words are, and which word is to c as b is to a.

Similarity: two words and what people said of them in a line; the measure is Spearman's rank correlation with the cosines (as for
WordSim-353, Finkelstein 2002). Analogies: four words in a line, `: name` before a section; the answer is the word whose vector
has the largest cosine with b - a + c, the three left out (Mikolov 2013). Legend: V words, D numbers of a vector, N questions.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import DataError

_BLOCK = 512
_Z = 1.959963984540054  # the normal quantile of 97.5 %

Index = Callable[[str], int | None]
"""The row of a word, None if it has no vector."""


class Similarity(NamedTuple):
    """Spearman's correlation over the `known` of `pairs` pairs, with its 95 % interval (Fisher's z, Bonett & Wright 2000)."""

    name: str
    value: float
    low: float
    high: float
    known: int
    pairs: int

    def __str__(self) -> str:
        if self.known < 4:
            return f"{self.name}: {self.known} of {self.pairs:,} pairs have vectors, too few to say"
        return f"{self.name} {self.value:.3f} ({self.low:.3f} to {self.high:.3f}) on {self.known:,} of {self.pairs:,} pairs"


class Analogies(NamedTuple):
    """Right answers among the `known` of `questions` questions, all of whose words have vectors."""

    name: str
    right: int
    known: int
    questions: int

    def __str__(self) -> str:
        if not self.known:
            return f"{self.name}: none of {self.questions:,} questions has vectors for its words"
        share = f"{100 * self.right / self.known:.1f} %"
        return f"{self.name} {share} right, {self.right:,} of {self.known:,} ({self.questions:,} questions in the file)"


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row [V, D] at length 1; one of zeros stays."""
    made: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return made


def files(where: str, what: str) -> list[Path]:
    """The file, or the .txt files of the folder, that was named. Raises DataError where there is none."""
    path = Path(where).expanduser()
    found = [path] if path.is_file() else sorted(p for p in path.glob("*.txt") if p.name.lower() != "source.txt")
    if not found:
        raise DataError(f"there is no file of {what}", where=path, remedy="name a text file, or a folder of .txt files")
    return found


def similarity(path: Path, vectors: NDArray[np.float32], index: Index) -> Similarity:
    """Unit `vectors` [V, D] against a file of pairs. Raises DataError with the line of anything else."""
    from scipy.stats import spearmanr

    said: list[float] = []
    rows: list[tuple[int, int]] = []
    pairs = 0
    for where, words in _lines(path):
        try:
            first, second, score = words[0], words[1], float(words[2])
            if not math.isfinite(score):
                raise ValueError
        except (IndexError, ValueError):
            if pairs == 0 and len(words) >= 3 and where.endswith(":1"):
                continue  # the heads of columns
            raise DataError("is no pair of words and a number", where=where) from None
        pairs += 1
        a, b = index(first), index(second)
        if a is not None and b is not None:
            said.append(score)
            rows.append((a, b))
    name = path.name.removesuffix(".txt")
    if len(rows) < 4 or len(set(said)) < 2:
        return Similarity(name, 0.0, -1.0, 1.0, min(3, len(rows)), pairs)
    a_rows, b_rows = np.array(rows).T
    value = float(spearmanr(said, (vectors[a_rows] * vectors[b_rows]).sum(1)).statistic)
    spread = _Z * math.sqrt((1 + value**2 / 2) / (len(rows) - 3))
    z = math.atanh(max(-0.999999, min(0.999999, value)))
    return Similarity(name, value, math.tanh(z - spread), math.tanh(z + spread), len(rows), pairs)


def analogies(path: Path, vectors: NDArray[np.float32], index: Index) -> Analogies:
    """Unit `vectors` [V, D] against a file of questions. Raises DataError with the line of anything else."""
    asked: list[list[int]] = []
    questions = 0
    for where, words in _lines(path):
        if words[0].startswith(":"):
            continue
        if len(words) != 4:
            raise DataError(f"has {len(words)} words, not 4", where=where, remedy="write one question a line: a b c d")
        questions += 1
        rows = [index(word) for word in words]
        if all(row is not None for row in rows):
            asked.append([row for row in rows if row is not None])
    right = 0
    for begin in range(0, len(asked), _BLOCK):
        block = np.array(asked[begin : begin + _BLOCK])
        right += int((nearest_to(block[:, :3], vectors) == block[:, 3]).sum())
    return Analogies(path.name.removesuffix(".txt"), right, len(asked), questions)


def nearest_to(questions: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """questions [N, 3], rows of a, b, c -> the row whose cosine with b - a + c is largest, not one of them, [N]."""
    cosines = (vectors[questions[:, 1]] - vectors[questions[:, 0]] + vectors[questions[:, 2]]) @ vectors.T
    np.put_along_axis(cosines, questions, -np.inf, 1)
    found: NDArray[np.int64] = cosines.argmax(1)
    return found


def answers(
    vectors: NDArray[np.float32], rows: Sequence[int], signs: Sequence[int], most: int
) -> list[tuple[int, float]]:
    """The rows of `vectors` [V, D] nearest by cosine to the signed sum of the unit vectors of `rows`, which are left out."""
    units = unit(vectors)
    query = np.array(signs, np.float32) @ units[list(rows)]
    cosines = units @ query / max(float(np.linalg.norm(query)), 1e-12)
    cosines[list(rows)] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(most, len(units) - len(set(rows)))]
    return [(int(i), float(cosines[i])) for i in order]


def all_tests(
    similar: str | None, alike: str | None, vectors: NDArray[np.float32], index: Index
) -> list[Similarity | Analogies]:
    """What every file at the two places finds; `vectors` need no unit length. Raises DataError."""
    of_length_1 = unit(vectors)
    found: list[Similarity | Analogies] = []
    for path in files(similar, "word similarities") if similar else ():
        found.append(similarity(path, of_length_1, index))
    for path in files(alike, "analogies") if alike else ():
        found.append(analogies(path, of_length_1, index))
    return found


def as_facts(found: Sequence[Similarity | Analogies]) -> list[dict[str, Any]]:
    """As JSON."""
    return [{"kind": type(one).__name__.lower(), **one._asdict()} for one in found]


def _lines(path: Path) -> list[tuple[str, list[str]]]:
    """The words of every line that has any, with its place."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text: byte {error.start}", where=path) from error
    except OSError as error:
        raise DataError(f"cannot be read: {(error.strerror or str(error)).lower()}", where=path) from error
    rows = [(f"{path}:{i}", re.split(r"[\s,;]+", line.strip())) for i, line in enumerate(text.splitlines(), 1)]
    found = [(where, words) for where, words in rows if words != [""] and not words[0].startswith("#")]
    if not found:
        raise DataError("is an empty file", where=path, remedy="give a line for each pair or analogy")
    return found
