"""What tasks on texts of unequal length share: rows padded to one length, and batches cut to the longest in them.

Legend: N examples, B batch, T time.
"""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import DataError, UsageError, shown
from samoyed.examples import LabelledText
from samoyed.features import vectors
from samoyed.features.lexicon import Lexicon
from samoyed.sources import no_such_path
from samoyed.sources._reading import read_text
from samoyed.tasks import Split

Rows = TypeVar("Rows", bound=tuple[Tensor, ...])


def padded(rows: Sequence[Sequence[int]], fill: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of integers -> (int32 [N, T] with `fill` behind each, lengths int64 [N]); an empty row is one `fill`."""
    lengths = torch.tensor([max(1, len(row)) for row in rows], dtype=torch.int64)
    found = torch.full((len(rows), int(lengths.max()) if len(rows) else 1), fill, dtype=torch.int32)
    for i, row in enumerate(rows):
        found[i, : len(row)] = torch.tensor(row, dtype=torch.int32)
    return found, lengths


def cut(rows: Rows, lengths: Tensor) -> Rows:
    """A batch without the columns that are padding in all of its rows; whole numbers as int64."""
    longest = int(lengths.max()) if len(lengths) else 1
    return type(rows)(*(t[:, :longest].long() if t.dim() == 2 else t for t in rows))


def batches(data: Rows, lengths: Tensor, batch_size: int, seed: int, epoch: int | None) -> Iterator[Rows]:
    """One pass: in order without an `epoch`, else shuffled so that a batch holds texts of similar length."""
    if epoch is None:
        pieces = batching.batches(data, batch_size)
    else:
        chunks = batching.bucketed(lengths, batch_size, seed, epoch)
        pieces = (batching.take(data, chunk.to(lengths.device)) for chunk in chunks)
    at = next(i for i, tensor in enumerate(data) if tensor is lengths)
    return (cut(piece, piece[at]) for piece in pieces)


def given_text(raw: Any) -> tuple[str, str]:
    """A text a person gave, or the text of the file that they named, and where it came from. Raises DataError, UsageError."""
    if not isinstance(raw, str | PathLike):
        raise UsageError(f"{shown(repr(raw))} is no text", remedy="give a text, or the path of a text file")
    if isinstance(raw, PathLike) or (len(raw) < 200 and raw.isprintable() and _names_text(raw)):
        path = Path(raw)
        if not path.is_file():
            raise no_such_path(path)
        text, origin = read_text(path), str(path)
    else:
        text, origin = str(raw), "the given text"
    if not text.strip():
        raise DataError("holds no text", where=origin, remedy="give at least one word")
    return text, origin


def begin_with(model: nn.Module, lexicon: Lexicon, path: str, fixed: bool) -> str:
    """Puts the vectors in a file in place of the random ones of a model's `embedding`; says how many words have one.

    Words that have none keep random numbers, of the vectors' own spread. Raises DataError for the file, UsageError for a model
    without an embedding, or with another size.
    """
    table = getattr(model, "embedding", None)
    if not isinstance(table, nn.Embedding):
        raise UsageError(
            "this model has no embedding to begin from vectors", remedy="choose another model, or leave out vectors="
        )
    found = vectors.read(Path(path).expanduser(), only=lexicon.tokens)
    if not found.words:
        raise DataError(
            "has none of the words of the training texts", where=path, remedy="give vectors of their language"
        )
    size = found.vectors.shape[1]
    if size != table.embedding_dim:
        raise UsageError(
            f"the vectors have {size} numbers, the embedding {table.embedding_dim}", remedy=f"set embedding_size={size}"
        )
    rows = torch.tensor([lexicon.index[word] for word in found.words])
    with torch.no_grad():
        table.weight.normal_(0.0, float(found.vectors.std()))
        table.weight[rows.to(table.weight.device)] = torch.from_numpy(found.vectors).to(table.weight)
        static = getattr(model, "static", None)
        if isinstance(static, nn.Embedding):
            static.weight.copy_(table.weight)
    table.weight.requires_grad_(not fixed)
    return f"{len(found.words):,} of {len(lexicon):,} words have a vector in {path}"


def _names_text(raw: str) -> bool:
    return Path(raw).is_file() or (Path(raw).suffix.lower() == ".txt" and len(raw.split()) == 1)


def phrases_of(split_: Split) -> list[LabelledText]:
    """Every labelled part of the training texts once, without the texts of other splits. Raises DataError where there is none."""
    others = {e.text for e in (*split_.valid, *split_.test)}
    found = {(part, name): e.origin for e in split_.train for part, name in e.phrases if part not in others}
    if not found:
        raise DataError(
            "its texts have no labelled parts", where=split_.train[0].origin, remedy="leave out phrases=true"
        )
    return [LabelledText(text, name, origin) for (text, name), origin in found.items()]
