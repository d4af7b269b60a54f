"""Subwords: text -> pieces between letters and words -> integers, and back (byte-pair encoding, Sennrich 2016).

The pieces are learned and applied by SentencePiece (Kudo & Richardson 2018), from the extra samoyed[text]. Legend: T time.
"""

import base64
import io
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from samoyed.errors import DataError, require


class Subwords:
    """The pieces of a training text; index 0 stands for a character outside it. A piece that begins a word begins with ▁.

    White space between words is kept as one space, and none at the ends; nothing else is changed.
    """

    kind = "subwords"

    def __init__(self, model: bytes) -> None:
        """From SentencePiece's own bytes, as in `state`. Raises RuntimeError for others."""
        require("sentencepiece", "text")
        import sentencepiece

        self.model = model
        self.processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.tokens: list[str] = [self.processor.id_to_piece(i) for i in range(self.processor.get_piece_size())]

    @classmethod
    def learn(cls, texts: Iterable[str], most: int = 8000) -> "Subwords":
        """At most `most` pieces, fewer where the texts have no more. Raises DataError where nothing can be learned."""
        require("sentencepiece", "text")
        import sentencepiece

        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts), model_writer=written, vocab_size=most, model_type="bpe",
                character_coverage=1.0, hard_vocab_limit=False, normalization_rule_name="identity", num_threads=1,
                bos_id=-1, eos_id=-1, pad_id=-1, unk_id=0, minloglevel=2, max_sentence_length=2**20,
            )  # fmt: skip
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"no {most:,} subwords can be learned from these texts", remedy="set another vocab_limit"
            ) from error
        return cls(written.getvalue())

    def __len__(self) -> int:
        return len(self.tokens)

    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""
        return {"kind": self.kind, "model": base64.b64encode(self.model).decode("ascii")}

    def split(self, text: str) -> list[str]:
        """The pieces of a text, known or not."""
        return list(self.processor.encode(text, out_type=str))

    def encode(self, text: str) -> Tensor:
        """text -> int64 [T]."""
        return torch.tensor(self.processor.encode(text), dtype=torch.int64)

    def text(self, indices: Tensor) -> str:
        """int64 [T] -> text."""
        return str(self.processor.decode(indices.tolist()))
