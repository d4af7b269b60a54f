"""Handwriting synthesis: where a pen goes next, so that it writes a text, or draws, in a hand that it learned."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.decoding.strokes import continue_drawings
from samoyed.errors import DataError, UsageError, printable, shown
from samoyed.examples import Drawing
from samoyed.features.vocabulary import Vocabulary
from samoyed.layers.mixtures import PenMixture
from samoyed.layers.texts import mask_of
from samoyed.objectives import Mean, full
from samoyed.reporting import strokes as drawn
from samoyed.settings import Span
from samoyed.sources import Source, no_such_path, open_splits
from samoyed.sources.stroke_lines import drawing_of
from samoyed.splitting import stratified
from samoyed.tasks import Metric, Picture, Split, Task, _why_letters
from samoyed.tasks._pen import Drawings, Single, State, given_offsets, offsets_of, strokes_of


class HandwritingSynthesis(Task[Drawing, Drawings]):
    """Write as a pen does: predict each point of a drawing from those before it, and from a text if there is one.

    Raw data: JSONL with strokes and perhaps text in each line, Quick, Draw!'s ndjson, InkML, or the IAM On-Line database. Reported
    as nats per point, lower is better, beside one normal distribution for all points alike; as the error of the expected point,
    beside the last movement made again; and as the share of points at which the pen's lift is guessed wrongly.

    Splits: as named (train, valid, test), else drawn by the seed: 20 % for the test, at most 10,000, and of what remains 10 % for
    validation, at most 5,000. Densities are of offsets divided by their deviation in the training split.
    `samoyed generate RUN TEXT --out text.svg` writes a text; `samoyed predict RUN FILE` goes on with strokes of a file.

    Args:
        condition: What is written: the texts that come with the strokes, none of them, or auto: texts, if all have one.
        max_length: Points of a drawing that are learned from, from its beginning.

    Examples:
        samoyed train handwriting-synthesis lines.jsonl hidden_size=400 num_layers=3 max_time=8h
        samoyed train handwriting-synthesis cat.ndjson condition=none
        samoyed generate runs/handwriting-synthesis/1 "samoyed" --bias 1 --out samoyed.svg
        samoyed predict runs/handwriting-synthesis/1 begun.jsonl
    """

    sample = "pen_words"
    example = "Drawing"
    model = "mixture_lstm"
    inputs = ("alphabet_size",)
    outputs = ("point_size",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 60,
        "batch_size": 16,
        "learning_rate": 0.003,
        "clip_norm": 1.0,
        "warmup": 0.02,
    }
    watch = "loss"
    unit = "points"
    generates: ClassVar[dict[str, Any]] = {"length": 600, "bias": 0.5}

    def __init__(self, *, condition: Literal["auto", "text", "none"] = "auto", max_length: Span = 1000) -> None:
        self.condition, self.max_length = condition, max_length
        self.letters: Vocabulary | None = None

    def split(self, parts: dict[str, list[Drawing]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no drawing in {'the data' if name == 'all' else f'the {name} split'} can be read")
        rule = stratified(
            parts, seed, label=lambda e: "", content=lambda e: b"|".join(stroke.tobytes() for stroke in e.strokes)
        )
        return rule._replace(rule=rule.rule.replace("drawn per class", "drawn"))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        points = [sum(map(len, e.strokes)) for e in everything]
        longer = sum(count > self.max_length for count in points)
        cut = f"; {longer:,} are longer than {self.max_length}, and read up to there" if longer else ""
        texts = {e.text for e in everything if e.text}
        letters = "".join(sorted({c for text in texts for c in text}))[:60]
        told = f"{len(texts):,} different, in the letters {printable(letters)}" if texts else "none"
        return [
            ("strokes", f"{sum(len(e.strokes) for e in everything):,} in {len(everything):,} drawings"),
            ("points", f"{sum(points):,}, at most {max(points):,} in a drawing{cut}"),
            ("texts", told if self._reads(split.train) or not texts else f"{told}; they are not read"),
        ]

    def fit(self, examples: Sequence[Drawing]) -> None:
        self.letters = None
        if self._reads(examples):
            bare = next((e for e in examples if not e.text), None)
            if bare is not None:
                raise DataError("has no text", where=bare.origin, remedy="train with condition=none")
            self.letters = Vocabulary.learn((e.text for e in examples), "characters")
        points = torch.cat([torch.from_numpy(offsets_of(e.strokes)[1:]) for e in examples])
        self.deviation = float(points[:, :2].double().square().mean().sqrt())
        if not self.deviation > 0:
            raise DataError("no pen moves in the training drawings", where=examples[0].origin)
        points[:, :2] /= self.deviation
        self.single = Single.of(points)

    def state(self) -> dict[str, Any]:
        letters = None if self.letters is None else self.letters.tokens
        return State(deviation=self.deviation, letters=letters, single=self.single).model_dump(mode="json")

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate_json(_as_json(state))
        self.deviation, self.single = found.deviation, found.single
        self.letters = None if found.letters is None else Vocabulary("characters", found.letters)

    def sizes(self) -> dict[str, Any]:
        return {"alphabet_size": 0 if self.letters is None else len(self.letters), "point_size": 3}

    def collate(self, examples: Sequence[Drawing]) -> Drawings:
        rows, texts = [], []
        for example in examples:
            points = torch.nn.functional.pad(given_offsets(example, self.deviation), (0, 1))
            if len(points) < 2:
                raise DataError("is a single point, and leaves nothing to predict", where=example.origin)
            points[-1, 3] = 1.0
            rows.append(points[: self.max_length + 1])
            texts.append(self._encoded(example.text).int())
        pad = torch.nn.utils.rnn.pad_sequence
        lengths, text_lengths = (torch.tensor([len(part) for part in parts]) for parts in (rows, texts))
        return Drawings(pad(rows, batch_first=True), lengths, pad(texts, batch_first=True), text_lengths)

    def batches(
        self, data: Drawings, batch_size: int, *, seed: int = 0, epoch: int | None = None
    ) -> Iterator[Drawings]:
        if epoch is None:
            pieces = batching.batches(data, batch_size)
        else:
            chunks = batching.bucketed(data.lengths, batch_size, seed, epoch)
            pieces = (batching.take(data, chunk.to(data.lengths.device)) for chunk in chunks)
        return (_cut(piece) for piece in pieces)

    def objective(self, model: nn.Module, batch: Drawings) -> Mean:
        mixture, targets, mask = self.foreseen(model, batch)
        surprise = mixture.log_density(targets[..., :2]) + mixture.log_pen(targets[..., 2], targets[..., 3])
        return Mean(-(surprise * mask).sum(), mask.sum().float())

    def foreseen(self, model: nn.Module, batch: Drawings) -> tuple[PenMixture, Tensor, Tensor]:
        """The distribution of each point after the first, those points [B, T - 1, 4], and which there are, bool [B, T - 1]."""
        steps = batch.lengths - 1
        numbers, _ = model(batch.points[:, :-1, :3], batch.text.long(), batch.text_lengths, steps)
        return PenMixture.of(full(numbers)), batch.points[:, 1:], mask_of(steps, batch.points.shape[1] - 1)

    @property
    def reported(self) -> dict[str, Metric]:
        nats, units = Metric("nats/point"), Metric("data's units", shown_as="sqrt")
        pen = Metric("% of points", percent=True)
        return {"loss": nats, "one normal": nats, "rmse": units, "naive rmse": units, "lift error": pen}

    def metrics(self, model: nn.Module, batch: Drawings) -> dict[str, Mean]:
        mixture, targets, mask = self.foreseen(model, batch)
        surprise = -mixture.log_density(targets[..., :2]) - mixture.log_pen(targets[..., 2], targets[..., 3])
        single = -self.single.log_probs(targets[..., :3])
        square = self.deviation**2
        off = (mixture.mean() - targets[..., :2]).square().sum(-1) * square
        again = (batch.points[:, :-1, :2] - targets[..., :2]).square().sum(-1) * square
        wrong = (mixture.lift > 0) != (targets[..., 2] > 0.5)
        count = mask.sum(1).to(surprise)
        parts = (surprise, single, off, again, wrong.to(surprise))
        return {name: Mean((part * mask).sum(1), count) for name, part in zip(self.reported, parts, strict=True)}

    def read(self, raw: Any) -> Drawing:
        if isinstance(raw, Drawing | list | tuple):
            if isinstance(raw, Drawing) and not raw.strokes:
                return raw
            given = raw if isinstance(raw, Drawing) else Drawing("", "the given strokes", tuple(raw))
            found = drawing_of({"strokes": list(given.strokes), "text": given.text}, given.origin)
            if isinstance(found, str):
                raise UsageError(found, remedy="give a list of strokes, each a list of points [x, y]")
            return found
        if not isinstance(raw, str | PathLike):
            raise UsageError(
                f"{shown(repr(raw))} is no drawing", remedy="give a text, or the path of a file of strokes"
            )
        if isinstance(raw, PathLike) or (len(raw) < 200 and raw.isprintable() and _names_file(raw)):
            path = Path(raw)
            if not path.is_file():
                raise no_such_path(path)
            source = next(iter(open_splits("Drawing", path).values()))
            first = next(iter(source.examples()), None)
            if not isinstance(first, Drawing):
                raise DataError("holds no drawing that can be read", where=path)
            return first
        return Drawing(raw, "the given text")

    def answer(
        self, model: nn.Module, example: Drawing, length: int = 600, bias: float = 0.5, seed: int = 0
    ) -> dict[str, Any]:
        """The strokes given, and those that the network goes on with: at most `length` points, neater with more `bias`."""
        return self.answers(model, [example], length=length, bias=bias, seed=seed)[0]

    def answers(
        self,
        model: nn.Module,
        examples: Sequence[Drawing],
        *,
        length: int = 600,
        bias: float = 0.5,
        seed: int = 0,
        **options: Any,
    ) -> list[dict[str, Any]]:
        for example in examples:
            self._refuse(example)
        model.eval()
        begun = [given_offsets(e, self.deviation).to(self.device) for e in examples]
        texts = [self._encoded(e.text).to(self.device) for e in examples]
        rest = continue_drawings(model, begun, texts, length, bias, [seed] * len(examples))
        made = []
        for example, first, (points, ended) in zip(examples, begun, rest, strict=True):
            whole = torch.cat([first, points]).cpu()
            whole[:, :2] *= self.deviation
            start = example.strokes[0][0].tolist() if example.strokes else (0.0, 0.0)
            found = {"text": example.text, "strokes": strokes_of(whole, (start[0], start[1]))}
            made.append({"input": example.origin, **found, "given": len(example.strokes), "ended": ended})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        strokes = answer["strokes"]
        what = f"{shown(answer['text'])!r}, " if answer["text"] else ""
        ended = "" if answer["ended"] else "; it had not ended"
        facts = f"{what}{len(strokes)} strokes of {sum(map(len, strokes))} points{ended}"
        return f"{drawn.in_dots(strokes)}\n{facts}"

    def written(self, answer: dict[str, Any], path: Path) -> Path:
        """An answer as a picture: an .svg or a .png."""
        return drawn.write(answer["strokes"], answer["given"], path)

    def explain(self, model: nn.Module, example: Drawing) -> dict[str, Any]:
        """How much each letter has to do with the strokes, as `parts`, with a sentence: JSON."""
        return _why_letters.as_json(*_why_letters.of_drawing(self, model, example))

    def explained(self, model: nn.Module, example: Drawing) -> list[Picture]:
        """Which letter was looked at, and which was needed, at each point of the drawing."""
        return _why_letters.drawn(self, model, *_why_letters.of_drawing(self, model, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Drawings]) -> list[Picture]:
        return drawn.pictures(self, model, split.test)

    def _reads(self, examples: Sequence[Drawing]) -> bool:
        if self.condition == "text" and not any(e.text for e in examples):
            raise DataError("no drawing has a text", where=examples[0].origin, remedy="train with condition=none")
        return self.condition == "text" or (self.condition == "auto" and all(e.text for e in examples))

    def _encoded(self, text: str) -> Tensor:
        """The letters as int64 [U], at least one; without texts, one zero."""
        return self.letters.encode(text) if self.letters is not None and text else torch.zeros(1, dtype=torch.int64)

    def _refuse(self, example: Drawing) -> None:
        """Raises DataError for a text that cannot be written."""
        if self.letters is None:
            if example.text and not example.strokes:
                raise DataError(
                    "this run learned strokes without texts",
                    where=example.origin,
                    remedy='give "" or a file of strokes',
                )
            return
        if not example.text:
            raise DataError("has no text to write", where=example.origin, remedy="give one")
        known = self.letters.index
        unknown = sorted({letter for letter in example.text if letter not in known})
        if unknown:
            letters = printable("".join(sorted(self.letters.tokens[1:])))
            listed = printable("".join(unknown))
            raise DataError(f"no letter {listed!r} was learned", where=example.origin, remedy=f"use only {letters!r}")


def _cut(batch: Drawings) -> Drawings:
    """A batch without the columns that are padding in all of its rows."""
    points, text = batch.points[:, : int(batch.lengths.max())], batch.text[:, : int(batch.text_lengths.max())].long()
    return Drawings(points, batch.lengths, text, batch.text_lengths)


def _names_file(raw: str) -> bool:
    return Path(raw).is_file() or Path(raw).suffix.lower() in (".jsonl", ".ndjson", ".gz")


def _as_json(state: dict[str, Any]) -> str:
    import json

    return json.dumps(state)
