"""Skip-gram word vectors: each word of a window predicts the one in its middle.

Negative sampling: the loss of a pair of words (w in the window of m) is -log sigma(v_w . u_m) - sum_k log sigma(-v_w . u_k) over K
noise words k, drawn from count^(3/4) (Mikolov, Sutskever, Chen, Corrado & Dean 2013). Hierarchical softmax: -sum_n log
sigma(s_n v_w . u_n) over the inner nodes n on the path to m in a Huffman tree, s_n = +1 or -1 for its turns (Morin & Bengio 2005).
Windows reach 1 to W words, drawn evenly; a word of share f is kept with the chance sqrt(t / f) + t / f. `shared` draws the noise
once for all pairs of a window and takes their steps as one (Ji, Satish, Li & Dubey 2016).

Departures: as word2vec.c, and unlike the paper, the context predicts the middle word, and the subsampling formula has a second
term. Unlike word2vec.c sigma is not looked up in a table, noise is drawn exactly, and a step's noise words move together.
"""

from typing import Literal

from samoyed.layers.words import WordModel
from samoyed.settings import Count


class SkipGram(WordModel):
    """windows [B, 2 W + 1], words [B, K] -> nats [B, 2 W] of each pair, scores [B, 2 W, 1 + K], and which pairs there are.

    Args:
        word_counts: How often each word was there, the commonest first.
        window: Words on either side, W.
        negatives: Noise words of each prediction, K.
        subsample: The share t above which words are left out now and then.
        embedding_size: Numbers of a vector.
        output: What predicts: negative_sampling, or hierarchical_softmax, which gives probabilities.
        shared: Whether the pairs of a window share their noise, which is faster.
        threads: Threads that learn at once, without locks; 1 gives the same numbers every time. None takes all of torch's.
    """

    defaults = {"learning_rate": 0.025}

    def __init__(
        self,
        *,
        word_counts: tuple[int, ...],
        window: int,
        negatives: int,
        subsample: float,
        embedding_size: Count = 100,
        output: Literal["negative_sampling", "hierarchical_softmax"] = "negative_sampling",
        shared: bool = False,
        threads: Count | None = None,
    ) -> None:
        super().__init__(
            word_counts, embedding_size, window, negatives, subsample, output == "hierarchical_softmax",
            cbow=False, shared=shared, threads=threads,
        )  # fmt: skip
