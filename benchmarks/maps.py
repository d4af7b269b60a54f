"""The map of words, t-SNE, beside openTSNE's: seconds, and how good the maps are, on the same vectors.

    python -m benchmarks.maps VECTORS.txt --words 500,2000 --rounds 5

VECTORS is in word2vec's or GloVe's format; its first words are taken as unit vectors. Both have the same perplexity, 1,000 rounds
of descent from the principal components, and as many threads; openTSNE (`pip install openTSNE`) chooses its algorithms by itself.
Quality is trustworthiness: how few of a word's 12 neighbours on the map are none among the vectors (Venna & Kaski 2001); 1 is
best. Contenders take turns in one process; medians of seconds and of the rounds' ratios, lowest to highest.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from samoyed.explaining.word_map import project
from samoyed.features.vectors import read

Points = NDArray[np.float32]


def opened(points: Points, threads: int) -> Points:
    """openTSNE's map."""
    from openTSNE import TSNE

    perplexity = max(1.0, min(30.0, (len(points) - 1) / 4))
    learner = TSNE(2, perplexity=perplexity, early_exaggeration_iter=250, n_iter=750, n_jobs=threads, random_state=0)
    return np.asarray(learner.fit(points), dtype=np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--words", default="500,2000", help="numbers of words, parted by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(arguments)
    print("| words | Samoyed, s | openTSNE, s | openTSNE's time over ours | trustworthiness | openTSNE's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count in map(int, asked.words.split(",")):
        vectors = read(asked.vectors, most=count).vectors.astype(np.float32)
        units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        seconds: list[list[float]] = [[], []]
        made: list[Points] = [units, units]
        for number in range(asked.rounds + 1):
            for who in (0, 1):
                began = time.perf_counter()
                made[who] = opened(units, asked.threads) if who else project(units)
                if number:  # the first is thrown away
                    seconds[who].append(time.perf_counter() - began)
        ratios = [b / a for a, b in zip(*seconds, strict=True)]
        good = [trustworthiness(units, places, n_neighbors=12) for places in made]
        ours, theirs = map(statistics.median, seconds)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {len(units)} | {ours:.2f} | {theirs:.2f} | {spread} | {good[0]:.3f} | {good[1]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
