"""359 strings of five handwritten digits, joined by the program from the 1,797 scans that scikit-learn ships, each used once."""

import numpy as np

from samoyed.examples import TextLine
from samoyed.samples import digits


def examples() -> list[TextLine]:
    """In a fixed order; digits lie 1 to 4 columns apart. Since no scan is used twice, no test string holds one of training."""
    scans = digits.examples()
    draw = np.random.default_rng(0)
    order = draw.permutation(len(scans))
    found = []
    for number in range(len(scans) // 5):
        parts = [np.zeros((8, 2, 1), np.uint8)]
        said = ""
        for i in order[5 * number : 5 * number + 5]:
            parts += [scans[i].pixels, np.zeros((8, draw.integers(1, 5), 1), np.uint8)]
            said += scans[i].label or ""
        found.append(TextLine(np.concatenate(parts, 1), said, f"digit string {number}"))
    return found
