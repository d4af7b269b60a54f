"""CBOW word vectors: the mean of a window predicts the word in its middle.

x = mean of v_w over the window; the loss is -log sigma(x . u_m) - sum_k log sigma(-x . u_k) over K noise words k, drawn from
count^(3/4), or with hierarchical softmax -sum_n log sigma(s_n x . u_n) over the inner nodes on the path to m in a Huffman tree
(Mikolov, Chen, Corrado & Dean 2013). Windows reach 1 to W words, drawn evenly; words are subsampled as for skip-gram.

Departures: as in word2vec.c each word of the window is moved by the whole gradient of x; `corrected` gives it its share, 1 over
their number, which is the true gradient and wants a higher learning rate (Irsoy, Benton & Stratos 2021). `shared`, which is our
own, draws the noise once for 8 middles in a row and takes their steps as one.
"""

from typing import Literal

from samoyed.layers.words import WordModel
from samoyed.settings import Count


class CBOW(WordModel):
    """windows [B, 2 W + 1], words [B, K] -> nats [B, 1] of the middle word, scores [B, 1, 1 + K], and whether there is any.

    Args:
        word_counts: How often each word was there, the commonest first.
        window: Words on either side, W.
        negatives: Noise words of each prediction, K.
        subsample: The share t above which words are left out now and then.
        embedding_size: Numbers of a vector.
        output: What predicts: negative_sampling, or hierarchical_softmax, which gives probabilities.
        corrected: Whether each word of a window is moved by its share of the gradient instead of all of it.
        shared: Whether 8 windows in a row share their noise, which is faster.
        threads: Threads that learn at once, without locks; 1 gives the same numbers every time. None takes all of torch's.
    """

    defaults = {"learning_rate": 0.05}

    def __init__(
        self,
        *,
        word_counts: tuple[int, ...],
        window: int,
        negatives: int,
        subsample: float,
        embedding_size: Count = 100,
        output: Literal["negative_sampling", "hierarchical_softmax"] = "negative_sampling",
        corrected: bool = False,
        shared: bool = False,
        threads: Count | None = None,
    ) -> None:
        super().__init__(
            word_counts, embedding_size, window, negatives, subsample, output == "hierarchical_softmax",
            cbow=True, shared=shared, corrected=corrected, threads=threads,
        )  # fmt: skip
