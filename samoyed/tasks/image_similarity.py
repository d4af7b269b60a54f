"""Image similarity: how alike two pictures are, learned from pictures of the same things (Bromley 1993, Hadsell 2006, Khosla 2020)."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from samoyed import batching
from samoyed.errors import DataError, printable
from samoyed.examples import Image
from samoyed.features.augmentation import KINDS, chosen
from samoyed.features.pixels import Pixels, PixelsState
from samoyed.objectives import Mean, likeness_loss
from samoyed.reporting import classification, matching
from samoyed.settings import Count, Positive
from samoyed.sources import Source
from samoyed.splitting import by_identity
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, _matching, _proxies, _seeing
from samoyed.tasks._known import Known, KnownState
from samoyed.tasks._pictures import Images, PictureTask, natural, sizes_found

_TOGETHER = 4  # pictures of one identity that are in a batch together
_EACH, _MOST = 20, 2_000  # pictures of an identity, and in all, that are known by heart
_NEAREST = 5


class State(Stored):
    """What was learned from the training split; the threshold and the known pictures come after it."""

    pixels: PixelsState
    augment: list[str]
    identities: list[int] = []
    threshold: Annotated[float, Ge(-1), Le(1)]
    known: KnownState


class ImageSimilarity(PictureTask):
    """Say how alike two pictures are, and which known picture one resembles most.

    Raw data: a folder per identity (a person, a plant, a product), a CSV with the columns path and label, or any other pictures
    with labels. A network maps each picture to an embedding of length 1; likeness is the cosine of two. Measured on identities
    that training did not see: the equal error rate of telling genuine pairs from others, and how often the nearest other picture
    is of another identity, lower is better.

    Splits: as named (train, valid, test), else whole identities, drawn by the seed: 30 % of them for the test, at most 1,000, and
    20 % of the rest for validation, at least two each. A likeness is called the same identity from the threshold up where both
    errors are equal on the validation split.

    Args:
        image_size: Side of the square that pictures are brought to; by default their own size where all agree on one of at
            most 64 x 64, else 64, or less where the pictures are smaller.
        embedding_size: Numbers of an embedding.
        loss: supcon draws all pictures of an identity in the batch together (Khosla 2020), prototypes each to the mean of the
            others (Snell 2017), triplet keeps others further off than them by a margin (Schroff 2015), contrastive is the Siamese
            network's (Hadsell 2006); proxy_anchor and proxy_nca learn a point for each identity, to which its pictures are drawn (Kim
            2020, Movshovitz-Attias 2017).
        temperature: Of supcon, prototypes and proxy_nca: the smaller, the more the hardest pairs count.
        margin: Of triplet.
        augment: What is done to training pictures, as in image-classification; auto is light for colour pictures and none for
            grey ones, and never mirrors identities named by numbers or single letters.
        augment_strength: Factor on how far pictures are deformed.
        test_views: Of how many views an embedding is the mean: one, mirror (two), shifted (six); auto is mirror where training
            pictures are mirrored.

    Examples:
        samoyed train image-similarity faces/ model=resnet epochs=60
        samoyed train image-similarity products.csv loss=triplet embedding_size=128
        samoyed train image-similarity
        samoyed predict runs/image-similarity/1 one.png other.png
    """

    sample = "typefaces"
    example = "Image"
    model = "lenet"
    inputs = ("image_shape", "input_shape")
    outputs = ("num_classes", "output_size")
    defaults: ClassVar[dict[str, Any]] = {"epochs": 30, "batch_size": 64, "learning_rate": 0.002, "weight_decay": 0.01}
    watch = "equal_error_rate"
    by_heart = False
    descends = True
    remeasured = 2_000

    def __init__(
        self,
        *,
        image_size: Count | None = None,
        embedding_size: Count = 64,
        loss: Literal["supcon", "prototypes", "triplet", "contrastive", "proxy_anchor", "proxy_nca"] = "supcon",
        temperature: Positive = 0.1,
        margin: Positive = 0.2,
        augment: tuple[
            Literal[
                "auto", "none", "light", "strong", "crop", "flip", "random_flip", "affine", "elastic", "colour", "cutout",
            ], ...
        ] = ("auto",),
        augment_strength: Positive = 1.0,
        test_views: Literal["auto", "one", "mirror", "shifted"] = "auto",
    ) -> None:  # fmt: skip
        self.image_size, self.embedding_size, self.loss = image_size, embedding_size, loss
        self.temperature, self.margin = temperature, margin
        self.augment, self.augment_strength, self.test_views = augment, augment_strength, test_views
        self.threshold, self.identities = 0.0, list[int]()
        self.known = Known.none(embedding_size)
        self._seen: list[Image] = []

    def split(self, parts: dict[str, list[Image]], seed: int) -> Split:
        made = by_identity(parts, seed, label=lambda e: str(e.label))
        each: Counter[str] = Counter()
        self._seen = []
        for example in (*made.train, *made.valid, *made.test):
            each[str(example.label)] += 1
            if each[str(example.label)] <= _EACH and len(self._seen) < _MOST:
                self._seen.append(example)
        return made

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        names = [{str(e.label) for e in part} for part in split[:3]]
        everything = [*split.train, *split.valid, *split.test]
        whole = sorted(names[0] | names[1] | names[2], key=natural)
        listed = ", ".join(whole[:8]) + (", ..." if len(whole) > 8 else "")
        lines = [
            ("identities", f"{len(whole)}: {listed}"),
            ("of them", f"{len(names[0])} to learn from, {len(names[1])} for validation, {len(names[2])} for the test"),
            ("pictures", sizes_found(everything)),
        ]
        both = names[0] & names[2]
        if both:
            lines.append(("note", f"{len(both)} identities of the test are learned from too, and are no new ones"))
        if self.augmentation.kinds:
            lines.append(("each epoch", "; ".join(f"{kind}: {KINDS[kind]}" for kind in self.augmentation.kinds)))
        return lines

    def fit(self, examples: Sequence[Image]) -> None:
        counts = Counter(str(e.label) for e in examples)
        if len(counts) < 2 or max(counts.values()) < 2:
            raise DataError(
                "there are no two pictures of one identity beside those of another, so that nothing can be compared",
                where=Path(examples[0].origin).parent,
                remedy="give at least two identities, with two pictures or more of each",
            )
        self.identities = sorted(map(_number, counts)) if self.loss in _proxies.KINDS else []
        self.pixels = Pixels.learn([e.pixels for e in examples], self.image_size)
        self.deform_by(chosen(self.augment, self.pixels.channels, list(counts)))

    def take_over(self, other: "ImageSimilarity") -> bool:
        self.take_pixels(other)
        self.deform_by(self.augmentation.kinds)
        return self.embedding_size == other.embedding_size

    def state(self) -> dict[str, Any]:
        return {
            "pixels": self.pixels.state(),
            "augment": list(self.augmentation.kinds),
            "identities": self.identities,
            "threshold": self.threshold,
            "known": self.known.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.pixels, self.threshold = Pixels(**found.pixels.model_dump()), found.threshold
        self.identities = found.identities
        if not set(found.augment) <= set(KINDS):
            raise ValueError(f"pictures cannot be deformed by {sorted(set(found.augment) - set(KINDS))}")
        self.deform_by(found.augment)
        self.known = Known.of(found.known, self.embedding_size)

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        size = self.embedding_size
        return {"image_shape": shape, "input_shape": shape, "num_classes": size, "output_size": size}

    def furnish(self, model: nn.Module) -> None:
        if self.loss in _proxies.KINDS:
            _proxies.furnish(model, len(self.identities), self.embedding_size)

    def collate(self, examples: Sequence[Image]) -> Images:
        labels = torch.tensor([_number(str(e.label)) for e in examples], dtype=torch.int64)
        return Images(self.pixels.stack([e.pixels for e in examples]), labels)

    def order(self, data: Images, seed: int, epoch: int) -> Tensor:
        """Pictures of one identity by fours, the fours of each identity spread evenly over the epoch."""
        drawn = batching.order(len(data.labels), seed, epoch)
        labels = data.labels.cpu()[drawn]
        _, place, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        by_name = place.argsort(stable=True)
        within = torch.empty_like(place)
        within[by_name] = torch.arange(len(place)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        groups = (counts // _TOGETHER).clamp(min=1)[place]
        group = torch.minimum(within // _TOGETHER, groups - 1)
        starts = torch.rand(int(groups.max()) * len(counts), generator=batching.generator(seed, epoch, 1))
        key = (group + starts[place * int(groups.max()) + group].double()) / groups
        return drawn[key.argsort(stable=True)]

    def embeddings(self, model: nn.Module, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> [B, E], each of length 1."""
        return functional.normalize(self.logits(model, images), dim=1)

    def objective(self, model: nn.Module, batch: Images) -> Mean:
        made = functional.normalize(model(self.pixels.normalise(batch.images)).float(), dim=1)
        if self.loss in _proxies.KINDS:
            place = torch.searchsorted(torch.tensor(self.identities, device=made.device), batch.labels)
            proxies: Any = model.proxies
            return _proxies.proxy_loss(self.loss, made, proxies, place, self.temperature)
        return likeness_loss(self.loss, made, batch.labels, self.temperature, self.margin)

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "equal_error_rate": Metric("%", percent=True, whole=_matching.equal_error_rate),
            "nearest_error": Metric("%", percent=True, whole=_matching.nearest_error),
        }

    def metrics(self, model: nn.Module, batch: Images) -> dict[str, Mean]:
        rows = torch.cat([self.embeddings(model, batch.images).double(), batch.labels[:, None].double()], 1)
        return {name: Mean(rows, torch.ones_like(rows)) for name in self.reported}

    def calibrate(self, model: nn.Module, valid: Images) -> None:
        """The threshold from the validation split, and the embeddings of the pictures that others are compared with."""
        self.threshold = _matching.roc(self._all(model, valid), valid.labels.cpu().numpy()).at
        images = self.collate(self._seen)
        vectors = self._all(model, Images(images.images.to(self.device), images.labels)).astype(np.float16)
        self.known = Known([str(e.label) for e in self._seen], [e.origin for e in self._seen], vectors)

    def _all(self, model: nn.Module, rows: Images) -> NDArray[np.float64]:
        parts = [self.embeddings(model, part.images).detach().double().cpu() for part in self.batches(rows, 256)]
        return torch.cat(parts).numpy()

    def answers(self, model: nn.Module, examples: Sequence[Image], **options: Any) -> list[dict[str, Any]]:
        images = self.pixels.stack([e.pixels for e in examples]).to(self.device)
        vectors = self.embeddings(model, images).detach().double().cpu().numpy()
        nearest = self.known.nearest(vectors, [e.origin for e in examples], _NEAREST)
        made = []
        for example, vector, near in zip(examples, vectors.tolist(), nearest, strict=True):
            same = bool(near) and near[0]["likeness"] >= self.threshold
            made.append(
                {
                    "input": example.origin,
                    "label": near[0]["identity"] if same else "unknown",
                    "threshold": round(self.threshold, 6),
                    "nearest": near,
                    "embedding": [round(v, 6) for v in vector],
                }
            )
        return made

    def verified(self, answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each two of the answers: how alike their pictures are, and whether that is called one identity."""
        found = []
        for i, first in enumerate(answers):
            for second in answers[i + 1 :]:
                likeness = float(np.dot(first["embedding"], second["embedding"]))
                pair = [first["input"], second["input"]]
                found.append({"pictures": pair, "likeness": round(likeness, 6), "same": likeness >= self.threshold})
        return found

    def say(self, answer: dict[str, Any]) -> str:
        near = ", ".join(f"{n['identity']} {n['likeness']:.2f}" for n in answer["nearest"])
        return printable(
            f"{answer['input']}: {answer['label']}  (nearest: {near}; the same from {answer['threshold']:.2f} up)"
        )

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Images]) -> list[Picture]:
        held_out = data["test"]
        vectors, images = self._all(model, held_out), held_out.images.cpu()
        identities = held_out.labels.cpu().numpy()
        names = {_number(str(e.label)): printable(str(e.label)) for e in split.test}
        pixels = images.flatten(1).double().numpy()
        return [
            *self.deformed(model, data["train"]),
            matching.curve(_matching.roc(vectors, identities), _matching.roc(pixels - pixels.mean(0), identities)),
            matching.likenesses(*_matching.histograms(vectors, identities), self.threshold),
            matching.neighbours(vectors, identities, names, images),
            matching.map_of(vectors, identities, names, images),
            *classification.filters(model),
            *_seeing.seen(self, model, held_out),
        ]

    def explain(self, model: nn.Module, example: Image) -> dict[str, Any]:
        """How far hiding each pixel's surroundings lowers the likeness to the nearest known picture, as `heat` [H][W]: JSON."""
        return _seeing.likeness_heat(self, model, example)

    def explained(self, model: nn.Module, example: Image) -> list[Picture]:
        """Maps of the layers, the first filters, and which pixels that likeness rests on."""
        return _seeing.alike(self, model, example)


def _number(name: str) -> int:
    """A whole number for an identity that is the same in every call, and exact as float64."""
    return int.from_bytes(hashlib.sha1(name.encode("utf-8", "backslashreplace"), usedforsecurity=False).digest()[:6])
