"""What translation hands its models, what it keeps beside them, and how a corpus is scored."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from torch import Tensor

from samoyed import batching
from samoyed.stored import Stored


class Pairs(NamedTuple):
    """sources int32 [B, S] and targets int32 [B, T], each ended by its boundary symbol and padded with it; their lengths
    int32 [B], the boundary counted; references uint8 [B, R], the target text as it is in UTF-8, padded with zeros."""

    sources: Tensor
    source_lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    references: Tensor

    def mask(self) -> Tensor:
        """Which targets are real: bool [B, T]."""
        return torch.arange(self.targets.shape[1], device=self.targets.device) < self.target_lengths[:, None]

    def trimmed(self) -> "Pairs":
        """Without columns that are padding in every row."""
        longest = [int(lengths.max()) if len(lengths) else 0 for lengths in (self.source_lengths, self.target_lengths)]
        return self._replace(sources=self.sources[:, : longest[0]], targets=self.targets[:, : longest[1]])


class TokensState(Stored):
    """Tokens of one side: a list of them, or SentencePiece's model."""

    kind: Literal["subwords", "words", "characters"]
    tokens: list[str] | None = None
    model: str | None = None


class State(Stored):
    """What was learned from the training split."""

    source: TokensState
    target: TokensState
    ratio: Annotated[float, Ge(0.01), Le(100)]  # target tokens per source token


def padded(rows: list[Tensor], boundary: int) -> tuple[Tensor, Tensor]:
    """Tokens [T] each -> int32 [B, T + 1], ended and padded with the boundary, and lengths int32 [B]."""
    lengths = torch.tensor([len(row) + 1 for row in rows], dtype=torch.int32)
    whole = torch.full((len(rows), int(lengths.max()) if rows else 1), boundary, dtype=torch.int32)
    for i, row in enumerate(rows):
        whole[i, : len(row)] = row
    return whole, lengths


def as_bytes(texts: list[str]) -> Tensor:
    """Texts -> uint8 [B, R], UTF-8 padded with zeros."""
    coded = [np.frombuffer(text.encode("utf-8", "replace"), np.uint8) for text in texts]
    whole = np.zeros((len(coded), max(map(len, coded), default=0)), np.uint8)
    for i, row in enumerate(coded):
        whole[i, : len(row)] = row
    return torch.from_numpy(whole)


def as_texts(coded: Tensor) -> list[str]:
    """The inverse of `as_bytes`."""
    return [bytes(row).rstrip(b"\0").decode("utf-8") for row in coded.cpu().numpy()]


def buckets(data: Pairs, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """The rows of each batch of an epoch: neighbours in length, as many as `batch_size` pairs of mean length have tokens.

    Pairs are sorted by length, those of equal lengths in the epoch's order, cut into batches, and the batches shuffled: a pure
    function of seed and epoch, whose number of batches is the same in every epoch.
    """
    lengths = torch.stack([data.source_lengths, data.target_lengths], 1).cpu().numpy()
    shuffled = batching.order(len(lengths), seed, epoch).numpy()
    ranked = shuffled[np.lexsort((lengths[shuffled, 1], lengths[shuffled, 0]))]
    cuts = _cuts(lengths[ranked], batch_size)
    groups = np.split(ranked, cuts)
    for i in torch.randperm(len(groups), generator=batching.generator(seed, epoch, 1)).tolist():
        yield torch.from_numpy(groups[i])


def count_buckets(data: Pairs, batch_size: int) -> int:
    """How many batches `buckets` gives."""
    lengths = torch.stack([data.source_lengths, data.target_lengths], 1).cpu().numpy()
    return len(_cuts(lengths[np.lexsort((lengths[:, 1], lengths[:, 0]))], batch_size)) + 1


def _cuts(lengths: NDArray[Any], batch_size: int) -> list[int]:
    """Where sorted lengths [N, 2] are cut, so that no batch holds more tokens, padding among them, than it may."""
    most = max(batch_size * float(lengths.sum(1).mean()), float(lengths.sum(1).max()))
    cuts, begin, longest = [], 0, np.zeros(2)
    for i, pair in enumerate(lengths):
        longest = np.maximum(longest, pair)
        if (i + 1 - begin) * longest.sum() > most and i > begin:
            cuts.append(i)
            begin, longest = i, pair
    return cuts


def statistics(kind: str, said: list[str], *references: Sequence[str | None]) -> Tensor:
    """What BLEU or chrF of a corpus is computed from, per sentence: float64 [B, K], sums of which pool.

    Each of `references` holds one for every sentence; None where a sentence has fewer than others, but not in the first.
    """
    rows = _scorer(kind)._extract_corpus_statistics(said, references)
    return torch.tensor(rows, dtype=torch.float64).view(len(said), -1)


def bleu(sums: NDArray[np.float64]) -> float:
    """BLEU (Papineni 2002) of a corpus from its statistics, as sacrebleu computes it."""
    return float(_scorer("bleu")._compute_score_from_stats([round(x) for x in sums]).score)


def chrf(sums: NDArray[np.float64]) -> float:
    """chrF2 (Popović 2015) of a corpus from its statistics, as sacrebleu computes it."""
    return float(_scorer("chrf")._compute_score_from_stats([round(x) for x in sums]).score)


@cache
def _scorer(kind: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return BLEU() if kind == "bleu" else CHRF()


def told(
    source: str, texts: Sequence[str], log_probs: Sequence[float], said: list[str], read: list[str], weights: Tensor | None,
    replaced: list[int] | None,
) -> dict[str, Any]:  # fmt: skip
    """An answer for a person: the best of `texts`, all with their log-probabilities, and for each token that was said the one of those
    read that its weights [T, S] lie on most, S with the end. Of the best answer's tokens in `replaced`, if given, unknown ones (0) are
    put as those they lay on."""
    alternatives = [
        {"text": text, "log_prob": round(log_prob, 4)}
        for text, log_prob in zip(texts, log_probs, strict=True)
        if math.isfinite(log_prob)
    ]
    answer = {"source": source, "text": alternatives[0]["text"], "alternatives": alternatives}
    if weights is None:
        return answer
    places = weights[:, :-1].argmax(-1).tolist() if read else []
    aligned = [{"token": token, "from": read[place]} for token, place in zip(said, places, strict=bool(read))]
    if replaced is not None:
        parts = [a["from"] if i == 0 else a["token"] for a, i in zip(aligned, replaced, strict=False)]
        answer["text"] = "".join(parts).replace("▁", " ").strip()
    return answer | {"alignment": aligned}
