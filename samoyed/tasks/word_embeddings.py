"""Word embeddings: a vector for each word of a text, such that words used alike lie near each other."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import MinLen
from numpy.typing import NDArray
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import DataError, UsageError, shown
from samoyed.examples import Text
from samoyed.explaining import word_tests
from samoyed.features import vectors
from samoyed.features.corpus import SENTENCE, Corpus
from samoyed.files import write_json
from samoyed.objectives import Mean
from samoyed.reporting import embeddings
from samoyed.settings import Count, Few, NonNegative
from samoyed.sources import Source
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why_contexts
from samoyed.tasks._words import ANALOGY, Known, analogy_of, measured

_AT_ONCE = 1_024  # of them in a batch


class Windows(NamedTuple):
    """tokens int32 [B, 2 W + 1], windows with -1 where a sentence has ended, or [1, N] a part of a text; drawn int64 [B, K] the
    noise words of each window, or [1, 2] the part's position in the text and the seed of its draws."""

    tokens: Tensor
    drawn: Tensor


class State(Stored):
    """What was learned from the training split."""

    words: Annotated[list[str], MinLen(2)]
    counts: Annotated[list[int], MinLen(2)]
    phrases: list[list[tuple[str, str]]]


class WordEmbeddings(Task[Corpus, Windows]):
    """Learn a vector for each word of a text: near each other lie words that are used alike.

    Raw data: a text file in UTF-8 of any size, plain or gzipped, or a folder of .txt files; a line is a sentence. Of the text only
    the numbers of its words are kept, in a file where memory ends. Reported as the loss on windows of text that was not seen.

    Splits: as named (train, valid, test), else the last 5 % of all words are the test and the 5 % before them validation. The run
    holds the vectors as vectors.txt and vectors.bin too, in word2vec's formats, which others read. `samoyed predict RUN king`
    gives the nearest words, `samoyed predict RUN "man : king :: woman"` the analogy.

    Args:
        window: Words on either side of the middle, W; each time 1 to W of them are taken.
        negatives: Noise words of each prediction.
        subsample: The share of all words above which a word is left out now and then; 0 keeps all.
        min_count: Words that are rarer have no vector.
        vocab_limit: Most words that have a vector, the commonest; None sets no limit.
        lowercase: Whether capitals are made small.
        phrases: How many times pairs of words that belong together, such as new york, are made one.
        phrase_threshold: How much more often than by chance a pair stands together, to be a phrase.
        similarity: A file, or a folder of them, of two words and how alike people find them in a line, to measure the vectors by.
        analogies: A file, or a folder of them, of four words in a line, the fourth being to the third as the second to the first.

    Examples:
        samoyed train word-embeddings text.txt
        samoyed train word-embeddings wikipedia.txt.gz model=skip_gram shared=true embedding_size=300 epochs=3
        samoyed train word-embeddings books/ model=cbow phrases=2 similarity=wordsim353.txt analogies=questions-words.txt
        samoyed predict runs/word-embeddings/1 king "man : king :: woman"
    """

    sample = "standard_library"
    example = "Text"
    model = "skip_gram"
    inputs = ("window", "negatives", "subsample")
    outputs = ("word_counts",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 5,
        "batch_size": 20_000,
        "learning_rate": 0.025,
        "schedule": "linear",
        "execution": "plain",
    }
    watch = "loss"
    by_heart = False
    unit = "predictions"

    def __init__(
        self,
        *,
        window: Few = 5,
        negatives: Few = 5,
        subsample: NonNegative = 0.001,
        min_count: Count = 5,
        vocab_limit: Count | None = None,
        lowercase: bool = True,
        phrases: Literal[0, 1, 2, 3] = 0,
        phrase_threshold: NonNegative = 100.0,
        similarity: str | None = None,
        analogies: str | None = None,
    ) -> None:
        self.window, self.negatives, self.subsample = window, negatives, subsample
        self.min_count, self.vocab_limit, self.lowercase = min_count, vocab_limit, lowercase
        self.passes, self.phrase_threshold = phrases, phrase_threshold
        self.similarity, self.analogies = similarity, analogies

    def source_options(self) -> dict[str, Any]:
        return {"pieces": True}

    def gathered(self, examples: Iterable[Any]) -> list[Corpus]:
        """Texts, as they are read, become numbers of words."""
        rest = iter(examples)
        first = next(rest, None)
        if first is None or isinstance(first, Corpus):
            return [] if first is None else [first, *rest]
        return [Corpus.read(((piece.text, piece.origin) for piece in chain([first], rest)), self.lowercase)]

    def split(self, parts: dict[str, list[Any]], seed: int) -> Split:
        whole = {name: self.gathered(examples)[0] for name, examples in parts.items() if examples}
        pool, end, begin = whole.get("all") or whole["train"], 1.0, 1.0
        named = ", ".join(name for name in ("train", "valid", "test") if name in whole)
        rules = [f"{named} as named"] if named else []
        for name, words in (("test", "test: the last 5 % of the text"), ("valid", "validation: the 5 % before it")):
            if name not in whole:
                begin = end - 0.05
                whole[name], end = pool.part(begin, end), begin
                rules.append(words if "test" not in parts else "validation: the last 5 % of the training text")
        whole["train"] = pool.part(0.0, end)
        for name in ("train", "valid", "test"):
            if len(whole[name].ids) < 3:
                raise DataError(f"its {name} split has too few words", where=pool.origin, remedy="give at least 1,000")
        return Split([whole["train"]], [whole["valid"]], [whole["test"]], "; ".join(rules))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        corpus = split.train[0]
        known = f"{len(self.known.words):,} have vectors, those that are there at least {self.min_count} times"
        rows = [("words", f"{len(corpus.words):,} different in all of the text; {known} in training")]
        pairs = [" ".join(pair).replace("_", " ") for found in self.phrases for pair in found]
        if self.passes:
            some = ", ".join(pairs[:: max(1, len(pairs) // 6)][:6])
            rows.append(("phrases", f"{len(pairs):,}, such as {some}" if pairs else "none were found"))
        return rows

    def count(self, examples: Sequence[Corpus]) -> str:
        return f"{sum(map(len, examples)):,} words"

    def fit(self, examples: Sequence[Corpus]) -> None:
        corpus = self.gathered(examples)[0]
        self.phrases: list[list[tuple[str, str]]] = []
        for number in range(self.passes):
            self.phrases.append(corpus.phrases(self.phrase_threshold / 2**number))  # as word2phrase is used
            corpus = corpus.joined(self.phrases[-1])
        counts = corpus.counts()
        often = np.flatnonzero(counts >= self.min_count)
        ranked = sorted(often.tolist(), key=lambda i: (-counts[i], corpus.words[i]))[: self.vocab_limit]
        if len(ranked) < 2:
            raise DataError(
                f"fewer than two of its words are there {self.min_count} times",
                where=corpus.origin,
                remedy="give more text, or set a smaller min_count",
            )
        self.known = Known([corpus.words[i] for i in ranked], counts[ranked].tolist(), self.lowercase)

    def state(self) -> dict[str, Any]:
        return {
            "words": self.known.words,
            "counts": self.known.counts,
            "phrases": [list(map(list, p)) for p in self.phrases],
        }

    def restore(self, state: dict[str, Any]) -> None:
        state = {**state, "phrases": [[tuple(pair) for pair in found] for found in state["phrases"]]}
        stored = State.model_validate(state)
        if len(stored.words) != len(stored.counts) or min(stored.counts) < 1:
            raise ValueError("words and their counts do not fit each other")
        self.phrases = stored.phrases
        self.known = Known(stored.words, stored.counts, self.lowercase)

    def sizes(self) -> dict[str, Any]:
        given = {"window": self.window, "negatives": self.negatives, "subsample": self.subsample}
        return {"word_counts": tuple(self.known.counts), **given}

    def collate(self, examples: Sequence[Any]) -> Windows:
        """The texts as one: tokens [1, N]."""
        parts = []
        for corpus in self.gathered(examples):
            for pairs in self.phrases:
                corpus = corpus.joined(pairs)
            parts.append(corpus.numbered(self.known.index))
        tokens = torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))
        if not bool(((tokens[1:] >= 0) & (tokens[:-1] >= 0)).any()):
            raise DataError("holds no two words with vectors beside each other", where=examples[0].origin)
        return Windows(tokens[None], torch.zeros(1, 2, dtype=torch.int64))

    def batches(self, data: Windows, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Windows]:
        if epoch is None:
            yield from batching.batches(
                Windows(*measured(data.tokens[0], self.window, self.known.counts, self.negatives)),
                min(batch_size, _AT_ONCE),
            )
            return
        tokens, size, begin = data.tokens[0], max(batch_size, SENTENCE), 0
        drawn = int(batching.generator(seed, epoch).initial_seed())
        for nominal in range(size, len(tokens) + size, size):
            ends = (tokens[nominal - 1 : nominal + SENTENCE + 1] < 0).nonzero()
            end = min(nominal + int(ends[0, 0]) if len(ends) else len(tokens), len(tokens))
            yield Windows(tokens[None, begin:end], torch.tensor([[begin, drawn]]))
            begin = end

    def steps(self, data: Windows, batch_size: int) -> int:
        return -(-data.tokens.shape[1] // max(batch_size, SENTENCE))

    def objective(self, model: nn.Module, batch: Windows) -> Mean:
        said = model(batch.tokens.long(), batch.drawn)
        return Mean(said.nats.sum(), said.made.sum())

    def update(self, model: nn.Module, batch: Windows, descend: Any) -> Mean:
        """The model goes through a part of the text by itself."""
        learn: Any = model.learn
        position, seed = batch.drawn[0].tolist()
        done = learn(batch.tokens[0], position, seed, descend.rate)
        mean = Mean(torch.tensor(done.loss, dtype=torch.float64), torch.tensor(max(1, done.steps)))
        descend.taken(mean)
        return mean

    @property
    def reported(self) -> dict[str, Metric]:
        return {"loss": Metric("nats/prediction"), "error": Metric("% of noise words preferred", percent=True)}

    def metrics(self, model: nn.Module, batch: Windows) -> dict[str, Mean]:
        said = model(batch.tokens.long(), batch.drawn)
        right, noise = said.scores[..., :1], said.scores[..., 1:]
        asked = (batch.drawn != batch.tokens[:, self.window, None])[:, None] & said.made[..., None]
        wrong = (noise > right).float() + 0.5 * (noise == right).float()
        return {
            "loss": Mean(said.nats.sum(1), said.made.sum(1).float()),
            "error": Mean((wrong * asked).sum((1, 2)), asked.sum((1, 2)).float()),
        }

    def read(self, raw: Any) -> Any:
        if isinstance(raw, Text):
            return raw
        if not isinstance(raw, str) or not raw.strip():
            raise UsageError(f"{shown(raw)!r} is no word", remedy="give a word, or: man : king :: woman")
        return Text(raw, "the given words")

    def answer(self, model: nn.Module, example: Any, most: int = 10) -> dict[str, Any]:
        """The words nearest to a word, or to the mean of several, or those that answer a : b :: c."""
        found, text = self.vectors(model), example.text.strip()
        if ANALOGY in text and len(text) < 200:
            rows = [self.known.row(word) for word in analogy_of(text)]
            nearest_ = word_tests.answers(found, rows, (-1, 1, 1), most)
        else:
            alone = self.known.find(text)
            known = [row for word in text.split() if (row := self.known.find(word)) is not None]
            rows = ([alone] if alone is not None else known) or [self.known.row(text.split()[0])]
            nearest_ = word_tests.answers(found, rows, (1,) * len(rows), most)
        asked = " ".join(example.text.split())
        nearest = {self.known.words[i]: round(cosine, 6) for i, cosine in nearest_}
        return {"asked": asked if len(asked) <= 200 else f"{asked[:197]}...", "nearest": nearest}

    def say(self, answer: dict[str, Any]) -> str:
        return "\n".join(
            [answer["asked"], *(f"  {word:<24} {cosine:6.3f}" for word, cosine in answer["nearest"].items())]
        )

    def vectors(self, model: nn.Module) -> NDArray[np.float32]:
        """The word vectors [V, D], in the order of `words`."""
        weights: Any = model.embeddings
        found: NDArray[np.float32] = weights.detach().cpu().contiguous().numpy()
        return found

    def export(self, model: nn.Module, folder: Path) -> list[tuple[str, str]]:
        """vectors.txt and vectors.bin, and what the files of similarities and analogies say, in word_tests.json."""
        found = self.vectors(model)
        for name in ("vectors.txt", "vectors.bin"):
            vectors.write(folder / name, self.known.words, found)
        rows = [("vectors", f"{len(found):,} of {found.shape[1]} numbers in vectors.txt and vectors.bin")]
        tests = word_tests.all_tests(self.similarity, self.analogies, found, self.known.find)
        if tests:
            write_json(folder / "word_tests.json", word_tests.as_facts(tests))
        return rows + [(type(test).__name__.lower(), str(test)) for test in tests]

    def explain(self, model: nn.Module, example: Any) -> dict[str, Any]:
        """The words that stand around a word, as `parts`, with a sentence: JSON."""
        return _why_contexts.as_json(self, model, example)

    def explained(self, model: nn.Module, example: Any) -> list[Picture]:
        """The words nearest to a word, and those that it stands with."""
        return _why_contexts.drawn(self, model, example)

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Windows]) -> list[Picture]:
        found = self.vectors(model)
        first = 30 if len(self.known.words) > 300 else 0  # the commonest words go with all others
        return embeddings.pictures(self.known.words[first:], found[first:])
