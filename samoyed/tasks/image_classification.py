"""Image classification: which of several classes a picture shows, or which labels it has."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from samoyed.errors import DataError, UsageError, printable
from samoyed.examples import Image
from samoyed.features.augmentation import KINDS, chosen
from samoyed.features.pixels import Pixels, PixelsState
from samoyed.objectives import Mean
from samoyed.reporting import classification
from samoyed.settings import Count, Positive, Share
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, _seeing
from samoyed.tasks._labelling import labelling
from samoyed.tasks._pictures import Images, PictureTask, natural, sizes_found

__all__ = ["ImageClassification", "Images"]


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(1)]
    pixels: PixelsState
    augment: list[str] = []
    weights: list[float] = []


class ImageClassification(PictureTask):
    """Say which class a picture belongs to, or which of several labels it has.

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
        label_separator: The sign between the labels of one picture in a table's column label or labels (comma, semicolon, bar,
            space, or the sign itself in quotes): each label is then answered by itself, and a picture may have none.

    Examples:
        samoyed train image-classification photos/ model=lenet epochs=20
        samoyed train image-classification labels.csv model=mlp hidden_sizes=512,256 dropout=0.3
        samoyed train image-classification photos/ model=whitened_conv augment=light,colour epochs=40
        samoyed train image-classification photos.csv label_separator=semicolon
        samoyed train image-classification
    """

    sample = "digits"
    example = "Image"
    model = "lenet"
    inputs = ("image_shape", "input_shape")
    outputs = ("num_classes", "output_size")
    taught = True
    defaults: ClassVar[dict[str, Any]] = {"epochs": 30, "batch_size": 64, "learning_rate": 0.002, "weight_decay": 0.01}
    watch: str = "error"

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
        label_separator: str | None = None,
    ) -> None:  # fmt: skip
        self.image_size, self.label_smoothing = image_size, label_smoothing
        self.augment, self.augment_strength, self.class_weights = augment, augment_strength, class_weights
        self.test_views, self.labelling = test_views, labelling(label_separator)
        self.watch = self.labelling.watch
        self.weights: list[float] = []

    def split(self, parts: dict[str, list[Image]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no picture in {'the data' if name == 'all' else f'the {name} split'} can be read")
        of = self.labelling.stratum([example for examples in parts.values() for example in examples])
        return stratified(parts, seed, label=of, content=lambda e: e.pixels.tobytes())

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        counts = Counter(name for e in everything for name in self.labelling.of(e))
        classes = sorted(counts, key=natural)
        listed = [f"{name} {counts[name]:,}" for name in classes[:12]] + (["..."] if len(classes) > 12 else [])
        lines = [("classes", f"{len(classes)}: " + ", ".join(listed)), *self.labelling.noted(everything)]
        lines.append(("pictures", sizes_found(everything)))
        if self.augmentation.kinds:
            lines.append(("each epoch", "; ".join(f"{kind}: {KINDS[kind]}" for kind in self.augmentation.kinds)))
        rare = [name for name in classes if counts[name] < 10]
        if rare:
            lines.append(("note", f"fewer than 10 pictures of {', '.join(rare[:8])}: expect little there"))
        return lines

    def fit(self, examples: Sequence[Image]) -> None:
        counts = Counter(name for e in examples for name in self.labelling.of(e))
        self.classes = sorted(counts, key=natural)
        if len(self.classes) < self.labelling.least:
            found = f"only one class was found ({self.classes[0]})" if self.classes else "no picture has a label"
            raise DataError(
                f"{found}, which leaves nothing to tell apart",
                where=Path(examples[0].origin).parent,
                remedy="add a second folder, for example of everything that is not of that class",
            )
        self.pixels = Pixels.learn([e.pixels for e in examples], self.image_size)
        self.deform_by(chosen(self.augment, self.pixels.channels, self.classes))
        if self.class_weights == "balanced":
            self.weights = self.labelling.balanced([counts[name] for name in self.classes], len(examples))

    def take_over(self, other: "ImageClassification") -> bool:
        self.take_pixels(other)
        self.deform_by(chosen(self.augment, self.pixels.channels, self.classes))
        return self.classes == other.classes

    def state(self) -> dict[str, Any]:
        kinds = list(self.augmentation.kinds)
        return {"classes": self.classes, "pixels": self.pixels.state(), "augment": kinds, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        if len(found.classes) < self.labelling.least:
            raise ValueError(f"{len(found.classes)} classes leave nothing to tell apart")
        self.classes, self.pixels, self.weights = found.classes, Pixels(**found.pixels.model_dump()), found.weights
        if not set(found.augment) <= set(KINDS):
            raise ValueError(f"pictures cannot be deformed by {sorted(set(found.augment) - set(KINDS))}")
        self.deform_by(found.augment)

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        return {
            "image_shape": shape,
            "input_shape": shape,
            "num_classes": len(self.classes),
            "output_size": len(self.classes),
        }

    def collate(self, examples: Sequence[Image]) -> Images:
        named = [self.labelling.of(e) for e in examples]
        theirs = {name for names in named for name in names}
        if theirs and not theirs & set(self.classes):
            some = printable(", ".join(sorted(theirs, key=natural)[:5]))
            raise DataError(
                f"none of its classes ({some}) is one that was learned ({printable(', '.join(self.classes[:5]))})",
                where=examples[0].origin,
                remedy="name folders or labels as in training",
            )
        return Images(self.pixels.stack([e.pixels for e in examples]), self.labelling.encode(named, self.classes))

    def blended(self, batch: Images, draw: torch.Generator) -> Images:
        if "mixup" not in self.augmentation.kinds:
            return batch
        return Images(*self.augmentation.mix(*batch, len(self.classes), draw))

    def objective(self, model: nn.Module, batch: Images) -> Mean:
        weights = torch.tensor(self.weights, device=batch.labels.device) if self.weights else None
        shown = self.pixels.normalise(batch.images)
        return self.labelling.loss(model, shown, batch.labels, self.label_smoothing, weights)

    @property
    def reported(self) -> dict[str, Metric]:
        return self.labelling.reported

    def metrics(self, model: nn.Module, batch: Images) -> dict[str, Mean]:
        return self.labelling.metrics(self.logits(model, batch.images), batch.labels)

    def probs(self, logits: Tensor) -> Tensor:
        """[B, classes] -> the probability of each class, or of each label by itself [B, classes]."""
        return self.labelling.probs(logits)

    def fitting(self, data: Images) -> tuple[Tensor, ...]:
        if data.labels.is_floating_point():
            raise UsageError("a model that is fitted gives one label a picture", remedy="choose another model")
        return self.pixels.normalise(data.images), data.labels

    def answers(self, model: nn.Module, examples: Sequence[Image], **options: Any) -> list[dict[str, Any]]:
        images = self.pixels.stack([e.pixels for e in examples]).to(self.device)
        made = []
        for example, probs in zip(examples, self.probs(self.logits(model, images)).tolist(), strict=True):
            ranked = dict(sorted(zip(self.classes, probs, strict=True), key=lambda pair: -pair[1]))
            made.append({"input": example.origin, **self.labelling.answer(ranked)})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        return printable(f"{answer['input']}: {self.labelling.say(answer)}")

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Images]) -> list[Picture]:
        held_out = data["test"]
        logits = torch.cat([self.logits(model, part.images).cpu() for part in self.batches(held_out, 512)])
        names = [printable(name) for name in self.classes]
        *first, last = self.labelling.pictures(logits, held_out.labels.cpu(), names, held_out.images.cpu())
        return [
            *self.deformed(model, data["train"]),
            *first,
            *classification.filters(model),
            last,
            *_seeing.seen(self, model, held_out),
        ]

    def explain(self, model: nn.Module, example: Image) -> dict[str, Any]:
        """How far hiding each pixel's surroundings lowers the answer, as `heat` [H][W], with a sentence: JSON."""
        return _seeing.heat(self, model, example)

    def explained(self, model: nn.Module, example: Image) -> list[Picture]:
        """Maps of the layers, the first filters, and which pixels the answer rests on."""
        return _seeing.explained(self, model, example)
