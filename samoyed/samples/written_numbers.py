"""3,000 numbers below a million, written out in English and in French by num2words."""

import random

from samoyed.errors import require
from samoyed.examples import Pair


def examples() -> list[Pair]:
    """In a fixed order: all below a thousand, 800 below ten thousand and 1,200 above, each once, drawn for good."""
    require("num2words", "text")
    from num2words import num2words

    draw = random.Random(0)
    numbers = [*range(1000), *draw.sample(range(1000, 10_000), 800)]
    numbers += draw.sample(range(10_000, 1_000_000), 1200)
    draw.shuffle(numbers)
    return [Pair(num2words(n, lang="en"), num2words(n, lang="fr"), f"the number {n}") for n in numbers]
