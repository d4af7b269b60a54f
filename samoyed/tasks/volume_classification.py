"""Volume classification: which of several classes a stack of slices belongs to."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray
from torch import Tensor

from samoyed.errors import DataError, UsageError, shown
from samoyed.examples import Volume
from samoyed.features.pixels import Pixels
from samoyed.features.volumes import Voxels, VoxelsState
from samoyed.settings import Count, Share
from samoyed.sources import Source, one_file
from samoyed.sources._pictures import Unreadable
from samoyed.sources._volumes import averaged, decode
from samoyed.stored import Stored
from samoyed.tasks import Split
from samoyed.tasks._blocks import BlockClassification
from samoyed.tasks._classes import divided, learned, listed

_SIDE_KEPT = 96  # volumes are read to at most this many voxels to a side, until their final size is known


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(2)]
    counts: list[int]
    voxels: VoxelsState
    mean: float
    deviation: float


class VolumeClassification(BlockClassification[Volume]):
    """Say which class a volume belongs to: a scan of a body, a stack of slices under a microscope, a solid.

    Raw data: a folder per class, in it a folder of slices, a TIFF of several pages or a .npy file [slices, height, width] per
    volume; or a CSV or TSV with the columns path and label. Reported as the share of volumes classified wrongly, lower is better;
    balanced error weighs each class alike, however rare it is.

    Splits: as named (train, valid, test), else drawn per class by the seed: 20 % for the test, at most 10,000, and of what
    remains 10 % for validation, at most 5,000; volumes that are equal stay together. Values may be of any unit: 256 levels are kept
    between the lowest and the highest thousandth of the training split.

    Args:
        volume_size: Side of the cube that volumes are brought to; by default their own size where all agree on one of at most 48
            to a side, else 32, or less where the volumes are smaller.
        augment: Whether training moves the pictures of a block together by up to an eighth of their sides, anew in each epoch.
        label_smoothing: Share of the target's probability spread over all classes.
        class_weights: balanced makes every class count alike in the loss, however many volumes it has.

    Examples:
        samoyed train volume-classification scans/ epochs=40
        samoyed train volume-classification scans.csv volume_size=24 class_weights=balanced
        samoyed train volume-classification model=lrcn bidirectional=true
        samoyed predict runs/volume-classification/1 scan.npy
    """

    sample = "cut_solids"
    example = "Volume"
    model = "conv_3d"
    inputs = ("block_shape",)
    outputs = ("num_classes",)
    relearns = ("classes", "counts")
    inherits = ("volume_size",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
    }
    watch = "error"
    noun, step = "volumes", "slice"

    def __init__(
        self,
        *,
        volume_size: Count | None = None,
        augment: bool = True,
        label_smoothing: Share = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        self.volume_size = volume_size
        self.augment, self.label_smoothing, self.class_weights = augment, label_smoothing, class_weights

    def source_options(self) -> dict[str, Any]:
        return {"longest_side": 2 * self.volume_size if self.volume_size else _SIDE_KEPT}

    def split(self, parts: dict[str, list[Volume]], seed: int) -> Split:
        return divided(parts, seed, "volume", "voxels")

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        sizes = Counter(e.voxels.shape for e in everything).most_common()
        kinds = ["{} x {} x {}".format(*shape) for shape, _ in sizes[:3]]
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        low, high = min(float(e.voxels.min()) for e in everything), max(float(e.voxels.max()) for e in everything)
        about = f"{len(everything):,}, slices x height x width {', '.join(kinds)}{more}, values {low:.4g} to {high:.4g}"
        return listed(everything, "volumes", about)

    def fit(self, examples: Sequence[Volume]) -> None:
        self.classes, self.counts = learned(examples)
        small = self._small(examples)
        self.voxels = Voxels.learn(small, self.volume_size)
        values = self.voxels.stack(small).float() / 255
        self._scale(float(values.mean()), max(1e-3, float(values.std())))

    def _scale(self, mean: float, deviation: float) -> None:
        self.depth = self.voxels.depth
        self.pixels = Pixels(1, self.voxels.height, self.voxels.width, [mean], [deviation])

    def state(self) -> dict[str, Any]:
        (mean,), (deviation,) = self.pixels.mean, self.pixels.deviation
        kept = {"classes": self.classes, "counts": self.counts, "mean": mean, "deviation": deviation}
        return {**kept, "voxels": self.voxels.state()}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.classes, self.counts = found.classes, found.counts
        self.voxels = Voxels(**found.voxels.model_dump())
        self._scale(found.mean, found.deviation)

    def blocks_of(self, examples: Sequence[Volume]) -> Tensor:
        return self.voxels.stack(self._small(examples))[:, :, None]

    def _small(self, examples: Sequence[Volume]) -> list[NDArray[np.float32]]:
        """The voxels of each, averaged as those of files are while they are read."""
        longest = self.source_options()["longest_side"]
        return [averaged(e.voxels, longest) for e in examples]

    def read(self, raw: Any) -> Volume:
        if isinstance(raw, np.ndarray):
            raw = Volume(raw, None, "array")
        if isinstance(raw, Volume):
            if raw.voxels.ndim != 3 or not raw.voxels.size or raw.voxels.dtype.kind not in "buif":
                what = f"an array of {raw.voxels.dtype} {shown(raw.voxels.shape)} is no volume"
                raise UsageError(what, remedy="give numbers as [slices, height, width]")
            if not np.isfinite(raw.voxels).all():
                raise UsageError("the volume holds numbers that are none")
            return raw
        path = one_file(raw, "volume", folder=True)
        try:
            return Volume(decode(path, self.source_options()["longest_side"]), None, str(path))
        except Unreadable as error:
            raise DataError(str(error), where=path) from error
