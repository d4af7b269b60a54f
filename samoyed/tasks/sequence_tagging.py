"""Sequence tagging: a tag for each token of a text, such as names in it, or parts of speech."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional

from samoyed.errors import DataError, printable
from samoyed.examples import TaggedText
from samoyed.features.lexicon import Lexicon, shape, split
from samoyed.layers.texts import mask_of
from samoyed.objectives import Mean, full
from samoyed.reporting import classification, tags, texts
from samoyed.settings import Count, Span
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why_words
from samoyed.tasks._spans import matches, scheme_of, spans
from samoyed.tasks._texts import batches, begin_with, given_text, padded


class Tagged(NamedTuple):
    """tokens [B, T] and tags [B, T], int32 where they are kept and int64 in a batch, -1 where a tag is one that training did not
    see; lengths int64 [B]."""

    tokens: Tensor
    lengths: Tensor
    tags: Tensor


class State(Stored):
    """What was learned from the training split."""

    tags: Annotated[list[str], MinLen(2)]
    lower: bool
    tokens: Annotated[list[str], MinLen(1)]


class SequenceTagging(Task[TaggedText, Tagged]):
    """Give each token of a text a tag: names of people and places, parts of speech, anything that stands beside a word.

    Raw data: a token and its tag in each line with an empty line between sentences (CoNLL, CoNLL-U), or JSONL with tokens and
    tags. Reported as the share of tokens tagged wrongly, lower is better; where tags mark spans (B-PER, I-PER, O), also as F1 over
    whole spans, as conlleval and seqeval count them.

    Splits: as named (train, valid, test), else drawn by the seed: 20 % for the test, at most 10,000, and of what remains 10 % for
    validation, at most 5,000. Equal texts stay in one split.

    Args:
        lowercase: Whether capitals are read as small letters.
        max_length: Tokens of a text that are read, from its beginning.
        min_count: Times that a token must be in the training texts; rarer ones share one symbol.
        vocab_limit: Most tokens the vocabulary may have.
        shapes: Whether a token outside the vocabulary is told by its shape: its capitals, digits, marks and last letter.
        vectors: A file of word vectors (word2vec's or GloVe's format) that the embedding begins from.
        fixed_vectors: Whether the embedding then stays as it is.

    Examples:
        samoyed train sequence-tagging train.conll model=lstm
        samoyed train sequence-tagging corpus/ model=gru hidden_size=200
        samoyed train sequence-tagging sentences.jsonl model=window_mlp reach=3
        samoyed predict runs/sequence-tagging/1 "Return the value of key from the ConfigParser"
    """

    sample = "code_names"
    example = "TaggedText"
    model = "lstm"
    inputs = ("vocab_size",)
    outputs = ("num_tags",)
    relearns = ("tags",)
    inherits = ("lowercase", "max_length", "min_count", "vocab_limit", "shapes")
    taught = True
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
    }
    watch = "error"

    def __init__(
        self,
        *,
        lowercase: bool = False,
        max_length: Span = 400,
        min_count: Count = 2,
        vocab_limit: Count = 50_000,
        shapes: bool = True,
        vectors: str | None = None,
        fixed_vectors: bool = False,
    ) -> None:
        self.lowercase, self.max_length = lowercase, max_length
        self.min_count, self.vocab_limit, self.shapes = min_count, vocab_limit, shapes
        self.vectors, self.fixed_vectors = vectors, fixed_vectors

    def split(self, parts: dict[str, list[TaggedText]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no text in {'the data' if name == 'all' else f'the {name} split'} can be read")
        rule = stratified(
            parts, seed, label=lambda e: "", content=lambda e: "\0".join(e.tokens).encode("utf-8", "surrogatepass")
        )
        return rule._replace(rule=rule.rule.replace("drawn per class", "drawn"))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        counts = Counter(tag for e in everything for tag in e.tags or ())
        listed = [f"{name} {count:,}" for name, count in counts.most_common(12)] + (["..."] if len(counts) > 12 else [])
        longer = sum(len(e.tokens) > self.max_length for e in everything)
        cut = f"; {longer:,} are longer than {self.max_length}, and read up to there" if longer else ""
        most = counts.most_common(1)[0][1]
        return [
            ("tags", printable(f"{len(counts)}: {', '.join(listed)}")),
            ("texts", f"{len(everything):,} of {sum(len(e.tokens) for e in everything):,} tokens{cut}"),
            ("guessing", f"the most frequent tag is wrong of {1 - most / sum(counts.values()):.1%} of tokens"),
        ]

    def fit(self, examples: Sequence[TaggedText]) -> None:
        self.tags = sorted({tag for e in examples for tag in e.tags or ()}, key=lambda tag: (tag != "O", tag))
        if len(self.tags) < 2:
            raise DataError(
                f"only one tag was found ({printable(''.join(self.tags[:1]))}), and one leaves nothing to tell apart",
                where=examples[0].origin.rpartition(":")[0],
                remedy="the last column must be the tag",
            )
        read = [e.tokens[: self.max_length] for e in examples]
        given = "words", self.lowercase, self.vocab_limit, self.min_count
        self.lexicon = Lexicon.learn(read, *given)
        if self.shapes:  # what is rare is learned by its shape, as what is unknown will be read
            self.lexicon = Lexicon.learn([self._told(row) for row in read], *given)

    def state(self) -> dict[str, Any]:
        return {"tags": self.tags, "lower": self.lexicon.lower, "tokens": self.lexicon.tokens}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.tags, self.lexicon = found.tags, Lexicon("words", found.lower, found.tokens)

    def sizes(self) -> dict[str, Any]:
        return {"vocab_size": len(self.lexicon), "num_tags": len(self.tags)}

    def begin(self, model: nn.Module) -> str | None:
        return begin_with(model, self.lexicon, self.vectors, self.fixed_vectors) if self.vectors else None

    def collate(self, examples: Sequence[TaggedText]) -> Tagged:
        index = {name: i for i, name in enumerate(self.tags)}
        most = self.max_length
        tokens, lengths = padded([self.lexicon.encode(self._told(e.tokens[:most])) for e in examples])
        given = [e.tags if e.tags is not None else ("O",) * len(e.tokens) for e in examples]
        return Tagged(tokens, lengths, padded([[index.get(tag, -1) for tag in row[:most]] for row in given], -1)[0])

    def batches(self, data: Tagged, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Tagged]:
        return batches(data, data.lengths, batch_size, seed, epoch)

    def objective(self, model: nn.Module, batch: Tagged) -> Mean:
        """Cross-entropy of each tag, or the loss of whole texts that a model brings."""
        own: Any = getattr(model, "loss", None)
        if own is not None:
            total = own(batch.tokens.long(), batch.lengths, batch.tags.long().clamp(min=0))
            return Mean(total, batch.lengths.sum().float())
        logits = full(model(batch.tokens.long(), batch.lengths))
        mask = mask_of(batch.lengths, logits.shape[1])
        return Mean(
            functional.cross_entropy(logits[mask], batch.tags.long()[mask], reduction="sum"),
            batch.lengths.sum().float(),
        )

    @property
    def reported(self) -> dict[str, Metric]:
        whole = {"span f1": Metric("%", better="higher", percent=True)} if scheme_of(self.tags) else {}
        return {"error": Metric("% of tokens", percent=True), **whole, "loss": Metric("nats/token")}

    def metrics(self, model: nn.Module, batch: Tagged) -> dict[str, Mean]:
        log_probs = full(model(batch.tokens.long(), batch.lengths)).log_softmax(-1)
        true, said = batch.tags.long(), _said(model, batch, log_probs)
        mask = mask_of(batch.lengths, true.shape[1])
        surprise = -log_probs.gather(-1, true.clamp(min=0)[..., None])[..., 0]
        count = batch.lengths.float()
        found = {
            "error": Mean(((said != true) & mask).sum(1).float(), count),
            "loss": Mean((surprise * mask).sum(1), count),
        }
        scheme = scheme_of(self.tags)
        if scheme:  # a tag that training did not see spans nothing here
            found["span f1"] = Mean(*matches(said, true.clamp(min=0), mask, scheme))
        return found

    def read(self, raw: Any) -> TaggedText:
        if isinstance(raw, TaggedText):
            return raw
        text, origin = given_text(raw)
        return TaggedText(tuple(split(text.strip(), "words", self.max_length)), None, origin)

    def answer(self, model: nn.Module, example: TaggedText) -> dict[str, Any]:
        """The tag of each token with its probability, and the spans they make."""
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[TaggedText], **options: Any) -> list[dict[str, Any]]:
        rows = self.collate([TaggedText(e.tokens, None, e.origin) for e in examples])
        batch = Tagged(*(tensor.to(self.device) for tensor in rows))
        model.eval()
        probs = full(model(batch.tokens.long(), batch.lengths)).softmax(-1)  # [B, T, tags]
        said = _said(model, batch, probs)
        sure = probs.gather(-1, said[..., None])[..., 0].tolist()
        made = []
        for example, numbers, each in zip(examples, said.tolist(), sure, strict=True):
            words = example.tokens[: self.max_length]
            found = zip(words, numbers, each, strict=False)  # shorter texts are padded
            pairs = [[word, self.tags[tag], round(p, 6)] for word, tag, p in found]
            made.append({"input": " ".join(words), "tags": pairs, "spans": self._spans(words, numbers[: len(words)])})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        if scheme_of(self.tags) is None:
            return printable(" ".join(f"{word}/{tag}" for word, tag, _ in answer["tags"]))
        listed = ", ".join(f"{kind}: {text}" for kind, text in answer["spans"]) or "nothing"
        return printable(f"{answer['input']}  ({listed})")

    def explain(self, model: nn.Module, example: TaggedText) -> dict[str, Any]:
        """What each word adds to a tag, as `parts`, and for several tags as `each`, with a sentence: JSON."""
        return _why_words.as_json(_why_words.of_tags(self, model, example))

    def explained(self, model: nn.Module, example: TaggedText) -> list[Picture]:
        """The text once for each tag of a span, shaded by integrated gradients and by making words unknown."""
        return _why_words.shaded(_why_words.of_tags(self, model, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Tagged]) -> list[Picture]:
        flat: list[Tensor] = []
        truth: list[Tensor] = []
        drawn: list[tags.Tagged] = []
        at = 0
        for batch in self.batches(data["test"], 64):
            log_probs = full(model(batch.tokens, batch.lengths)).log_softmax(-1)
            mask = mask_of(batch.lengths, batch.tokens.shape[1])
            flat.append(log_probs[mask].cpu())
            truth.append(batch.tags[mask].cpu())
            answers = _said(model, batch, log_probs)
            for row, length in enumerate(batch.lengths.tolist()):
                example = split.test[at]
                at += 1
                if len(drawn) < 14 and length > 3 and example.tags is not None:
                    said = [self.tags[i] for i in answers[row, :length].tolist()]
                    drawn.append(list(zip(example.tokens, said, example.tags, strict=False)))
        log_probs, labels = torch.cat(flat), torch.cat(truth)
        names = [printable(tag) for tag in self.tags]
        return [
            tags.tagged(drawn),
            classification.confusion(log_probs, labels, names, "tokens"),
            texts.classes(log_probs, labels, names, "tokens"),
        ]

    def _told(self, tokens: Sequence[str]) -> list[str]:
        """Tokens, those that the lexicon does not have by their shape."""
        known, lower = self.lexicon.index, self.lexicon.lower
        return [t if not self.shapes or (t.lower() if lower else t) in known else shape(t) for t in tokens]

    def _spans(self, words: Sequence[str], numbers: list[int]) -> list[list[str]]:
        """[kind, text] of each span; none where tags mark none."""
        scheme = scheme_of(self.tags)
        if scheme is None or not numbers:
            return []
        begins, last, _ = (
            part[0].tolist()
            for part in spans(torch.tensor([numbers]), torch.ones(1, len(numbers), dtype=torch.bool), scheme)
        )
        return [
            [self.tags[numbers[i]].partition("-")[2], " ".join(words[i : last[i] + 1])]
            for i, begin in enumerate(begins)
            if begin
        ]


def _said(model: nn.Module, batch: Tagged, log_probs: Tensor) -> Tensor:
    """The tags that are answered, int64 [B, T]: the likeliest of each token, or those that a model chooses together."""
    best: Any = getattr(model, "best", None)
    found: Tensor = log_probs.argmax(-1) if best is None else best(batch.tokens.long(), batch.lengths)
    return found
