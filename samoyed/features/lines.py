"""Pictures of lines -> rows of grey of one height: ink bright on dark, as wide as their shape says. Legend: H height, W width."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def line(pixels: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """pixels uint8 [H, W, C] -> uint8 [height, W'], of the same shape. Where most is bright, the ink is dark, and is turned."""
    grey = pixels[..., 0] if pixels.shape[2] == 1 else np.asarray(Image.fromarray(pixels).convert("L"))
    if grey.shape[0] != height:
        size = width(pixels.shape, height), height
        grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))
    return 255 - grey if np.median(grey) > 127 else np.array(grey)


def width(shape: tuple[int, ...], height: int) -> int:
    """How wide a picture [H, W, C] is at this height."""
    return max(1, round(shape[1] * height / shape[0]))
