"""Video classification: which of several classes a clip belongs to."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor

from samoyed.errors import DataError, UsageError, shown
from samoyed.examples import Clip
from samoyed.features.pixels import Pixels, PixelsState
from samoyed.settings import Count, Share
from samoyed.sources import Source, one_file
from samoyed.sources._clips import decode, spread
from samoyed.sources._pictures import Unreadable
from samoyed.stored import Stored
from samoyed.tasks import Split
from samoyed.tasks._blocks import BlockClassification
from samoyed.tasks._classes import divided, learned, listed

_MOST_FRAMES = 16
_SIDE_KEPT = 128  # frames are decoded to at most this, until their final size is known


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(2)]
    counts: list[int]
    pixels: PixelsState
    frames: Annotated[int, Ge(1), Le(2**12)]


class VideoClassification(BlockClassification[Clip]):
    """Say which class a clip belongs to: an action, a gesture, a kind of movement.

    Raw data: a folder per class, in it a folder of frames, a GIF, an animated WebP or PNG, or a video file (MP4, MOV, MKV, WebM, AVI,
    MPEG, with samoyed[video]) per clip; or a CSV or TSV with the columns path and label. Reported as the share of clips classified
    wrongly, lower is better; balanced error weighs each class alike, however rare it is.

    Splits: as named (train, valid, test), else drawn per class by the seed: 20 % for the test, at most 10,000, and of what
    remains 10 % for validation, at most 5,000; clips that are equal stay together. Of each clip some frames are seen, evenly spread
    from its first to its last.

    Args:
        frames: Frames of a clip that are seen; by default as many as the longest training clip has, at most 16.
        image_size: Side of the square that frames are brought to; by default their own size where all agree on one of at most
            64 x 64, else 64, or less where the frames are smaller.
        augment: Whether training moves the pictures of a block together by up to an eighth of their sides, anew in each epoch.
        label_smoothing: Share of the target's probability spread over all classes.
        class_weights: balanced makes every class count alike in the loss, however many clips it has.

    Examples:
        samoyed train video-classification clips/ epochs=40
        samoyed train video-classification clips.csv model=lrcn frames=32 image_size=48
        samoyed train video-classification model=frame_conv
        samoyed predict runs/video-classification/1 waving.gif
    """

    sample = "moving_shapes"
    example = "Clip"
    model = "conv_3d"
    inputs = ("block_shape",)
    outputs = ("num_classes",)
    relearns = ("classes", "counts")
    inherits = ("frames", "image_size")
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
    }
    watch = "error"
    noun, step = "clips", "frame"

    def __init__(
        self,
        *,
        frames: Count | None = None,
        image_size: Count | None = None,
        augment: bool = True,
        label_smoothing: Share = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        self.frames, self.image_size = frames, image_size
        self.augment, self.label_smoothing, self.class_weights = augment, label_smoothing, class_weights

    def source_options(self) -> dict[str, Any]:
        side = 2 * self.image_size if self.image_size else _SIDE_KEPT
        return {"frames": self.frames or _MOST_FRAMES, "longest_side": side}

    def split(self, parts: dict[str, list[Clip]], seed: int) -> Split:
        return divided(parts, seed, "clip", "frames")

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        sizes = Counter(e.frames.shape[1:] for e in everything).most_common()
        kinds = [f"{w} x {h} {'grey' if c == 1 else 'colour'}" for (h, w, c), _ in sizes[:3]]
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        lengths = [len(e.frames) for e in everything]
        many = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
        return listed(everything, "clips", f"{len(everything):,}, {many} frames of {', '.join(kinds)}{more}")

    def fit(self, examples: Sequence[Clip]) -> None:
        self.classes, self.counts = learned(examples)
        self.depth = self.frames or min(_MOST_FRAMES, max(len(e.frames) for e in examples))
        self.pixels = Pixels.learn([frame for e in examples for frame in self._chosen(e)], self.image_size)

    def state(self) -> dict[str, Any]:
        kept = {"classes": self.classes, "counts": self.counts, "frames": self.depth}
        return {**kept, "pixels": self.pixels.state()}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.classes, self.counts, self.depth = found.classes, found.counts, found.frames
        self.pixels = Pixels(**found.pixels.model_dump())

    def blocks_of(self, examples: Sequence[Clip]) -> Tensor:
        flat = self.pixels.stack([frame for e in examples for frame in self._chosen(e)])
        return flat.view(len(examples), self.depth, *flat.shape[1:])

    def read(self, raw: Any) -> Clip:
        if isinstance(raw, Clip):
            return checked(raw)
        if isinstance(raw, np.ndarray):
            return checked(Clip(raw[..., None] if raw.ndim == 3 else raw, None, "array"))
        path = one_file(raw, "clip", folder=True)
        options = self.source_options()
        try:
            return Clip(decode(path, options["frames"], options["longest_side"]), None, str(path))
        except Unreadable as error:
            raise DataError(str(error), where=path) from error

    def _chosen(self, example: Clip) -> list[Any]:
        """`depth` frames [H, W, C], evenly spread; of fewer some stand twice."""
        total = len(example.frames)
        places = spread(total, self.depth)
        if total < self.depth:
            places = torch.linspace(0, total - 1, self.depth).round().long().tolist()
        return [example.frames[i] for i in places]


def checked(clip: Clip) -> Clip:
    """The clip itself. Raises UsageError for what is none."""
    frames = clip.frames
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3) or not frames.size:
        raise UsageError(
            f"an array of {frames.dtype} {shown(frames.shape)} is no clip",
            remedy="give uint8 [frames, height, width] or [frames, height, width, 3]",
        )
    return clip
