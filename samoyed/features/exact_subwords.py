"""Subwords that give every text back as it was: tokens between characters and words.

They are learned by sentencepiece (Kudo & Richardson 2018), from the extra samoyed[text], by its unigram model (Kudo 2018). Nothing is normalised, and a character without a piece is written as its UTF-8 bytes, so that every text comes back exactly.
The character with which sentencepiece marks spaces is always written as bytes. Legend: T time, V vocabulary.
"""

import base64
import binascii
import codecs
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from samoyed.errors import DataError, require
from samoyed.features.vocabulary import UNKNOWN

_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # what stands for a space inside sentencepiece
_LONGEST = 4_000  # characters that are cut into tokens together; longer lines are cut there
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_MOST_LEARNED = 20_000_000  # characters from which pieces are learned


class ExactSubwords:
    """The same face as Vocabulary, around a sentencepiece model, which is kept as bytes."""

    kind = "subwords"

    def __init__(self, model: bytes) -> None:
        """Raises ValueError where these bytes are no model with a piece for every byte."""
        require("sentencepiece", "text")
        import sentencepiece

        self.model = model
        if not model:
            raise ValueError("the subwords' model is damaged")
        try:
            self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        except (RuntimeError, TypeError) as error:
            raise ValueError("the subwords' model is damaged") from error
        pieces = [self._processor.id_to_piece(i) for i in range(self._processor.get_piece_size())]
        self._bytes = [_bytes_of(piece) for piece in pieces]
        self._bytes[self._processor.unk_id()] = UNKNOWN.encode()
        self.tokens = [raw.decode("utf-8", "replace") for raw in self._bytes]
        self._marked = [self._processor.piece_to_id(f"<0x{byte:02X}>") for byte in _MARK.encode()]
        if self._processor.unk_id() in self._marked or not all(map(self._processor.is_byte, self._marked)):
            raise ValueError("the subwords' model has no pieces for bytes")

    @classmethod
    def learn(cls, texts: Iterable[str], most: int) -> "ExactSubwords":
        """At most `most` pieces, 256 of them single bytes. Raises DataError where the text has too little for any."""
        require("sentencepiece", "text")
        import sentencepiece

        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_sentences(texts), model_writer=written, vocab_size=most, hard_vocab_limit=False,
                model_type="unigram", byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False,
                remove_extra_whitespaces=False, character_coverage=0.9999, user_defined_symbols=["\n", "\t"],
                bos_id=-1, eos_id=-1, pad_id=-1, num_threads=1, max_sentence_length=8 * _LONGEST, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            why = str(error).rpartition("] ")[2] or "there is too little text"
            raise DataError(
                f"no {most} subwords can be learned: {why}",
                remedy="set another vocab_limit (at least 300), or tokens=words",
            ) from error
        return cls(written.getvalue())

    @classmethod
    def restored(cls, encoded: str) -> "ExactSubwords":
        """From `state`. Raises ValueError."""
        try:
            return cls(base64.b64decode(encoded, validate=True))
        except binascii.Error as error:
            raise ValueError("the subwords' model is damaged") from error

    def state(self) -> dict[str, object]:
        """The vocabulary as JSON."""
        return {"kind": self.kind, "model": base64.b64encode(self.model).decode("ascii")}

    def lengths(self) -> Tensor:
        """How many characters each token begins, float32 [V]: of the bytes of one character the first counts."""
        return torch.tensor([float(sum(byte & 0xC0 != 0x80 for byte in raw)) for raw in self._bytes])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> Tensor:
        """text -> int64 [T]."""
        found: list[int] = []
        for i, part in enumerate(text.split(_MARK)):
            found += self._marked if i else []
            for piece in self._processor.encode(list(_cut(part))):
                found += piece
        return torch.tensor(found, dtype=torch.int64)

    def text(self, indices: Tensor) -> str:
        """int64 [T] -> text; bytes that are no character become the replacement character."""
        return b"".join(self._bytes[i] for i in indices.tolist()).decode("utf-8", "replace")

    def pieces(self, indices: Iterable[int]) -> Iterator[str]:
        """Tokens, as they come -> their texts, which joined are `text` of all; a character comes with the last of its bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in indices:
            if piece := decoder.decode(self._bytes[i]):
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest


def _bytes_of(piece: str) -> bytes:
    byte = _BYTE.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else piece.replace(_MARK, " ").encode()


def _cut(text: str) -> Iterator[str]:
    """A text in lines, and those in pieces of bearable length."""
    for line in re.findall(r"[^\n]*\n+|[^\n]+", text):
        for begin in range(0, len(line), _LONGEST):
            yield line[begin : begin + _LONGEST]


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    left = _MOST_LEARNED
    for text in texts:
        for line in _cut(text[:left].replace(_MARK, " ")):
            if line.strip():
                yield line.strip("\n")
        left -= len(text[:left])
