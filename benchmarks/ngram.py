"""N-grams with modified Kneser-Ney smoothing, beside NLTK and KenLM: the time to fit and to measure, and the perplexity.

    python -m benchmarks.ngram TEXT --order 5 --peers nltk,kenlm --lmplz PATH

Characters of TEXT, its first nine tenths counted, the rest measured; the text begins with a symbol and ends with one, as KenLM's
sentences do. NLTK's Kneser-Ney has one fixed discount, so that only its speed is compared, on a slice of the text that it can
finish (`--slice` characters for both). KenLM is its own estimator, lmplz, and its Python package; times are medians of rounds in turn.
"""

import argparse
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from samoyed.features.vocabulary import Vocabulary
from samoyed.models.ngram import Ngram

Peer = Callable[[list[str], list[str], int], tuple[float, float, float]]  # seconds to fit, to measure, perplexity


def ours(train: list[str], test: list[str], order: int) -> tuple[float, float, float]:
    """Samoyed."""
    vocabulary = Vocabulary("characters", [*Vocabulary.learn(["".join(train)], "characters").tokens, "</s>"])
    a, b = (torch.tensor([vocabulary.index.get(c, 0) for c in part]) for part in ([*train, "</s>"], test))
    model = Ngram(vocab_size=len(vocabulary), order=order)
    began = time.perf_counter()
    model.fit(a)
    fitted = time.perf_counter()
    nats = -float(model.score(b[None, :-1], b[None, 1:])[0].double().mean())
    return fitted - began, time.perf_counter() - fitted, math.exp(nats)


def nltk(train: list[str], test: list[str], order: int) -> tuple[float, float, float]:
    """nltk.lm's interpolated Kneser-Ney."""
    from nltk.lm import KneserNeyInterpolated
    from nltk.util import everygrams

    began = time.perf_counter()
    model = KneserNeyInterpolated(order)
    model.fit([everygrams(train, max_len=order)], [*train])
    fitted = time.perf_counter()
    logs = [model.logscore(test[i], test[max(0, i - order + 1) : i]) for i in range(1, len(test))]
    return fitted - began, time.perf_counter() - fitted, 2 ** -statistics.fmean(logs)


def kenlm(lmplz: str) -> Peer:
    """KenLM's estimator and its queries."""

    def run(train: list[str], test: list[str], order: int) -> tuple[float, float, float]:
        import kenlm as library

        names = {c: f"c{ord(c)}" for c in {*train, *test}}
        with tempfile.TemporaryDirectory() as folder:
            text, arpa = Path(folder, "text"), Path(folder, "arpa")
            text.write_text(" ".join(names[c] for c in train) + "\n")
            words = [
                lmplz,
                "-o",
                str(order),
                "-S",
                "1G",
                "--discount_fallback",
                "--text",
                str(text),
                "--arpa",
                str(arpa),
            ]
            began = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            fitted = time.perf_counter()
            model = library.Model(str(arpa))
            began_again = time.perf_counter()
            scores = [s for s, *_ in model.full_scores(" ".join(names[c] for c in test), bos=True, eos=False)][1:]
            return fitted - began, time.perf_counter() - began_again, 10 ** -statistics.fmean(scores)

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line per contender."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--peers", default="nltk")
    parser.add_argument("--lmplz", default="lmplz")
    parser.add_argument("--slice", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    text = list(given.text.read_text("utf-8")[: given.slice])
    train, test = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    known: dict[str, Peer] = {"nltk": nltk, "kenlm": kenlm(given.lmplz)}
    contenders: dict[str, Peer] = {"samoyed": ours, **{name: known[name] for name in given.peers.split(",") if name}}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for _ in range(given.rounds):
        for name, contender in contenders.items():
            found[name].append(contender(train, test, given.order))
    print(f"{len(train):,} characters counted, {len(test):,} measured, order {given.order}, {given.rounds} rounds")
    for name, rounds in found.items():
        fit, measure = (statistics.median(r[i] for r in rounds) for i in (0, 1))
        ratios = [(r[0] + r[1]) / (o[0] + o[1]) for r, o in zip(rounds, found["samoyed"], strict=True)]
        spread = f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
        print(
            f"{name:<8} fit {fit:.3f} s, measure {measure:.3f} s, perplexity {rounds[0][2]:.6f}, time over ours {spread}"
        )


if __name__ == "__main__":
    main()
