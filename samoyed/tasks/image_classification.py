"""Image classification: which of several classes a picture shows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import MinLen
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import DataError, UsageError, printable
from samoyed.examples import Image
from samoyed.features.augmentation import KINDS, MIRRORS, Augmentation, chosen, views
from samoyed.features.pixels import Pixels, PixelsState
from samoyed.objectives import Mean, classifier_loss, full
from samoyed.reporting import classification, deformation
from samoyed.settings import Count, Positive, Share
from samoyed.sources import Source, one_file
from samoyed.sources._pictures import Unreadable, decode
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _seeing

_SIDE_KEPT = 256  # pictures are decoded to at most this, until their final size is known


class Images(NamedTuple):
    """images uint8 [B, C, H, W]; labels int64 [B], -1 where it is a class that training did not see, or, of blended pictures,
    float32 [B, classes]: the share of each."""

    images: Tensor
    labels: Tensor


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(2)]
    pixels: PixelsState
    augment: list[str] = []
    weights: list[float] = []


class ImageClassification(Task[Image, Images]):
    """Say which class a picture belongs to.

    Raw data: a folder per class, a CSV with the columns path and label, tar or Parquet files, idx files as MNIST's, or CIFAR's
    binary files. Reported as the share of pictures classified wrongly, lower is better.

    Splits: as named (train, valid, test), else drawn per class by the seed: 20 % for the test, at most 10,000, and of what
    remains 10 % for validation, at most 5,000. Pictures that are equal to the last pixel stay in one split.

    Args:
        image_size: Side of the square that pictures are brought to; by default their own size where all agree on one of at
            most 64 x 64, else 64, or less where the pictures are smaller.
        label_smoothing: Share of the target's probability spread over all classes.
        augment: What is done to training pictures, comma-separated: crop, flip (every other epoch), random_flip, affine,
            elastic, colour, cutout, mixup; or light (crop, flip), strong (crop, flip, affine, colour, cutout), none; auto is
            light for colour pictures and none for grey ones, and never mirrors classes named by numbers or single letters.
        augment_strength: Factor on how far pictures are deformed.
        test_views: Of how many views an answer is the mean: one, mirror (two), shifted (six: each also moved by a pixel to both
            sides along the diagonal); auto is mirror where training pictures are mirrored.
        class_weights: balanced makes every class count alike in the loss, however many pictures it has.

    Examples:
        samoyed train image-classification photos/ model=lenet epochs=20
        samoyed train image-classification labels.csv model=mlp hidden_sizes=512,256 dropout=0.3
        samoyed train image-classification photos/ model=whitened_conv augment=light,colour epochs=40
        samoyed train image-classification
    """

    sample = "digits"
    example = "Image"
    model = "lenet"
    inputs = ("image_shape", "input_shape")
    outputs = ("num_classes", "output_size")
    taught = True
    defaults: ClassVar[dict[str, Any]] = {"epochs": 30, "batch_size": 64, "learning_rate": 0.002, "weight_decay": 0.01}
    watch = "error"

    def __init__(
        self,
        *,
        image_size: Count | None = None,
        label_smoothing: Share = 0.0,
        augment: tuple[
            Literal[
                "auto", "none", "light", "strong",
                "crop", "flip", "random_flip", "affine", "elastic", "colour", "cutout", "mixup",
            ], ...
        ] = ("auto",),
        augment_strength: Positive = 1.0,
        test_views: Literal["auto", "one", "mirror", "shifted"] = "auto",
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:  # fmt: skip
        self.image_size, self.label_smoothing = image_size, label_smoothing
        self.augment, self.augment_strength, self.class_weights = augment, augment_strength, class_weights
        self.test_views = test_views
        self.weights: list[float] = []

    def source_options(self) -> dict[str, Any]:
        return {"longest_side": 2 * self.image_size if self.image_size else _SIDE_KEPT}

    def split(self, parts: dict[str, list[Image]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no picture in {'the data' if name == 'all' else f'the {name} split'} can be read")
        return stratified(parts, seed, label=lambda e: e.label or "", content=lambda e: e.pixels.tobytes())

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        counts = Counter(e.label for e in everything)
        classes = sorted(counts, key=_natural)
        listed = [f"{name} {counts[name]:,}" for name in classes[:12]] + (["..."] if len(classes) > 12 else [])
        sizes = Counter(e.pixels.shape for e in everything)
        shown = [f"{w} x {h} {'grey' if c == 1 else 'colour'}" for (h, w, c), _ in sizes.most_common(3)]
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        lines = [
            ("classes", f"{len(classes)}: " + ", ".join(listed)),
            ("pictures", f"{len(everything):,}, {', '.join(shown)}{more}"),
        ]
        if self.augmentation.kinds:
            lines.append(("each epoch", "; ".join(f"{kind}: {KINDS[kind]}" for kind in self.augmentation.kinds)))
        if rare := [str(name) for name in classes if counts[name] < 10]:
            lines.append(("note", f"fewer than 10 pictures of {', '.join(rare[:8])}: expect little there"))
        return lines

    def fit(self, examples: Sequence[Image]) -> None:
        self.classes = sorted({str(e.label) for e in examples}, key=_natural)
        if len(self.classes) < 2:
            raise DataError(
                f"only one class was found ({self.classes[0]}), and one class leaves nothing to tell apart",
                where=Path(examples[0].origin).parent,
                remedy="add a second folder, for example of everything that is not of that class",
            )
        self.pixels = Pixels.learn([e.pixels for e in examples], self.image_size)
        self._deform_by(chosen(self.augment, self.pixels.channels, self.classes))
        if self.class_weights == "balanced":
            counts = Counter(str(e.label) for e in examples)
            self.weights = [len(examples) / len(counts) / counts[name] for name in self.classes]

    def _deform_by(self, kinds: Sequence[str]) -> None:
        self.augmentation = Augmentation(kinds, self.augment_strength, [255 * mean for mean in self.pixels.mean])

    def take_over(self, other: "ImageClassification") -> bool:
        side = (self.image_size, self.image_size) if self.image_size else (other.pixels.height, other.pixels.width)
        self.pixels = Pixels(other.pixels.channels, *side, other.pixels.mean, other.pixels.deviation)
        self._deform_by(chosen(self.augment, self.pixels.channels, self.classes))
        return self.classes == other.classes

    def state(self) -> dict[str, Any]:
        kinds = list(self.augmentation.kinds)
        return {"classes": self.classes, "pixels": self.pixels.state(), "augment": kinds, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.classes, self.pixels, self.weights = found.classes, Pixels(**found.pixels.model_dump()), found.weights
        if not set(found.augment) <= set(KINDS):
            raise ValueError(f"pictures cannot be deformed by {sorted(set(found.augment) - set(KINDS))}")
        self._deform_by(found.augment)

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        return {
            "image_shape": shape,
            "input_shape": shape,
            "num_classes": len(self.classes),
            "output_size": len(self.classes),
        }

    def collate(self, examples: Sequence[Image]) -> Images:
        index = {name: i for i, name in enumerate(self.classes)}
        labels = torch.tensor([index.get(str(e.label), -1) for e in examples], dtype=torch.int64)
        if bool((labels < 0).all()):
            theirs = ", ".join(sorted({printable(str(e.label)) for e in examples}, key=_natural)[:5])
            raise DataError(
                f"none of its classes ({theirs}) is one that was learned ({printable(', '.join(self.classes[:5]))})",
                where=examples[0].origin,
                remedy="name folders or labels as in training",
            )
        return Images(self.pixels.stack([e.pixels for e in examples]), labels)

    def batches(self, data: Images, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Images]:
        """As every task's; for an epoch, deformed by draws that depend on nothing but the seed, the epoch and the place in it."""
        if epoch is None or not self.augmentation.kinds:
            yield from super().batches(data, batch_size, seed=seed, epoch=epoch)
            return
        indices = batching.order(len(data.labels), seed, epoch)
        began = torch.randint(2, (len(indices),), generator=batching.generator(seed, 0)).bool()  # in the mirror or not
        for place, some in enumerate(torch.split(indices, batch_size)):
            images, labels = batching.take(data, some.to(data.labels.device))
            draw = batching.generator(seed, epoch, place)
            images = self.augmentation.deform(images, draw, began[some] ^ bool(epoch % 2))
            if "mixup" in self.augmentation.kinds:
                images, labels = self.augmentation.mix(images, labels, len(self.classes), draw)
            yield Images(images, labels)

    def objective(self, model: nn.Module, batch: Images) -> Mean:
        weights = torch.tensor(self.weights, device=batch.labels.device) if self.weights else None
        return classifier_loss(model, self.pixels.normalise(batch.images), batch.labels, self.label_smoothing, weights)

    @property
    def reported(self) -> dict[str, Metric]:
        return {"error": Metric("%", percent=True), "loss": Metric("nats")}

    def metrics(self, model: nn.Module, batch: Images) -> dict[str, Mean]:
        log_probs = self.logits(model, batch.images).log_softmax(-1)
        known = batch.labels.clamp(min=0)  # a class that training did not see can only be missed
        surprise = -log_probs.gather(1, known[:, None])[:, 0]
        return {"error": Mean.of((log_probs.argmax(-1) != batch.labels).float()), "loss": Mean.of(surprise)}

    def logits(self, model: nn.Module, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> [B, classes], the mean over the views of `test_views`."""
        return self.viewed(model, self.pixels.normalise(images))

    def viewed(self, model: nn.Module, shown: Tensor) -> Tensor:
        """As `logits`, of normalised pictures float [B, C, H, W]."""
        how = self.test_views
        if how == "auto":
            mirrored = set(MIRRORS) & set(self.augmentation.kinds) and not hasattr(model, "fit")
            how = "mirror" if mirrored else "one"
        answers = [full(model(view)) for view in views(shown, how)]
        return answers[0] if len(answers) == 1 else torch.stack(answers).mean(0)

    def fitting(self, data: Images) -> tuple[Tensor, ...]:
        return self.pixels.normalise(data.images), data.labels

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

    def answers(self, model: nn.Module, examples: Sequence[Image], **options: Any) -> list[dict[str, Any]]:
        images = self.pixels.stack([e.pixels for e in examples]).to(self.device)
        made = []
        for example, probs in zip(examples, self.logits(model, images).softmax(-1).tolist(), strict=True):
            ranked = sorted(zip(self.classes, probs, strict=True), key=lambda pair: -pair[1])
            made.append({"input": example.origin, "label": ranked[0][0], "probs": dict(ranked)})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        first = [f"{name} {p:.1%}" for name, p in list(answer["probs"].items())[:3]]
        return printable(f"{answer['input']}: {answer['label']}  ({', '.join(first)})")

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Images]) -> list[Picture]:
        held_out = data["test"]
        log_probs = torch.cat([self.logits(model, b.images).log_softmax(-1).cpu() for b in self.batches(held_out, 512)])
        labels = held_out.labels.cpu()
        names = [printable(name) for name in self.classes]
        descended = not hasattr(model, "fit")  # what is fitted sees each training picture once, as it is
        shown = [self._deformed(data["train"])] if self.augmentation.kinds and descended else []
        return [
            *shown,
            classification.confusion(log_probs, labels, names),
            classification.mistakes(log_probs, labels, names, held_out.images.cpu()),
            *classification.filters(model),
            classification.calibration(log_probs, labels),
            *_seeing.seen(self, model, held_out),
        ]

    def explain(self, model: nn.Module, example: Image) -> dict[str, Any]:
        """How far hiding each pixel's surroundings lowers the answer, as `heat` [H][W], with a sentence: JSON."""
        return _seeing.heat(self, model, example)

    def explained(self, model: nn.Module, example: Image) -> list[Picture]:
        """Maps of the layers, the first filters, and which pixels the answer rests on."""
        return _seeing.explained(self, model, example)

    def _deformed(self, train: Images) -> Picture:
        """Training pictures as they are, and in each of the first epochs."""
        some = Images(*(tensor[:6] for tensor in train))
        forms = [some.images]
        for epoch in range(1, 8):
            (batch,) = self.batches(some, len(some.labels), epoch=epoch)
            back = batching.order(len(some.labels), 0, epoch).argsort().to(batch.images.device)
            forms.append(batch.images[back])
        return deformation.sheet(torch.stack(forms, 1).cpu(), self.augmentation.kinds)


def _natural(name: str | None) -> tuple[int, int, str]:
    """Numbers in numeric order, before words in alphabetic order."""
    text = str(name)
    return (0, int(text), text) if text.isascii() and text.isdigit() else (1, 0, text)
