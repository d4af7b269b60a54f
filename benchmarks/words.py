"""Word vectors beside gensim's and a plain PyTorch loop's: words per second, and what the vectors know, at equal settings.

    python -m benchmarks.words TEXT... --similarity FOLDER --analogies FILE --threads 2 --rounds 5

The texts are taken in lower case, words being runs of letters and digits, one line a sentence. gensim reads them from a file (its
fastest mode) with as many workers as Samoyed has threads; the vocabulary, window, noise words, subsampling, size, rates and passes
are the same. Building the vocabulary is not timed. Contenders take turns in one process, each pass from fresh vectors; a speed is
words of the text per second, before subsampling, median of the rounds (lowest to highest). Vectors are measured once, after
`--epochs` passes over the text: Spearman's correlation over all pairs of the files of similarities, and analogies that are right.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.explaining.word_tests import analogies, files, similarity, unit
from samoyed.models.cbow import CBOW
from samoyed.models.skip_gram import SkipGram

SIZE, WINDOW, NEGATIVES, SUBSAMPLE, LEAST = 100, 5, 5, 1e-3, 5
RATE, LAST_RATE = 0.025, 0.0001
PART = 20_000  # words between two values of the rate
Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Text:
    """The words that are common enough, the commonest first; tokens int32, -1 after each sentence; a file of the same."""

    def __init__(self, paths: Sequence[Path], folder: Path) -> None:
        lines = [re.findall(r"[^\W_]+", line.lower()) for path in paths for line in path.read_text("utf-8").split("\n")]
        whole = Counter(word for line in lines for word in line)
        common = [[word for word in line if whole[word] >= LEAST] for line in lines]
        kept = [part for line in common for i in range(0, len(line), 1000) if len(part := line[i : i + 1000]) > 1]
        counts = Counter(word for sentence in kept for word in sentence)
        self.words = [word for word, _ in counts.most_common()]
        self.counts = [counts[word] for word in self.words]
        self.index = {word: i for i, word in enumerate(self.words)}
        self.size = sum(map(len, kept))
        self.file = folder / "text.txt"
        self.file.write_text("".join(" ".join(sentence) + "\n" for sentence in kept), "utf-8")
        numbers = [n for sentence in kept for n in (*(self.index[word] for word in sentence), -1)]
        self.tokens = torch.tensor(numbers, dtype=torch.int32)


Learner = Callable[
    [Text, int, int], tuple[float, Vectors]
]  # text, passes, threads -> seconds, vectors in the text's order


def samoyed(model: Any, **settings: Any) -> Learner:
    """Samoyed's kernels."""

    def learn(text: Text, epochs: int, threads: int) -> tuple[float, Vectors]:
        torch.manual_seed(0)
        made = model(
            word_counts=tuple(text.counts), window=WINDOW, negatives=NEGATIVES, subsample=SUBSAMPLE, embedding_size=SIZE,
            threads=threads, **settings,
        )  # fmt: skip
        parts = [(epoch, begin) for epoch in range(epochs) for begin in range(0, len(text.tokens), PART)]
        began = time.perf_counter()
        for done, (epoch, begin) in enumerate(parts):
            rate = RATE + (LAST_RATE - RATE) * done / len(parts)
            made.learn(text.tokens[begin : begin + PART], begin, epoch + 1, rate)
        return time.perf_counter() - began, made.embeddings.detach().numpy().copy()

    return learn


def gensim(skip_gram: bool) -> Learner:
    """gensim's Word2Vec, reading from a file."""

    def learn(text: Text, epochs: int, threads: int) -> tuple[float, Vectors]:
        from gensim.models import Word2Vec

        model = Word2Vec(
            vector_size=SIZE, window=WINDOW, negative=NEGATIVES, sample=SUBSAMPLE, min_count=1, sg=int(skip_gram),
            workers=threads, alpha=RATE, min_alpha=LAST_RATE, seed=0,
        )  # fmt: skip
        model.build_vocab(corpus_file=str(text.file))
        began = time.perf_counter()
        model.train(
            corpus_file=str(text.file),
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=epochs,
        )
        seconds = time.perf_counter() - began
        return seconds, np.stack([model.wv[word] for word in text.words]).astype(np.float32)

    return learn


def loop(text: Text, epochs: int, threads: int) -> tuple[float, Vectors]:
    """Skip-gram as a PyTorch tutorial has it: batches of windows, sparse gradients, plain SGD with each pair's own step."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    into, out = (nn.Embedding(len(text.words), SIZE, sparse=True) for _ in range(2))
    nn.init.uniform_(into.weight, -0.5 / SIZE, 0.5 / SIZE)
    nn.init.zeros_(out.weight)
    optimizer = torch.optim.SGD([*into.parameters(), *out.parameters()], lr=RATE)
    share = torch.tensor(text.counts, dtype=torch.float64) / sum(text.counts)
    keep = ((SUBSAMPLE / share).sqrt() + SUBSAMPLE / share).clamp(max=1)
    weights = torch.tensor(text.counts, dtype=torch.float64) ** 0.75
    began = time.perf_counter()
    for _ in range(epochs):
        kept = torch.where(text.tokens >= 0, keep[text.tokens.clamp(min=0).long()], 1.0)
        tokens = text.tokens[torch.rand(len(kept)) < kept].long()
        for begin in range(0, len(tokens), 1024):
            middles, around = _pairs(tokens, begin, begin + 1024)
            noise = torch.multinomial(weights, len(middles) * NEGATIVES, True).view(-1, NEGATIVES)
            x = into(around)[:, None]
            scores = torch.bmm(x, out(torch.cat([middles[:, None], noise], 1)).transpose(1, 2))[:, 0]
            loss = -F.logsigmoid(scores[:, 0]).sum() - F.logsigmoid(-scores[:, 1:]).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return time.perf_counter() - began, into.weight.detach().numpy().copy()


def _pairs(tokens: Tensor, begin: int, end: int) -> tuple[Tensor, Tensor]:
    """The words to predict from `begin` to before `end`, and the words of their windows, pair by pair."""
    places = torch.arange(begin, min(end, len(tokens)))
    reach = torch.randint(1, WINDOW + 1, (len(places), 1))
    shifts = torch.tensor([s for s in range(-WINDOW, WINDOW + 1) if s])
    near = places[:, None] + shifts
    there = (shifts.abs() <= reach) & (near >= 0) & (near < len(tokens))
    words = tokens[near.clamp(0, len(tokens) - 1)]
    ended = (tokens < 0).cumsum(0)  # both are in one sentence if no end lies between them
    there &= ended[near.clamp(0, len(tokens) - 1)] == ended[places][:, None]
    there &= (words >= 0) & (tokens[places] >= 0)[:, None]
    return tokens[places][:, None].expand_as(words)[there], words[there]


LEARNERS: dict[str, Learner] = {
    "samoyed skip-gram": samoyed(SkipGram),
    "samoyed skip-gram, shared noise": samoyed(SkipGram, shared=True),
    "gensim skip-gram": gensim(True),
    "PyTorch skip-gram": loop,
    "samoyed CBOW": samoyed(CBOW),
    "samoyed CBOW, shared noise": samoyed(CBOW, shared=True),
    "gensim CBOW": gensim(False),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line per contender."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--similarity")
    parser.add_argument("--analogies")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", default="", help="contenders whose names hold one of these, parted by commas")
    given = parser.parse_args(arguments)
    chosen = {n: f for n, f in LEARNERS.items() if any(part.strip() in n for part in given.only.split(","))}
    with tempfile.TemporaryDirectory() as folder:
        text = Text(given.texts, Path(folder))
        print(
            f"{text.size:,} words, {len(text.words):,} different; {given.threads} threads, {given.rounds} rounds of one pass"
        )
        seconds: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(given.rounds):
            for name, learner in chosen.items():
                if name != "PyTorch skip-gram" or not seconds[name]:  # one pass takes as long as all others' rounds
                    seconds[name].append(learner(text, 1, given.threads)[0])
        for name, found in seconds.items():
            kind = "skip-gram" if "skip-gram" in name else "CBOW"
            ratios = [theirs / mine for theirs, mine in zip(seconds.get(f"gensim {kind}", []), found, strict=False)]
            against = (
                f"; gensim's time over it {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
            speeds = [text.size / s / 1000 for s in found]
            said = f"{statistics.median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) thousand words/s"
            print(f"{name:<32} {said}{against if ratios and not name.startswith('gensim') else ''}", flush=True)
        for name, learner in chosen.items() if given.similarity or given.analogies else ():
            if name != "PyTorch skip-gram":
                vectors = unit(learner(text, given.epochs, given.threads)[1])
                print(f"{name}, {given.epochs} passes: {_knows(vectors, text, given)}", flush=True)


def _knows(vectors: Vectors, text: Text, given: argparse.Namespace) -> str:
    """What the vectors say to the files of questions: the correlation over all files' pairs, weighted by their number."""
    index = lambda word: text.index.get(word.lower())  # noqa: E731
    said = []
    if given.similarity:
        each = [similarity(path, vectors, index) for path in files(given.similarity, "similarities")]
        known = sum(one.known for one in each if one.known > 3)
        mean = sum(one.value * one.known for one in each if one.known > 3) / max(1, known)
        said.append(f"similarity {mean:.3f} on {known:,} pairs of {len(each)} files")
        said += [str(one) for one in each if one.known >= 500]
    if given.analogies:
        said += [str(analogies(path, vectors, index)) for path in files(given.analogies, "analogies")]
    return "; ".join(said)


if __name__ == "__main__":
    main()
