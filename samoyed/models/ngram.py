"""N-grams with interpolated modified Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999).

p(w | h) = (c(h w) - D(c(h w))) / c(h .) + g(h) p(w | h'), down to the uniform distribution; layers/kneser_ney states all of it.
Counting learns no features: every context is a thing of its own, and so is every token (Bengio 2003). It is what a neural
language model has to beat on the same text. No departure.
"""

from samoyed.layers.ngrams import Ngrams
from samoyed.settings import Count


class Ngram(Ngrams):
    """tokens [B, T] -> logits [B, T, V] of the token after each; brings its own `fit`, so nothing is descended.

    Args:
        vocab_size: Number of tokens.
        order: Most tokens that an n-gram has; None tries 2, 3, ... on the last tenth of the training text, having counted the
            rest, until a longer one is no better.
    """

    def __init__(self, *, vocab_size: int, order: Count | None = None) -> None:
        super().__init__(vocab_size, order)
