"""What tasks share that write down a sequence symbol by symbol: by connectionist temporal classification, or spelled letter by
letter by a model that attends (_spelling.py)."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.decoding.ctc import Labellings, Lexicon, greedy, prefix_beam
from samoyed.decoding.language import LanguageModel
from samoyed.errors import UsageError
from samoyed.features.vocabulary import Vocabulary
from samoyed.layers.ctc import ctc_loss
from samoyed.objectives import Mean, full
from samoyed.tasks import Metric, Task, _spelling
from samoyed.tasks._pairs import as_bytes, as_texts

E = TypeVar("E")


class Sequences(NamedTuple):
    """frames float16 [B, T, F] or uint8 [B, H, W]; lengths int32 [B] along time; symbols int32 [B, L], 1 more than their index
    in the vocabulary; symbol_lengths int32 [B]; references uint8 [B, R], the transcript in UTF-8, padded with zeros."""

    frames: Tensor
    lengths: Tensor
    symbols: Tensor
    symbol_lengths: Tensor
    references: Tensor


class Transcribing(Task[E, Sequences]):
    """A task whose vocabulary is of characters, and whose models give (logits [B, T, V], lengths [B]) with the blank at 0, or spell."""

    companions: ClassVar[tuple[str, ...]] = ("lm",)
    beam_width: int
    lexicon: bool
    lm: str | None = None
    lm_weight: float = 0.0
    length_bonus: float = 0.0
    words: list[str]
    densest: float = 1.0  # the most letters for each step that a model may spell
    vocabulary: Vocabulary
    speaks: tuple[nn.Module, dict[str, int]] | None = None  # a language model, and the index of each of its characters

    def learn(self, transcripts: Sequence[str]) -> None:
        """The characters, and the words or lines that a search may be restricted to."""
        self.vocabulary = Vocabulary.learn(transcripts, "characters")
        self.words = sorted({word for text in transcripts for word in self.units(text)})

    def units(self, text: str) -> list[str]:
        """What a lexicon lists of a transcript: its words."""
        return text.split()

    def seen(self, batch: Sequences) -> tuple[Tensor, Tensor]:
        """What a model reads: frames float32, no longer than the longest, and lengths int64 [B]."""
        return batch.frames[:, : int(batch.lengths.max())].float(), batch.lengths.long()

    def batches(
        self, data: Sequences, batch_size: int, *, seed: int = 0, epoch: int | None = None
    ) -> Iterator[Sequences]:
        """One pass; for an epoch, sequences of similar length meet, so that little is padding. `seen` cuts the rest."""
        if epoch is None:
            return super().batches(data, batch_size)
        chunks = batching.bucketed(data.lengths, batch_size, seed, epoch)
        return (batching.take(data, chunk.to(data.lengths.device)) for chunk in chunks)

    def forward(self, model: nn.Module, batch: Sequences) -> tuple[Tensor, Tensor]:
        """(log_probs [B, T, V], lengths [B])."""
        logits, lengths = model(*self.seen(batch))
        return full(logits).log_softmax(-1), lengths.long()

    def coded(self, transcripts: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        """symbols, symbol_lengths and references of a batch."""
        rows = [self.vocabulary.encode(text) + 1 for text in transcripts]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int32)
        symbols = torch.zeros((len(rows), max(1, int(lengths.max()))), dtype=torch.int32)
        for i, row in enumerate(rows):
            symbols[i, : len(row)] = row
        return symbols, lengths, as_bytes(transcripts)

    def surprise(self, logits: Tensor, lengths: Tensor, batch: Sequences) -> Tensor:
        """-log p of each transcript, summed over all paths: [B]; of logits, or of log-probabilities, which are logits too."""
        return ctc_loss(full(logits), batch.symbols, lengths, batch.symbol_lengths)

    def objective(self, model: nn.Module, batch: Sequences) -> Mean:
        if _spelling.spells(model):
            surprise = _spelling.surprise(model, *self.seen(batch), batch.symbols, batch.symbol_lengths)
        else:
            logits, lengths = model(*self.seen(batch))
            surprise = self.surprise(logits, lengths.long(), batch)
        return Mean(surprise.sum(), batch.symbol_lengths.sum().float())

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "cer": Metric("% of characters", percent=True),
            "wer": Metric("% of words", percent=True),
            "loss": Metric("nats/character"),
        }

    def metrics(self, model: nn.Module, batch: Sequences) -> dict[str, Mean]:
        if _spelling.spells(model):
            surprise = _spelling.surprise(model, *self.seen(batch), batch.symbols, batch.symbol_lengths)
            found = self.spelled(model, batch)
        else:
            log_probs, lengths = self.forward(model, batch)
            surprise, found = self.surprise(log_probs, lengths, batch), self.search(log_probs, lengths)
        loss = Mean(surprise, batch.symbol_lengths.float())
        return {**_errors(as_texts(batch.references), self.texts(found)), "loss": loss}

    def written(self, model: nn.Module, batch: Sequences, n_best: int = 1) -> Labellings:
        """What is read in each row of a batch, by a model of either kind."""
        if _spelling.spells(model):
            return self.spelled(model, batch, n_best)
        return self.search(*self.forward(model, batch), n_best)

    def spelled(self, model: nn.Module, batch: Sequences, n_best: int = 1) -> Labellings:
        """What a model that spells writes: greedily, by a beam, within the lexicon, or ranked anew by the language model."""
        bound = self.lexicon or self.speaks is not None
        width = max(self.beam_width, 16 if bound else n_best)
        lexicon, language = self.trie() if self.lexicon else None, self.language()
        return _spelling.search(
            model,
            *self.seen(batch),
            width=width,
            n_best=n_best,
            densest=self.densest,
            lexicon=lexicon,
            language=language,
        )

    def search(self, log_probs: Tensor, lengths: Tensor, n_best: int = 1) -> Labellings:
        """What is read: greedily, by prefixes, within the lexicon, or as the language model would have it."""
        bound = self.lexicon or self.speaks is not None
        if self.beam_width == 1 and not bound and n_best == 1:
            return greedy(log_probs, lengths)
        width = max(self.beam_width, 16 if bound else n_best)
        lexicon, language = self.trie() if self.lexicon else None, self.language()
        return prefix_beam(log_probs, lengths, width=width, n_best=n_best, lexicon=lexicon, language=language)

    def join(self, name: str, task: Any, model: nn.Module) -> None:
        vocabulary = getattr(task, "vocabulary", None)
        if not isinstance(vocabulary, Vocabulary) or vocabulary.kind != "characters" or task.example != "Text":
            raise UsageError(
                f"{name}={getattr(self, name)} is no language model of characters",
                remedy="train one on a text with a transcript in each line: samoyed train text-generation TEXT tokens=characters",
            )
        self.speaks = model.eval(), vocabulary.index

    def language(self) -> LanguageModel | None:
        """The language model over the symbols of the search; symbols that it has not met are its unknown character."""
        if self.speaks is None:
            return None
        model, index = self.speaks
        model.to(self.device)
        tokens = torch.tensor([0, *(index.get(c, 0) for c in self.vocabulary.tokens)], device=self.device)
        return LanguageModel(model, tokens, index.get("\n"), self.lm_weight, self.length_bonus)

    @torch.no_grad()
    def readings(self, model: nn.Module, batch: Sequences) -> list[dict[str, Any]]:
        """What is read in each row of a batch, and up to three readings with their log-probabilities."""
        if _spelling.spells(model):
            best, several = self.spelled(model, batch), self.spelled(model, batch, 3)
        else:
            heard = self.forward(model, batch)
            best, several = self.search(*heard), self.search(*heard, 3)
        made = []
        for text, others, log_probs in zip(
            self.texts(best),
            zip(*(self.texts(several, n) for n in range(3)), strict=True),
            several.log_probs.tolist(),
            strict=True,
        ):
            likely = {one: round(p, 4) for one, p in zip(others, log_probs, strict=True) if p > -1e30}
            made.append({"text": text, "readings": likely})
        return made

    def answer(self, model: nn.Module, example: E) -> dict[str, Any]:
        """What is written or said, and other readings with their log-probabilities."""
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[E], **options: Any) -> list[dict[str, Any]]:
        rows = self.collate(examples)
        made: list[dict[str, Any]] = [self.about(example) for example in examples]
        for some in batching.alike(rows.lengths):
            batch = Sequences(*(tensor.to(self.device) for tensor in batching.take(rows, some)))
            for place, found in zip(some.tolist(), self.readings(model, batch), strict=True):
                made[place] |= found
        return made

    def about(self, example: Any) -> dict[str, Any]:
        """What an answer says of what was given."""
        return {"input": example.origin}

    def trie(self) -> Lexicon:
        """The lexicon over symbols; its words may follow one another, parted by a space."""
        get = self.vocabulary.index.get
        words = [[get(c, 0) + 1 for c in word] for word in self.words]
        space = get(" ")
        trie = Lexicon.of(words, len(self.vocabulary) + 1, None if space is None else space + 1)
        return Lexicon(*(part.to(self.device) for part in trie))

    def texts(self, found: Labellings, n: int = 0) -> list[str]:
        """The n-th labellings as texts."""
        rows = zip(found.symbols[:, n].cpu(), found.lengths[:, n].tolist(), strict=True)
        return [self.vocabulary.text(symbols[:length] - 1) for symbols, length in rows]


def feasible(frames: int, transcript: str) -> bool:
    """Whether a transcript fits into so many frames: one for each symbol, and a blank between two that are equal."""
    return len(transcript) + sum(a == b for a, b in zip(transcript, transcript[1:], strict=False)) <= frames  # noqa: RUF007


def _errors(references: list[str], said: list[str]) -> dict[str, Mean]:
    """Characters and words that were substituted, deleted or inserted, of those there are, by jiwer."""
    import jiwer

    rows: list[list[float]] = []
    for reference, text in zip(references, said, strict=True):
        letters: Any = jiwer.process_characters(reference, text)
        words: Any = jiwer.process_words(reference, text)
        rows.append([])
        for found in (letters, words):
            rows[-1] += [found.substitutions + found.deletions + found.insertions]
            rows[-1] += [found.substitutions + found.deletions + found.hits]
    counts = torch.tensor(rows, dtype=torch.float64).view(-1, 4).unbind(1)
    return {"cer": Mean(counts[0], counts[1]), "wer": Mean(counts[2], counts[3])}
