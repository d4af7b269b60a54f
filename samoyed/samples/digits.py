"""1,797 scans of handwritten digits, 8 x 8 grey (Alpaydin & Kaynak 1998), as shipped by scikit-learn."""

import numpy as np

from samoyed.examples import Image


def examples() -> list[Image]:
    """Every digit; the 17 grey levels are spread over 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return [Image(p, str(t), f"digits#{i}") for i, (p, t) in enumerate(zip(pixels, digits.target, strict=True))]
