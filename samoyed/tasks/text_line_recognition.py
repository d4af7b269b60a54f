"""Text-line recognition: what is written in a picture of one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from samoyed.errors import DataError, require
from samoyed.examples import TextLine
from samoyed.features.lines import line, width
from samoyed.features.vocabulary import Vocabulary
from samoyed.reporting import transcripts as drawing
from samoyed.settings import Count, NonNegative
from samoyed.sources import Source, one_file
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Picture, Split, _why_frames
from samoyed.tasks._transcribing import Sequences, Transcribing, feasible

_COLUMNS = 4  # columns of the picture for each symbol that a model can say


class State(Stored):
    """What was learned from the training split."""

    tokens: Annotated[list[str], MinLen(1)]
    words: list[str]
    height: Annotated[int, Ge(8), Le(256)]


class TextLineRecognition(Transcribing[TextLine]):
    """Read a picture of one line of writing: print, handwriting, digits.

    Raw data: pictures with transcripts, as a table of path and text, or with a .txt beside each picture. Reported as the share of
    characters and of words that are wrong, lower is better.

    Splits: as named (train, valid, test), else drawn by the seed: 20 % for the test, and of what remains 10 % for validation;
    pictures that are equal stay together. Lines are brought to one height, and read with ink bright on dark.

    Args:
        height: Rows that every line is brought to.
        beam_width: Prefixes kept in the search; 1 is the likeliest path.
        lexicon: Whether only lines are read whose words, parted by spaces, all stand in the training split.
        lm: A run of text-generation with tokens=characters, trained on a text with a transcript in each line, n-gram or network:
            what is read is then ranked by log p of the network + lm_weight log p of the language model + length_bonus a symbol.
        lm_weight: Weight of the language model.
        length_bonus: What each symbol adds, against the language model's love of short readings.

    Examples:
        samoyed train text-line-recognition lines.tsv
        samoyed train text-line-recognition postcodes/ height=24 lexicon=true epochs=40
        samoyed train text-line-recognition lines.tsv lm=runs/text-generation/1 lm_weight=0.4
        samoyed predict runs/text-line-recognition/1 line.png
    """

    sample = "digit_strings"
    example = "TextLine"
    model = "crnn"
    inputs = ("line_height",)
    outputs = ("num_symbols",)
    relearns = ("tokens", "words")
    inherits = ("height",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 60,
        "batch_size": 16,
        "learning_rate": 0.003,
        "clip_norm": 1.0,
        "warmup": 0.05,
    }
    watch = "loss"
    unit = "characters"

    def __init__(
        self,
        *,
        height: Count = 32,
        beam_width: Count = 1,
        lexicon: bool = False,
        lm: str | None = None,
        lm_weight: NonNegative = 0.5,
        length_bonus: NonNegative = 0.0,
    ) -> None:
        require("jiwer", "audio")
        self.lm, self.lm_weight, self.length_bonus = lm, lm_weight, length_bonus
        self.height, self.beam_width, self.lexicon, self.left_out = height, beam_width, lexicon, 0

    def split(self, parts: dict[str, list[TextLine]], seed: int) -> Split:
        kept = {name: [e for e in part if self._fits(e)] for name, part in parts.items()}
        self.left_out = sum(map(len, parts.values())) - sum(map(len, kept.values()))
        if not all(kept.values()):
            raise DataError(
                f"no transcript is short enough for its picture, of which {_COLUMNS} columns can hold a symbol",
                remedy="check that transcripts belong to their pictures, or set a larger height",
            )
        return stratified(kept, seed, label=lambda e: "", content=lambda e: e.pixels.tobytes())

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        lines = [e for part in split[:3] for e in part]
        wide = [width(e.pixels.shape, self.height) for e in lines]
        symbols = len({c for e in lines for c in e.transcript or ""})
        about = f"{len(lines):,}, {min(wide)} to {max(wide)} columns at height {self.height}, {symbols} symbols"
        rows = [("lines", about), ("first", str(split.train[0].transcript)[:70])]
        if self.left_out:
            rows.append(("left out", f"{self.left_out:,} whose transcript is longer than the picture has room for"))
        return rows

    def fit(self, examples: Sequence[TextLine]) -> None:
        self.learn([_text(e) for e in examples])

    def state(self) -> dict[str, Any]:
        return {"tokens": self.vocabulary.tokens, "words": self.words, "height": self.height}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.vocabulary, self.words, self.height = Vocabulary("characters", found.tokens), found.words, found.height

    def sizes(self) -> dict[str, Any]:
        return {"line_height": self.height, "num_symbols": len(self.vocabulary) + 1}

    def collate(self, examples: Sequence[TextLine]) -> Sequences:
        rows = [torch.from_numpy(line(e.pixels, self.height)) for e in examples]
        lengths = torch.tensor([row.shape[1] for row in rows], dtype=torch.int32)
        frames = torch.zeros((len(rows), self.height, int(lengths.max())), dtype=torch.uint8)
        for i, row in enumerate(rows):
            frames[i, :, : row.shape[1]] = row
        return Sequences(frames, lengths, *self.coded([_text(e) for e in examples]))

    def seen(self, batch: Sequences) -> tuple[Tensor, Tensor]:
        return batch.frames[..., : int(batch.lengths.max())].float() / 255, batch.lengths.long()

    def read(self, raw: Any) -> TextLine:
        if isinstance(raw, TextLine):
            if raw.pixels.ndim != 3 or raw.pixels.shape[2] not in (1, 3) or not raw.pixels.size:
                raise DataError(
                    f"pixels of shape {raw.pixels.shape} are no picture",
                    where=raw.origin,
                    remedy="give [H, W, 1] or [H, W, 3]",
                )
            return raw
        from samoyed.sources._pictures import Unreadable, decode
        from samoyed.sources.text_lines import LONGEST

        path: Path = one_file(raw, "picture")
        try:
            return TextLine(decode(path, LONGEST), None, str(path))
        except Unreadable as error:
            raise DataError(f"cannot be read: {error}", where=path) from error

    def say(self, answer: dict[str, Any]) -> str:
        return f"{answer['input']}: {answer['text'] or '(nothing)'}"

    def explain(self, model: nn.Module, example: TextLine) -> dict[str, Any]:
        """Where hiding makes the reading less probable, as `heat` over the `line`, and where each symbol was read: JSON."""
        return _why_frames.as_json(_why_frames.of_reading(self, model, example, 2, lambda heat: heat))

    def explained(self, model: nn.Module, example: TextLine) -> list[Picture]:
        """The line under integrated gradients and occlusion, and where each symbol was read."""
        found = _why_frames.of_reading(self, model, example, 2, lambda heat: heat)
        return _why_frames.drawn(found, "upper", "The line")

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Sequences]) -> list[Picture]:
        return drawing.pictures(self, model, data["test"], self.height)

    def _fits(self, example: TextLine) -> bool:
        return feasible(-(-width(example.pixels.shape, self.height) // _COLUMNS), _text(example))


def _text(example: TextLine) -> str:
    return " ".join((example.transcript or "").split())
