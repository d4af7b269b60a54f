"""Text generation: what comes next, one token at a time."""

import math
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from samoyed import batching
from samoyed.decoding.sampling import continue_texts
from samoyed.errors import DataError, UsageError
from samoyed.examples import Text
from samoyed.features.exact_subwords import ExactSubwords
from samoyed.features.vocabulary import Vocabulary
from samoyed.layers.continuous_cache import Cached
from samoyed.objectives import Mean, cross_entropy, full, token_scores
from samoyed.reporting import music
from samoyed.settings import Count, Span, Whole
from samoyed.sources import Source, no_such_path
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why_words
from samoyed.tasks._cache import Cache
from samoyed.tasks._carried import along, in_parts
from samoyed.tasks._ngrams import pictures
from samoyed.tasks._streams import continuation
from samoyed.tasks._tokens import Tokens, as_tokens

_UNITS = {"characters": "character", "words": "word", "subwords": "subword"}
_LIMITS = {"characters": None, "words": 30_000, "subwords": 4_000}


class State(Stored):
    """What was learned: the tokens, or for subwords their model, from the training split; the cache from validation."""

    kind: Literal["characters", "words", "subwords"]
    tokens: Annotated[list[str], MinLen(1)] | None = None
    model: str | None = None
    cache: Cache | None = None


class TextGeneration(Task[Text, Tokens]):
    """Predict each token of a text from those before it, and write on from a beginning.

    Raw data: a text file in UTF-8, or a folder of .txt files. Reported as nats per token and as perplexity, and as bits per
    character, by which kinds of tokens compare; lower is better. The report draws n-grams of every order beside the model.

    Splits: as named (train, valid, test), else the last 5 % of all characters are the test and the 5 % before them validation.
    Truncated backpropagation through time: the text is cut into `batch_size` parallel streams, each `sequence_length` tokens a
    step, and the state of the network is carried from step to step (Williams & Peng 1990).

    Args:
        tokens: What is predicted: characters; words with the marks and spaces between them; or subwords, pieces of words that
            sentencepiece learns, in which nothing is unknown.
        sequence_length: Tokens of each stream per step.
        vocab_limit: Most tokens the vocabulary may have; rarer ones share one symbol, which counts as one character. None keeps
            all characters, words up to 30,000, and 4,000 subwords.
        cache: Tokens that a continuous cache remembers when a recurrent model is measured, 0 for none; how much it counts is
            chosen on the validation split (Grave 2017). Texts are written without it.

    Examples:
        samoyed train text-generation book.txt model=lstm tokens=characters
        samoyed train text-generation book.txt model=gru tokens=words max_time=30min
        samoyed generate runs/text-generation/1 "To be"
        samoyed generate runs/text-generation/2 "X:1" --out tune.mid
    """

    sample = "standard_library"
    example = "Text"
    model = "lstm"
    inputs = ("vocab_size",)
    outputs = ("vocab_size",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 0.003,
        "clip_norm": 1.0,
        "warmup": 0.02,
    }
    watch = "loss"
    unit = "tokens"
    generates: ClassVar[dict[str, Any]] = {"length": 400, "temperature": 0.8}
    stream = continuation

    def __init__(
        self,
        *,
        tokens: Literal["characters", "words", "subwords"] = "characters",
        sequence_length: Span = 128,
        vocab_limit: Count | None = None,
        cache: Whole = 0,
    ) -> None:
        self.tokens, self.sequence_length, self.cache = tokens, sequence_length, cache
        self.vocab_limit = vocab_limit or _LIMITS[tokens]
        self.cached: Cache | None = None

    def split(self, parts: dict[str, list[Text]], seed: int) -> Split:
        parts = {
            name: [Text("\n".join(t.text for t in texts), texts[0].origin)] for name, texts in parts.items() if texts
        }
        pool = (parts.get("all") or parts["train"])[0]
        text, rules = pool.text, [f"{', '.join(n for n in ('train', 'valid', 'test') if n in parts)} as named"]
        held: dict[str, list[Text]] = {}
        for name, words in (("test", "test: the last 5 % of the text"), ("valid", "validation: the 5 % before it")):
            if name in parts:
                held[name] = parts[name]
                continue
            cut = len(text) - len(pool.text) // 20
            cut = text.rfind("\n", cut - 200, cut) + 1 or cut  # at the end of a line where one is near
            text, held[name] = text[:cut], [Text(text[cut:], pool.origin)]
            rules.append(words if "test" not in parts else "validation: the last 5 % of the training text")
        if any(len(t[0].text) < 20 for t in held.values()):
            raise DataError(
                f"{len(pool.text)} characters are too few to learn from",
                where=pool.origin,
                remedy="give at least 1,000",
            )
        return Split([Text(text, pool.origin)], held["valid"], held["test"], "; ".join(rules[len(parts) == 1 :]))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        texts = [t.text for part in split[:3] for t in part]
        lines = sum(t.count("\n") for t in texts)
        seen = sorted({c for t in texts for c in set(t)})
        shown = "".join(c for c in seen if c.isprintable())[:60]
        size = f"{sum(map(len, texts)):,} characters in {lines:,} lines"
        return [("text", f"{size}; {len(seen)} different, among them {shown}")]

    def count(self, examples: Sequence[Text]) -> str:
        return f"{sum(len(e.text) for e in examples):,} characters"

    def fit(self, examples: Sequence[Text]) -> None:
        texts = (e.text for e in examples)
        if self.tokens == "subwords":
            self.vocabulary: Vocabulary | ExactSubwords = ExactSubwords.learn(texts, self.vocab_limit or 4_000)
        else:
            self.vocabulary = Vocabulary.learn(texts, self.tokens, self.vocab_limit)

    def state(self) -> dict[str, Any]:
        cache = {} if self.cached is None else {"cache": self.cached.model_dump()}
        return {**self.vocabulary.state(), **cache}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        if (found.kind == "subwords") != (found.tokens is None) or (found.tokens is None) != (found.model is not None):
            raise ValueError("words and characters have tokens, subwords a model")
        self.vocabulary = (
            Vocabulary(found.kind, found.tokens) if found.tokens else ExactSubwords.restored(found.model or "")
        )
        self.cached = found.cache

    def sizes(self) -> dict[str, Any]:
        return {"vocab_size": len(self.vocabulary)}

    def collate(self, examples: Sequence[Text]) -> Tokens:
        """The texts as one stream: tokens [1, N]."""
        stream = torch.cat([self.vocabulary.encode(e.text) for e in examples])
        if len(stream) < 2:
            raise DataError("a text of fewer than two tokens predicts nothing", where=examples[0].origin)
        return as_tokens(stream[None])

    def batches(self, data: Tokens, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Tokens]:
        stream, length = data.tokens[0], self.sequence_length
        if epoch is None:
            for tokens, fresh, scored in batching.warmed_streams(stream, batch_size, length):
                yield as_tokens(tokens, fresh, scored)
            return
        # each epoch begins elsewhere, so that the cuts between streams and chunks move, and makes no more steps for that
        rows = batching.rows_of(len(stream) - 1, batch_size, length)
        most = max(1, min(length, len(stream) // 4) - rows + 1)
        stream = stream[int(torch.randint(most, (), generator=batching.generator(seed, epoch))) :]
        for tokens, fresh in batching.streams(stream, rows, length, rest=False):
            yield as_tokens(tokens, fresh)

    def steps(self, data: Tokens, batch_size: int) -> int:
        targets = data.tokens.shape[1] - 1
        rows = batching.rows_of(targets, batch_size, self.sequence_length)
        return -(-(targets // rows) // self.sequence_length)

    def objective(self, model: nn.Module, batch: Tokens) -> Mean:
        logits, state = model(batch.tokens[:, :-1], self._before(batch))
        self.carried = along(state, Tensor.detach)
        return cross_entropy(full(logits), batch.tokens[:, 1:])

    def parts(self, model: nn.Module, batch: Tokens, pieces: int) -> Iterator[Tokens]:
        """Micro-batches of some streams each, every one with the state that those streams carry."""
        return in_parts(self, model, batch, batch.fresh, pieces)

    @property
    def reported(self) -> dict[str, Metric]:
        unit = _UNITS[self.tokens]
        return {
            "loss": Metric(f"nats/{unit}"),
            "perplexity": Metric(f"per {unit}", shown_as="exp"),
            "bits": Metric("bits/character"),
            "error": Metric(f"% of {unit}s", percent=True),
        }

    def metrics(self, model: nn.Module, batch: Tokens) -> dict[str, Mean]:
        log_probs, likeliest = self._scores(model, batch)
        targets = batch.tokens[:, 1:]
        surprise, wrong = -log_probs.sum(1), (likeliest != targets).float().sum(1)
        letters = self.vocabulary.lengths().to(targets.device)[targets].sum(1)
        surprise, wrong, letters = (torch.where(batch.scored, total, 0) for total in (surprise, wrong, letters))
        count = batch.scored.to(surprise) * targets.shape[1]
        found = {"loss": Mean(surprise, count), "perplexity": Mean(surprise, count)}
        return found | {"bits": Mean(surprise / math.log(2), letters), "error": Mean(wrong, count)}

    def calibrate(self, model: nn.Module, valid: Tokens) -> None:
        """Chooses the cache's share and theta by the loss on the validation split."""
        if not self.cache or not hasattr(model, "hidden"):
            return
        self.cached = Cache.chosen(model, self.cache, lambda: self.batches(valid, 32))

    def fitting(self, data: Tokens) -> tuple[Tensor, ...]:
        return (data.tokens[0],)

    def read(self, raw: Any) -> Text:
        if isinstance(raw, Text):
            return raw
        if not isinstance(raw, str | PathLike):
            raise UsageError(f"{raw!r} is no text", remedy="give a text, or the path of a text file")
        if len(str(raw)) < 200 and str(raw).isprintable() and Path(raw).is_file():
            from samoyed.sources.text_files import TextFiles

            return next(TextFiles(Path(raw)).examples())
        if isinstance(raw, PathLike) or (Path(raw).suffix.lower() == ".txt" and len(raw.split()) == 1):
            raise no_such_path(Path(raw))
        return Text(str(raw), "the given text")

    def answer(
        self,
        model: nn.Module,
        example: Text,
        length: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> dict[str, Any]:
        """The continuation of a text by `length` tokens, and the likeliest next tokens at its end."""
        given = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        return self.answers(model, [example], **given)[0]  # type: ignore[arg-type]

    def answers(
        self, model: nn.Module, examples: Sequence[Text], *, length: int = 200, temperature: float = 0.8, **drawn: Any
    ) -> list[dict[str, Any]]:
        beginnings = [self.vocabulary.encode(e.text or "\n").to(self.device) for e in examples]
        written, following = continue_texts(model, beginnings, length, temperature, **drawn)
        ranked = following.topk(min(5, following.shape[1]))
        made = []
        for example, tokens, probs, places in zip(examples, written.cpu(), *(t.tolist() for t in ranked), strict=True):
            likely = {self.vocabulary.tokens[i]: round(p, 6) for p, i in zip(probs, places, strict=True)}
            made.append({"beginning": example.text, "continuation": self.vocabulary.text(tokens), "next": likely})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        return f"{answer['beginning']}{answer['continuation']}"

    def written(self, answer: dict[str, Any], path: Path) -> Path:
        """An answer as a text, or the first tune in it as MIDI or as a picture; see reporting/music."""
        return music.write(self.say(answer), path)

    def explain(self, model: nn.Module, example: Text) -> dict[str, Any]:
        """What each token of the past adds to the likeliest next one, as `parts`, with a sentence: JSON."""
        return _why_words.as_json(_why_words.of_next(self, model, example))

    def explained(self, model: nn.Module, example: Text) -> list[Picture]:
        """The past, shaded by what it adds to the likeliest next token, by integrated gradients and by making tokens unknown."""
        return _why_words.shaded(_why_words.of_next(self, model, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Tokens]) -> list[Picture]:
        return pictures(self, model, split, data)

    def surprise(self, model: nn.Module, batch: Tokens) -> Tensor:
        """-log p of each target, [B, T]."""
        return -self._scores(model, batch)[0]

    def _before(self, batch: Tokens) -> Any:
        """The state that is carried from the batch before, unless this one is fresh."""
        return None if bool(batch.fresh[0]) else self.carried

    def _scores(self, model: nn.Module, batch: Tokens) -> tuple[Tensor, Tensor]:
        """[B, T + 1] -> log-probability of each target and the likeliest token at its place [B, T]; carries the state on."""
        if self.cached is not None and hasattr(model, "hidden"):
            model = Cached(model, self.cache, self.cached.share, self.cached.theta)
        log_probs, likeliest, state = token_scores(model, batch.tokens, len(self.vocabulary), self._before(batch))
        self.carried = along(state, Tensor.detach)
        return log_probs, likeliest
