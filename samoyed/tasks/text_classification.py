"""Text classification: which of several classes a text belongs to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from samoyed.errors import DataError, printable
from samoyed.examples import LabelledText
from samoyed.features.lexicon import Lexicon, split
from samoyed.objectives import Mean, full
from samoyed.reporting import classification, texts
from samoyed.settings import Count, Span
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why
from samoyed.tasks._reading import log_probs_of, shaded_texts, strongest_phrases, weights_of_each
from samoyed.tasks._texts import batches, begin_with, given_text, padded, phrases_of

_ENDS = (".", "!", "?", "。", "！", "？", "…")


class Texts(NamedTuple):
    """tokens [B, T], int32 where they are kept and int64 in a batch; lengths int64 [B]; labels int64 [B], -1 where it is a class
    that training did not see."""

    tokens: Tensor
    lengths: Tensor
    labels: Tensor


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(2)]
    counts: list[int]
    kind: Literal["words", "characters"]
    lower: bool
    tokens: Annotated[list[str], MinLen(1)]


class TextClassification(Task[LabelledText, Texts]):
    """Say which class a text belongs to: sentiment, topic, language; or which kind a sequence of letters is, such as DNA or a protein.

    Raw data: a CSV or TSV with the columns text and label, a folder of .txt files per class, a .txt file per class with one text
    in each line, or JSONL. Reported as the share of texts classified wrongly, lower is better; balanced error and macro F1 weigh
    each class alike, however rare it is.

    Splits: as named (train, valid, test), else drawn per class by the seed: 20 % for the test, at most 10,000, and of what
    remains 10 % for validation, at most 5,000. Equal texts stay in one split.

    Args:
        tokens: What a text is read as: words, or characters, which suit names, languages, DNA and proteins.
        lowercase: Whether capitals are read as small letters; None does so for words only.
        max_length: Tokens of a text that are read, from its beginning; None reads 400 words or 1,000 characters.
        min_count: Times that a token must be in the training texts; rarer ones share one symbol.
        vocab_limit: Most tokens the vocabulary may have.
        class_weights: none counts each text alike; balanced counts each class alike while training.
        text: Name of the column or field of texts, where it is not found by itself.
        label: Name of the column or field of labels.
        phrases: Whether training also reads the labelled parts of its texts, where these are parse trees.
        vectors: A file of word vectors (word2vec's or GloVe's format) that the embedding begins from.
        fixed_vectors: Whether the embedding then stays as it is.

    Examples:
        samoyed train text-classification reviews.csv model=lstm
        samoyed train text-classification reviews/ model=text_cnn
        samoyed train text-classification names/ tokens=characters model=lstm
        samoyed train text-classification splice.csv text=sequence tokens=characters model=char_cnn
        samoyed predict runs/text-classification/1 "from bad to good"
    """

    sample = "docstrings"
    example = "LabelledText"
    model = "text_cnn"
    inputs = ("vocab_size", "sentence_ends")
    outputs = ("num_classes",)
    relearns = ("classes", "counts")
    inherits = ("tokens", "lowercase", "max_length", "min_count", "vocab_limit")
    taught = True
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
    }
    watch = "error"

    def __init__(
        self,
        *,
        tokens: Literal["words", "characters"] = "words",
        lowercase: bool | None = None,
        max_length: Span | None = None,
        min_count: Count = 2,
        vocab_limit: Count = 50_000,
        class_weights: Literal["none", "balanced"] = "none",
        text: str | None = None,
        label: str | None = None,
        phrases: bool = False,
        vectors: str | None = None,
        fixed_vectors: bool = False,
    ) -> None:
        self.tokens, self.class_weights, self.phrases = tokens, class_weights, phrases
        self.lowercase = tokens == "words" if lowercase is None else lowercase
        self.max_length = max_length or (400 if tokens == "words" else 1000)
        self.min_count, self.vocab_limit = min_count, vocab_limit
        self.columns = {"text": text, "label": label}
        self.vectors, self.fixed_vectors = vectors, fixed_vectors
        self.added: list[LabelledText] = []

    def source_options(self) -> dict[str, Any]:
        return self.columns

    def split(self, parts: dict[str, list[LabelledText]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no text in {'the data' if name == 'all' else f'the {name} split'} can be read")
        found = stratified(parts, seed, label=lambda e: e.label or "", content=lambda e: _bytes(e.text))
        self.added = phrases_of(found) if self.phrases else []
        return found._replace(train=[*found.train, *self.added])

    def found(self, split_: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split_.train[: len(split_.train) - len(self.added)], *split_.valid, *split_.test]
        counts = Counter(e.label for e in everything)
        common = counts.most_common()
        listed = [f"{name} {count:,}" for name, count in common[:12]] + (["..."] if len(common) > 12 else [])
        lengths = [len(split(e.text.strip(), self.tokens, self.max_length + 1)) for e in everything]
        longer = sum(length > self.max_length for length in lengths)
        cut = f"; {longer:,} are longer, and read up to there" if longer else ""
        lines = [
            ("classes", printable(f"{len(counts)}: {', '.join(listed)}")),
            ("texts", f"{len(lengths):,} of {min(lengths)} to {min(max(lengths), self.max_length):,} {self.tokens}{cut}, half of "
                      f"them at most {round(median(lengths)):,}"),
            ("guessing", f"the most frequent class is wrong of {1 - common[0][1] / len(everything):.1%}"),
        ]  # fmt: skip
        if self.added:
            lines.append(
                ("phrases", f"{len(self.added):,} labelled parts of the training texts are learned from as well")
            )
        rare = [str(name) for name, count in common if count < 10]
        if rare:
            lines.append(("note", printable(f"fewer than 10 texts of {', '.join(rare[:8])}: expect little there")))
        return lines

    def fit(self, examples: Sequence[LabelledText]) -> None:
        counts = Counter(str(e.label) for e in examples)
        self.classes = sorted(counts)
        self.counts = [counts[name] for name in self.classes]
        if len(self.classes) < 2:
            raise DataError(
                f"only one class was found ({printable(self.classes[0])}), and one class leaves nothing to tell apart",
                where=Path(examples[0].origin.rpartition(":")[0] or examples[0].origin),
                remedy="give texts of a second class, for example of everything that is not of that class",
            )
        tokenised = (split(e.text.strip(), self.tokens, self.max_length) for e in examples)
        self.lexicon = Lexicon.learn(tokenised, self.tokens, self.lowercase, self.vocab_limit, self.min_count)

    def state(self) -> dict[str, Any]:
        kind, lower, tokens = self.lexicon.kind, self.lexicon.lower, self.lexicon.tokens
        return {"classes": self.classes, "counts": self.counts, "kind": kind, "lower": lower, "tokens": tokens}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.classes, self.counts = found.classes, found.counts
        self.lexicon = Lexicon(found.kind, found.lower, found.tokens)

    def sizes(self) -> dict[str, Any]:
        ends = tuple(self.lexicon.index[end] for end in _ENDS if end in self.lexicon.index)
        return {"vocab_size": len(self.lexicon), "sentence_ends": ends, "num_classes": len(self.classes)}

    def begin(self, model: nn.Module) -> str | None:
        return begin_with(model, self.lexicon, self.vectors, self.fixed_vectors) if self.vectors else None

    def split_up(self, text: str) -> list[str]:
        """The tokens of a text that are read, as they are written."""
        return self.lexicon.split(text.strip(), self.max_length)

    def collate(self, examples: Sequence[LabelledText]) -> Texts:
        index = {name: i for i, name in enumerate(self.classes)}
        labels = torch.tensor([index.get(str(e.label), -1) for e in examples], dtype=torch.int64)
        if bool((labels < 0).all()) and any(e.label is not None for e in examples):
            theirs = ", ".join(sorted({printable(str(e.label)) for e in examples})[:5])
            raise DataError(
                f"none of its classes ({theirs}) is one that was learned ({printable(', '.join(self.classes[:5]))})",
                where=examples[0].origin,
                remedy="name the classes as in training",
            )
        return Texts(*padded([self.lexicon.encode(self.split_up(e.text)) for e in examples]), labels)

    def batches(self, data: Texts, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Texts]:
        return batches(data, data.lengths, batch_size, seed, epoch)

    def objective(self, model: nn.Module, batch: Texts) -> Mean:
        losses = nn.functional.cross_entropy(
            full(model(batch.tokens.long(), batch.lengths)), batch.labels, reduction="none"
        )
        if self.class_weights == "none":
            return Mean(losses.sum(), torch.tensor(float(len(losses))))
        weights = sum(self.counts) / (len(self.counts) * torch.tensor(self.counts, device=losses.device))
        of_each = weights.to(losses)[batch.labels]
        return Mean((of_each * losses).sum(), of_each.sum())

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "error": Metric("%", percent=True),
            "balanced error": Metric("%", percent=True),
            "macro f1": Metric("%", better="higher", percent=True),
            "loss": Metric("nats"),
        }

    def metrics(self, model: nn.Module, batch: Texts) -> dict[str, Mean]:
        log_probs = self.log_probs(model, batch)
        known = batch.labels.clamp(min=0)  # a class that training did not see can only be missed
        size = log_probs.shape[1]
        true = nn.functional.one_hot(known, size).float() * (batch.labels >= 0)[:, None]
        said = nn.functional.one_hot(log_probs.argmax(-1), size).float()
        wrong = (log_probs.argmax(-1) != batch.labels).float()
        return {
            "error": Mean.of(wrong),
            "balanced error": Mean(true * wrong[:, None], true),
            "macro f1": Mean(2 * true * said, true + said),
            "loss": Mean.of(-log_probs.gather(1, known[:, None])[:, 0]),
        }

    def log_probs(self, model: nn.Module, batch: Texts) -> Tensor:
        """[B, classes]."""
        return full(model(batch.tokens.long(), batch.lengths)).log_softmax(-1)

    def fitting(self, data: Texts) -> tuple[Tensor, ...]:
        return data.tokens.long(), data.lengths, data.labels

    def read(self, raw: Any) -> LabelledText:
        return raw if isinstance(raw, LabelledText) else LabelledText(given_text(raw)[0], None, given_text(raw)[1])

    def answer(self, model: nn.Module, example: LabelledText, *, weights: bool = True) -> dict[str, Any]:
        """The class of a text, the probability of each, and the weights of its tokens in the answer, which cost most of its time."""
        return self.answers(model, [example], weights=weights)[0]

    def answers(
        self, model: nn.Module, examples: Sequence[LabelledText], *, weights: bool = True, **options: Any
    ) -> list[dict[str, Any]]:
        tokens = [self.split_up(e.text) for e in examples]
        rows, lengths = (t.to(self.device).long() for t in padded([self.lexicon.encode(some) for some in tokens]))
        model.eval()
        log_probs = log_probs_of(model, rows, lengths, len(self.classes))
        made: list[dict[str, Any]] = []
        for example, probs in zip(examples, log_probs.exp().tolist(), strict=True):
            ranked = sorted(zip(self.classes, probs, strict=True), key=lambda pair: -pair[1])
            made.append({"input": example.text, "label": ranked[0][0], "probs": dict(ranked)})
        if weights:
            texts = [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
            weighed = zip(tokens, weights_of_each(model, texts, log_probs), strict=True)
            for one, (words, (values, kind)) in zip(made, weighed, strict=True):
                pairs = [[word, round(value, 5)] for word, value in zip(words, values.tolist(), strict=False)]
                one |= {"weights": pairs, "weights by": kind}
        return made

    def say(self, answer: dict[str, Any]) -> str:
        first = [f"{name} {p:.1%}" for name, p in list(answer["probs"].items())[:3]]
        text = " ".join(answer["input"].split())
        said = f"{text if len(text) <= 60 else f'{text[:57]}...'}: {answer['label']}  ({', '.join(first)})"
        strongest = sorted(answer.get("weights", []), key=lambda pair: -pair[1])[:5]
        listed = ", ".join(f"{token} {weight:.2f}" for token, weight in strongest if weight > 0)
        return printable(f"{said}  by {answer['weights by']}: {listed}" if listed else said)

    def explain(self, model: nn.Module, example: LabelledText) -> dict[str, Any]:
        """What each word adds to the answer, as `parts`, with a sentence: JSON."""
        return _why.text_as_json(self, model, example)

    def explained(self, model: nn.Module, example: LabelledText) -> list[Picture]:
        """The text shaded by integrated gradients, by leaving words out, and by the model's attention where it has one."""
        return _why.text_drawn(self, model, example)

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Texts]) -> list[Picture]:
        held_out = data["test"]
        parts = [self.log_probs(model, part).cpu() for part in self.batches(held_out, 256)]
        log_probs, labels = torch.cat(parts), held_out.labels.cpu()
        names = [printable(name) for name in self.classes]
        shaded, signed = shaded_texts(self, model, split.test, log_probs, names)
        return [
            classification.confusion(log_probs, labels, names, "texts"),
            texts.classes(log_probs, labels, names),
            texts.weighed(shaded, signed),
            texts.mistakes(log_probs, labels, names, [e.text for e in split.test]),
            *strongest_phrases(self, model, split.test, held_out, names),
            classification.calibration(log_probs, labels, noun="texts"),
        ]


def _bytes(text: str) -> bytes:
    return text.strip().encode("utf-8", "surrogatepass")
