"""What one raw datum is. An example is unbatched, holds NumPy or plain Python values, and knows where it came from.

Legend: H height, W width, C channels, T time, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. `pixels` [H, W, C] uint8, C = 1 (grey) or 3 (red, green, blue); `label` is None where it is not known."""

    pixels: NDArray[np.uint8]
    label: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text, as one string with its line breaks."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text that belongs to a class; `label` is None where it is not known. `phrases`: parts of it and the class of each, where
    the data say them."""

    text: str
    label: str | None
    origin: str
    phrases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text in tokens with one tag each, such as B-PER, I-PER or O; `tags` is None where they are not known."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None
    origin: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts of which the second answers the first: a sentence and its translation, a text and its summary, a question and
    its reply. `target` is empty where it is not known."""

    source: str
    target: str
    origin: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording and what is said in it. `samples` float32 [T] from -1 to 1, `rate` of them a second; `transcript` is None
    where it is not known."""

    samples: NDArray[np.float32]
    rate: int
    transcript: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound that belongs to a class. `samples` float32 [T] from -1 to 1, `rate` of them a second; `label` is None where it is
    not known."""

    samples: NDArray[np.float32]
    rate: int
    label: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A sound of which stretches of time have labels, such as phones. `samples` float32 [T] from -1 to 1, `rate` of them a second;
    `intervals` are (begin, end, label) in seconds, in order and without overlap, or None where they are not known."""

    samples: NDArray[np.float32]
    rate: int
    intervals: tuple[tuple[float, float, str], ...] | None
    origin: str


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures in the order of time. `frames` [T, H, W, C] uint8, C = 1 or 3; `label` is None where it is not known."""

    frames: NDArray[np.uint8]
    label: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class TaggedClip:
    """Pictures in the order of time, each with any number of tags. `frames` [T, H, W, C] uint8, C = 1 or 3; `tags`, those of each frame, is
    None where they are not known. `times` [T + 1] float64 are the moments at which the frames begin and at which the last ends, in
    `unit`: seconds, or frames where only their numbers are known, from 0."""

    frames: NDArray[np.uint8]
    tags: tuple[tuple[str, ...], ...] | None
    origin: str
    times: NDArray[np.float64] | None = None
    unit: str = "frames"


@dataclass(frozen=True, slots=True)
class Volume:
    """Grey values in space. `voxels` [D, H, W] float32, in any unit, D slices; `label` is None where it is not known."""

    voxels: NDArray[np.float32]
    label: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class TextLine:
    """A picture of one line of writing. `pixels` [H, W, C] uint8, C = 1 or 3; `transcript` is None where it is not known."""

    pixels: NDArray[np.uint8]
    transcript: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """A picture and sentences that each describe it. `pixels` [H, W, C] uint8, C = 1 or 3; `captions` is empty where none is
    known."""

    pixels: NDArray[np.uint8]
    captions: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Series:
    """A regular time series. `values` [T, F] float64; `names` of the F columns; `times`, T labels as the file has them."""

    values: NDArray[np.float64]
    names: tuple[str, ...]
    times: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a pen wrote or drew. `text` is what it says or shows, empty where that is not known; `strokes` are the points
    [T, 2] float32 of each time that the pen was on the paper, x rightwards and y downwards, in order, in any unit."""

    text: str
    origin: str
    strokes: tuple[NDArray[np.float32], ...] = ()


Example = (
    Image
    | Text
    | LabelledText
    | TaggedText
    | Pair
    | Utterance
    | Recording
    | LabelledRecording
    | Clip
    | TaggedClip
    | Volume
    | TextLine
    | CaptionedImage
    | Series
    | Drawing
)
