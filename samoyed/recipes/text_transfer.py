"""Transfer of texts: a network that tells six languages by their surnames needs fewer names of six others.

As the recipe transfer, of texts read by their letters: a bidirectional LSTM learns the first half of the languages of which there are at
least 230 names, and of the other half there are 2, 5, 10, 25 or 50 names each, drawn three times. Three ways: from the beginning, going on with
the head cut (`from=RUN depth_rate=0.8`), and with all but the new head held fixed (`from=RUN freeze=body`), for as many steps with the same
settings. Equal names stay in one split; at most 700 of a language are learned from, 20 choose the best epoch, at most 100 are the test.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.errors import DataError, UsageError
from samoyed.recipes import transfer
from samoyed.recipes.outcome import Outcome
from samoyed.sources import open_splits
from samoyed.splitting import stratified

expected = "at 10 names a language, going on from a network that learned other languages errs less than beginning anew"
seconds = 200

LABELS = (2, 5, 10, 25, 50)
_LEAST, _MOST = 230, {"train": 700, "valid": 60, "test": 100}
_MODEL: dict[str, Any] = {
    "model": "lstm", "tokens": "characters", "min_count": 1, "pooling": "max", "epochs": 12, "batch_size": 64,
}  # fmt: skip


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """On `data`, a file of names per language. Raises UsageError without it, DataError for fewer than four such languages."""
    if data is None:
        raise UsageError(
            "the names are not fetched", remedy="samoyed reproduce text-transfer FOLDER, with a .txt file per language"
        )
    (source,) = open_splits("LabelledText", data, {"text": None, "label": None}).values()
    every: list[Any] = list(source.examples())
    counts = Counter(e.label for e in every)
    known = [e for e in every if counts[e.label] >= _LEAST]
    if len({e.label for e in known}) < 4:
        raise DataError(f"holds fewer than four languages of {_LEAST} names", where=data)
    split = stratified({"all": known}, 0, label=lambda e: e.label, content=lambda e: e.text.encode())
    files = {part: at_most(getattr(split, part), most) for part, most in _MOST.items()}
    with tempfile.TemporaryDirectory() as temporary:
        return transfer.halves("text-classification", files, LABELS, Path(temporary), out, echo, _MODEL, {}, "text")


def at_most(examples: list[Any], most: int) -> list[tuple[str, str]]:
    """Text and label of the first of each class."""
    seen: Counter[str] = Counter()
    found = []
    for example in examples:
        seen[example.label] += 1
        if seen[example.label] <= most:
            found.append((example.text, example.label))
    return found
