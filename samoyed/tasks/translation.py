"""Translation: one text from another, in another language, shorter, or in reply."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.decoding.search import Hypotheses, Scored, Step, beam, greedy
from samoyed.errors import DataError, UsageError, require, shown
from samoyed.examples import Pair
from samoyed.features import sentences
from samoyed.objectives import Mean, cross_entropy, full
from samoyed.reporting import translation as drawing
from samoyed.settings import Count, NonNegative, Share, Span
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.tasks import Metric, Picture, Split, Task, _why_words
from samoyed.tasks._pairs import (
    Pairs,
    State,
    as_bytes,
    as_texts,
    bleu,
    buckets,
    chrf,
    count_buckets,
    padded,
    statistics,
    told,
)
from samoyed.tasks._streams import translated

_LETTERS = 10  # what counts as a word in a text without spaces


class Translation(Task[Pair, Pairs]):
    """Say a text in another language; or anything else that answers a text, such as its summary or a reply.

    Raw data: pairs of texts, as a folder with a file per language (train.en and train.fr, plain or gzipped), a CSV or TSV, or
    JSON Lines. Reported as BLEU and chrF of what a beam search finds, by sacrebleu, higher is better, and as nats per token.

    Splits: as named (train, valid, test), else drawn by the seed: 20 % for the test, at most 10,000, and of what remains 10 %
    for validation, at most 5,000; equal sources stay together. Batches hold pairs of about one length, and as many tokens as
    `batch_size` pairs of mean length.

    Args:
        source: Which side is read: a language (en), or the name of a column or key.
        target: Which side is said.
        tokens: What texts are cut into: subwords (byte pairs, by SentencePiece), words, or characters.
        vocab_limit: Most tokens of each side; None: 8,000 subwords, 30,000 words, all characters.
        max_words: Pairs with more words than this on a side are left out; in texts without spaces ten letters are a word.
        label_smoothing: Share of the target's probability spread over all tokens.
        beam_width: Hypotheses of the beam search; 1 is greedy.
        length_penalty: Power of the length that divides a hypothesis's log-probability; 0 favours the short (Wu 2016).
        coverage_penalty: Weight of the penalty for source words that attention passed by (Wu 2016).
        replace_unknown: Whether predictions put, for an unknown word, the source word that attention lies on (Luong 2015).

    Examples:
        samoyed train translation multi30k/ source=en target=fr
        samoyed train translation dialogues.tsv source=question target=answer tokens=words
        samoyed train translation articles.jsonl source=text target=summary max_words=400 attention=general
        samoyed predict runs/translation/1 "A man is riding a horse."
    """

    sample = "written_numbers"
    example = "Pair"
    model = "seq2seq"
    inputs = ("source_vocab_size",)
    outputs = ("target_vocab_size",)
    taught = True
    stream = translated
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.002,
        "clip_norm": 1.0,
        "warmup": 0.02,
    }
    watch = "loss"
    unit = "tokens"
    remeasured = 1_000  # for each of them an answer is searched

    def __init__(
        self,
        *,
        source: str | None = None,
        target: str | None = None,
        tokens: Literal["subwords", "words", "characters"] = "subwords",
        vocab_limit: Count | None = None,
        max_words: Span = 100,
        label_smoothing: Share = 0.1,
        beam_width: Count = 4,
        length_penalty: NonNegative = 1.0,
        coverage_penalty: NonNegative = 0.0,
        replace_unknown: bool = False,
    ) -> None:
        require("sacrebleu", "text")
        self.source, self.target, self.tokens = source, target, tokens
        self.vocab_limit = vocab_limit or {"subwords": 8_000, "words": 30_000, "characters": None}[tokens]
        self.max_words, self.label_smoothing = max_words, label_smoothing
        self.left_out, self.beam_width, self.replace_unknown = 0, beam_width, replace_unknown
        self.length_penalty, self.coverage_penalty = length_penalty, coverage_penalty

    def source_options(self) -> dict[str, Any]:
        return {"source": self.source, "target": self.target}

    def split(self, parts: dict[str, list[Pair]], seed: int) -> Split:
        kept = {name: [e for e in part if self._words(e) <= self.max_words] for name, part in parts.items()}
        self.left_out = sum(map(len, parts.values())) - sum(map(len, kept.values()))
        if not all(kept.values()):
            empty = next(name for name, part in kept.items() if not part)
            raise DataError(
                f"every pair of the {empty} data has more than {self.max_words} words", remedy="set a larger max_words"
            )
        return stratified(kept, seed, label=lambda e: "", content=lambda e: e.source.encode("utf-8", "replace"))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        pairs = [e for part in split[:3] for e in part]
        mean = [sum(len(getattr(e, side).split()) for e in pairs) / len(pairs) for side in ("source", "target")]
        rows = [("pairs", f"{len(pairs):,}, of {mean[0]:.1f} and {mean[1]:.1f} words; first: {_first(pairs[0])}")]
        if self.left_out:
            rows.append(("left out", f"{self.left_out:,} pairs of more than {self.max_words} words (max_words)"))
        return rows

    def fit(self, examples: Sequence[Pair]) -> None:
        self.vocabularies = tuple(
            sentences.learn([getattr(e, side) for e in examples], self.tokens, self.vocab_limit)
            for side in ("source", "target")
        )
        some = examples[:2000]
        lengths = [
            sum(len(v.encode(t)) + 1 for t in texts) for v, texts in zip(self.vocabularies, _sides(some), strict=True)
        ]
        self.ratio = min(100.0, max(0.01, lengths[1] / lengths[0]))

    def state(self) -> dict[str, Any]:
        source, target = map(sentences.state, self.vocabularies)
        return {"source": source, "target": target, "ratio": self.ratio}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.vocabularies = tuple(sentences.restore(**side.model_dump()) for side in (found.source, found.target))
        self.ratio = found.ratio

    def sizes(self) -> dict[str, Any]:
        source, target = (len(v) + 1 for v in self.vocabularies)  # and the boundary
        return {"source_vocab_size": source, "target_vocab_size": target}

    def collate(self, examples: Sequence[Pair]) -> Pairs:
        sides = [
            padded([v.encode(text) for text in texts], len(v))
            for v, texts in zip(self.vocabularies, _sides(examples), strict=True)
        ]
        return Pairs(*sides[0], *sides[1], as_bytes([e.target for e in examples]))

    def batches(self, data: Pairs, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Pairs]:
        if epoch is None:
            yield from (batch.trimmed() for batch in batching.batches(data, batch_size))
            return
        for rows in buckets(data, batch_size, seed, epoch):
            yield batching.take(data, rows.to(data.sources.device)).trimmed()

    def steps(self, data: Pairs, batch_size: int) -> int:
        return count_buckets(data, batch_size)

    def objective(self, model: nn.Module, batch: Pairs) -> Mean:
        mask, targets = batch.mask(), batch.targets.long()
        logits = full(model(batch.sources.long(), batch.source_lengths.long(), targets, mask))
        smoothing = self.label_smoothing if model.training else 0.0
        return cross_entropy(logits, targets[mask], smoothing)

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "bleu": Metric("points", "higher", pooled=bleu),
            "chrf": Metric("points", "higher", pooled=chrf),
            "loss": Metric("nats/token"),
            "perplexity": Metric("per token", shown_as="exp"),
        }

    def metrics(self, model: nn.Module, batch: Pairs) -> dict[str, Mean]:
        mask, targets = batch.mask(), batch.targets.long()
        log_probs = full(model(batch.sources.long(), batch.source_lengths.long(), targets)).log_softmax(-1)
        surprise = -(log_probs.gather(-1, targets[..., None])[..., 0] * mask).sum(1)
        loss = Mean(surprise, mask.sum(1).to(surprise))
        said, references = self.texts(self.search(model, batch)), as_texts(batch.references)
        pooled = {name: statistics(name, said, references) for name in ("bleu", "chrf")}
        return {name: Mean(t, torch.ones_like(t)) for name, t in pooled.items()} | {"loss": loss, "perplexity": loss}

    @torch.no_grad()
    def search(self, model: Any, batch: Pairs, n_best: int = 1) -> Hypotheses:
        """The likeliest answers to each source, by beam search."""
        step, state, end, longest, mask = self.started(model, batch)
        if self.beam_width == n_best == 1:
            return greedy(step, state, end, end, longest)
        return beam(
            step, state, end, end, longest, width=max(self.beam_width, n_best), n_best=n_best,
            length_penalty=self.length_penalty, coverage_penalty=self.coverage_penalty, source_mask=mask,
        )  # fmt: skip

    def started(self, model: Any, batch: Pairs) -> tuple[Step, Any, int, Tensor, Tensor]:
        """What a search begins with: a step, the state, the end's token, the most tokens, and the mask of the source."""
        lengths = batch.source_lengths.long()
        memory, state = model.encode(batch.sources.long(), lengths)
        end, longest = len(self.vocabularies[1]), (2 * self.ratio * lengths).long() + 10

        def step(tokens: Tensor, state: Any) -> Scored:
            logits, state, attention = model.step(tokens, state, memory)
            return Scored(full(logits).log_softmax(-1), state, attention)

        return step, state, end, longest, memory.mask

    def texts(self, found: Hypotheses, n: int = 0) -> list[str]:
        """The n-th answers as texts."""
        rows = zip(found.tokens[:, n].cpu(), found.lengths[:, n].tolist(), strict=True)
        return [self.vocabularies[1].text(tokens[:length]) for tokens, length in rows]

    def read(self, raw: Any) -> Pair:
        if isinstance(raw, Pair):
            return raw
        if not isinstance(raw, str):
            raise UsageError(f"{shown(repr(raw))} is no text", remedy="give a text to translate")
        if not raw.strip():
            raise DataError("the text is empty", remedy="give a text to translate")
        example = Pair(raw.strip(), "", "the given text")
        if self._words(example) > self.max_words:
            raise DataError(
                f"the text has more than the {self.max_words} words that training texts had at most",
                remedy="give it sentence by sentence",
            )
        return example

    def answer(self, model: nn.Module, example: Pair) -> dict[str, Any]:
        """What is said, others that were considered with their log-probabilities, and which source tokens each token lay on."""
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[Pair], **options: Any) -> list[dict[str, Any]]:
        batch = type(rows := self.collate(examples))(*(tensor.to(self.device) for tensor in rows))
        found = self.search(model, batch, self.beam_width)
        texts = [self.texts(found, n) for n in range(found.tokens.shape[1])]
        log_probs, made = found.log_probs.tolist(), []
        for i, (example, (said, weights)) in enumerate(
            zip(examples, self.alignments(model, batch, found), strict=True)
        ):
            read = self.vocabularies[0].split(example.source)
            replaced = found.tokens[i, 0].tolist() if self.replace_unknown else None
            made.append(told(example.source, [t[i] for t in texts], log_probs[i], said, read, weights, replaced))
        return made

    @torch.no_grad()
    def alignments(self, model: Any, batch: Pairs, found: Hypotheses) -> list[tuple[list[str], Tensor | None]]:
        """Of each row: the tokens of its best answer, and the weights [T, S] with which each was read out."""
        names = [
            [self.vocabularies[1].tokens[i] for i in tokens[:length]]
            for tokens, length in zip(found.tokens[:, 0].tolist(), found.lengths[:, 0].tolist(), strict=True)
        ]
        longest = max(map(len, names))
        if not longest:
            return [(each, None) for each in names]
        weights = model.align(batch.sources.long(), batch.source_lengths.long(), found.tokens[:, 0, :longest])
        sizes = batch.source_lengths.tolist()
        return [
            (each, None if weights is None or not each else weights[i, : len(each), : sizes[i]].float())
            for i, each in enumerate(names)
        ]

    def say(self, answer: dict[str, Any]) -> str:
        return str(answer["text"]) or "(nothing)"

    def explain(self, model: nn.Module, example: Pair) -> dict[str, Any]:
        """What each source token adds to each token that is said, as `each`, with a sentence: JSON."""
        return _why_words.as_json(_why_words.of_translation(self, model, example))

    def explained(self, model: nn.Module, example: Pair) -> list[Picture]:
        """A table of source tokens against said tokens: integrated gradients, occlusion, attention."""
        return _why_words.drawn(_why_words.of_translation(self, model, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Pairs]) -> list[Picture]:
        return drawing.pictures(self, model, split.test, data["test"])

    def _words(self, example: Pair) -> int:
        return max(max(len(t.split()), len(t) // _LETTERS) for t in (example.source, example.target))


def _sides(examples: Sequence[Pair]) -> tuple[list[str], list[str]]:
    return [e.source for e in examples], [e.target for e in examples]


def _first(pair: Pair) -> str:
    return f"{shown(pair.source, 40)} | {shown(pair.target, 40)}"
