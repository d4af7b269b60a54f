"""What the tasks of pictures share: pictures are read, brought to one size, deformed in training, and answered from several views.

Legend: B batch, C channels, H height, W width.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import DataError, UsageError
from samoyed.examples import Image
from samoyed.features.augmentation import MIRRORS, Augmentation, views
from samoyed.features.pixels import Pixels
from samoyed.objectives import full
from samoyed.reporting import deformation
from samoyed.sources import one_file
from samoyed.sources._pictures import Unreadable, decode
from samoyed.tasks import Picture, Task

_SIDE_KEPT = 256  # pictures are decoded to at most this, until their final size is known


class Images(NamedTuple):
    """images uint8 [B, C, H, W]; labels int64 [B], -1 where it is one that training did not see, or float32 [B, classes]: the share
    of each in a blended picture, or 1 for each of several labels."""

    images: Tensor
    labels: Tensor


class PictureTask(Task[Image, Images]):
    """A task whose examples are pictures. Its constructor sets `image_size`, `augment_strength` and `test_views`; its `fit` sets
    `pixels` and calls `deform_by`."""

    image_size: int | None
    augment_strength: float
    test_views: str
    pixels: Pixels
    augmentation: Augmentation

    def source_options(self) -> dict[str, Any]:
        return {"longest_side": 2 * self.image_size if self.image_size else _SIDE_KEPT}

    def deform_by(self, kinds: Sequence[str]) -> None:
        """Says what is done to training pictures."""
        self.augmentation = Augmentation(kinds, self.augment_strength, [255 * mean for mean in self.pixels.mean])

    def take_pixels(self, other: "PictureTask") -> None:
        """The channels, scale and, unless another is asked for, the size of another run's pictures."""
        side = (self.image_size, self.image_size) if self.image_size else (other.pixels.height, other.pixels.width)
        self.pixels = Pixels(other.pixels.channels, *side, other.pixels.mean, other.pixels.deviation)

    def order(self, data: Images, seed: int, epoch: int) -> Tensor:
        """The order of training pictures in an epoch, int64 [N]."""
        return batching.order(len(data.labels), seed, epoch)

    def batches(self, data: Images, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Images]:
        """As every task's; for an epoch, deformed by draws that depend on nothing but the seed, the epoch and the place in it."""
        indices = None if epoch is None else self.order(data, seed, epoch)
        if indices is None or epoch is None or not self.augmentation.kinds:
            yield from batching.batches(data, batch_size, indices)
            return
        began = torch.randint(2, (len(indices),), generator=batching.generator(seed, 0)).bool()  # in the mirror or not
        for place, some in enumerate(torch.split(indices, batch_size)):
            images, labels = batching.take(data, some.to(data.labels.device))
            draw = batching.generator(seed, epoch, place)
            images = self.augmentation.deform(images, draw, began[some] ^ bool(epoch % 2))
            yield self.blended(Images(images, labels), draw)

    def blended(self, batch: Images, draw: torch.Generator) -> Images:
        """The deformed batch; a task that can blend labels blends pictures too."""
        return batch

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> what the model says of them [B, outputs], the mean over the views of `test_views`."""
        return self.viewed(model, self.pixels.normalise(images))

    def viewed(self, model: nn.Module, shown: Tensor) -> Tensor:
        """As `logits`, of normalised pictures float [B, C, H, W]."""
        how = self.test_views
        if how == "auto":
            mirrored = set(MIRRORS) & set(self.augmentation.kinds) and not hasattr(model, "fit")
            how = "mirror" if mirrored else "one"
        answers = [full(model(view)) for view in views(shown, how)]
        return answers[0] if len(answers) == 1 else torch.stack(answers).mean(0)

    def read(self, raw: Any) -> Image:
        if isinstance(raw, Image):
            return raw
        if isinstance(raw, np.ndarray):
            pixels = raw[:, :, None] if raw.ndim == 2 else raw
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
                raise UsageError(
                    f"an array of {raw.dtype} {raw.shape} is no picture", remedy="give uint8 [H, W] or [H, W, 3]"
                )
            return Image(pixels, None, "array")
        path = one_file(raw, "picture")
        try:
            return Image(decode(path, self.source_options()["longest_side"]), None, str(path))
        except Unreadable as error:
            raise DataError(str(error), where=path) from error

    def answer(self, model: nn.Module, example: Image) -> dict[str, Any]:
        return self.answers(model, [example])[0]

    def deformed(self, model: nn.Module, train: Images) -> list[Picture]:
        """Training pictures as they are, and in each of the first epochs, if anything is done to them: what is fitted sees each of
        them once, as it is."""
        if not self.augmentation.kinds or hasattr(model, "fit"):
            return []
        some = Images(*(tensor[:6] for tensor in train))
        forms = [some.images]
        for epoch in range(1, 8):
            (batch,) = self.batches(some, len(some.labels), epoch=epoch)
            back = self.order(some, 0, epoch).argsort().to(batch.images.device)
            forms.append(batch.images[back])
        return [deformation.sheet(torch.stack(forms, 1).cpu(), self.augmentation.kinds)]


def sizes_found(examples: Sequence[Image]) -> str:
    """How many pictures there are, and of which sizes."""
    sizes = Counter(e.pixels.shape for e in examples)
    shown = [f"{w} x {h} {'grey' if c == 1 else 'colour'}" for (h, w, c), _ in sizes.most_common(3)]
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    return f"{len(examples):,}, {', '.join(shown)}{more}"


def natural(name: str | None) -> tuple[int, int, str]:
    """Numbers in numeric order, before words in alphabetic order."""
    text = str(name)
    return (0, int(text), text) if text.isascii() and text.isdigit() else (1, 0, text)
