"""Audio classification: which of several classes a recording belongs to."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import MinLen
from numpy.typing import NDArray
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import printable, require
from samoyed.examples import Recording
from samoyed.features.filterbank import Filterbank, FilterbankState, masked
from samoyed.objectives import Mean, cross_entropy, full
from samoyed.reporting import classification, sounds
from samoyed.settings import Count, Positive, Share
from samoyed.sources import Source
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _hearing
from samoyed.tasks._classes import REPORTED, balanced, divided, labels_of, learned, listed, measured, ranked, said
from samoyed.tasks._sounds import checked, one_recording, summary


class Sounds(NamedTuple):
    """frames float16 [B, T, M]; lengths int64 [B]; labels int64 [B], -1 where it is a class that training did not see."""

    frames: Tensor
    lengths: Tensor
    labels: Tensor


class State(Stored):
    """What was learned from the training split."""

    classes: Annotated[list[str], MinLen(2)]
    counts: list[int]
    filterbank: FilterbankState


class AudioClassification(Task[Recording, Sounds]):
    """Say which class a recording belongs to: a word, a speaker, an animal, a machine, a kind of music.

    Raw data: recordings (WAV, FLAC, OGG, MP3) in a folder per class, or a CSV or TSV with the columns path and label. Any rate,
    any number of channels, which are averaged. Reported as the share of recordings classified wrongly, lower is better; balanced
    error weighs each class alike, however rare it is.

    Splits: as named (train, valid, test), else drawn per class by the seed: 20 % for the test, at most 10,000, and of what
    remains 10 % for validation, at most 5,000; recordings that are equal stay together. Recordings are heard as log energies in mel
    bands each 10 ms, scaled by the training split, and trained on with stretches of time and of bands blotted out (SpecAugment,
    Park 2019).

    Args:
        bands: Mel bands; by default 80, or 40 where there are fewer than 16,000 samples a second.
        max_seconds: Longest stretch of a recording that is heard; of a longer one it is the middle.
        augment: Whether training blots out stretches of time and of bands.
        label_smoothing: Share of the target's probability spread over all classes.
        class_weights: balanced makes every class count alike in the loss, however many recordings it has.

    Examples:
        samoyed train audio-classification sounds/ epochs=40
        samoyed train audio-classification labels.csv model=lstm hidden_size=128
        samoyed train audio-classification
        samoyed predict runs/audio-classification/1 bell.wav
    """

    sample = "synthetic_digits"
    example = "Recording"
    model = "tdnn"
    inputs = ("frame_size",)
    outputs = ("num_classes",)
    relearns = ("classes", "counts")
    inherits = ("bands", "max_seconds")
    taught = True
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.002,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        "warmup": 0.05,
    }
    watch = "error"

    def __init__(
        self,
        *,
        bands: Count | None = None,
        max_seconds: Positive = 10.0,
        augment: bool = True,
        label_smoothing: Share = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        require("kaldi_native_fbank", "audio")
        self.bands, self.max_seconds, self.augment = bands, max_seconds, augment
        self.label_smoothing, self.class_weights = label_smoothing, class_weights

    def split(self, parts: dict[str, list[Recording]], seed: int) -> Split:
        return divided(parts, seed, "recording", "samples")

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        lines = listed(everything, "recordings", summary(everything))
        longer = sum(len(e.samples) > self.max_seconds * e.rate for e in everything)
        if longer:
            lines.append(("cut", f"{longer:,} are longer than {self.max_seconds:g} s: their middle is heard"))
        return lines

    def fit(self, examples: Sequence[Recording]) -> None:
        self.classes, self.counts = learned(examples)
        self.filterbank = Filterbank.learn(((self._middle(e), e.rate) for e in examples), self.bands)

    def state(self) -> dict[str, Any]:
        return {"classes": self.classes, "counts": self.counts, "filterbank": self.filterbank.state()}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.classes, self.counts = found.classes, found.counts
        self.filterbank = Filterbank(**found.filterbank.model_dump())

    def sizes(self) -> dict[str, Any]:
        return {"frame_size": len(self.filterbank.mean), "num_classes": len(self.classes)}

    def collate(self, examples: Sequence[Recording]) -> Sounds:
        labels = labels_of(examples, self.classes)
        rows = [self.filterbank.frames(self._middle(e), e.rate) for e in examples]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        frames = torch.zeros((len(rows), int(lengths.max()), rows[0].shape[1]), dtype=torch.float16)
        for i, row in enumerate(rows):
            frames[i, : len(row)] = row
        return Sounds(frames, lengths, labels)

    def batches(self, data: Sounds, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Sounds]:
        """As every task's; for an epoch, recordings of similar length together, each batch cut to its longest."""
        if epoch is None:
            pieces = batching.batches(data, batch_size)
        else:
            chunks = batching.bucketed(data.lengths, batch_size, seed, epoch)
            pieces = (batching.take(data, chunk.to(data.lengths.device)) for chunk in chunks)
        return (piece._replace(frames=piece.frames[:, : int(piece.lengths.max())]) for piece in pieces)

    def objective(self, model: nn.Module, batch: Sounds) -> Mean:
        frames = batch.frames
        if model.training and self.augment:
            bands = frames.shape[2]
            frames = masked(frames, batch.lengths, bands, max(1, bands // 6), 0.15)
        weights = balanced(self.counts, self.class_weights, frames.device)
        logits = full(model(frames.float(), batch.lengths))
        return cross_entropy(logits, batch.labels, self.label_smoothing, weights)

    @property
    def reported(self) -> dict[str, Metric]:
        return REPORTED

    def metrics(self, model: nn.Module, batch: Sounds) -> dict[str, Mean]:
        return measured(self.log_probs(model, batch), batch.labels)

    def log_probs(self, model: nn.Module, batch: Sounds) -> Tensor:
        """[B, classes]."""
        return full(model(batch.frames.float(), batch.lengths)).log_softmax(-1)

    def read(self, raw: Any) -> Recording:
        if isinstance(raw, Recording):
            checked(raw.samples, raw.rate, raw.origin)
            return raw
        samples, rate, path = one_recording(raw)
        return Recording(samples, rate, None, path)

    def answer(self, model: nn.Module, example: Recording) -> dict[str, Any]:
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[Recording], **options: Any) -> list[dict[str, Any]]:
        rows = self.collate([Recording(e.samples, e.rate, None, e.origin) for e in examples])
        probs = self.log_probs(model, Sounds(*(tensor.to(self.device) for tensor in rows))).exp().tolist()
        return [
            {"input": e.origin, "seconds": round(len(e.samples) / e.rate, 3)} | ranked(self.classes, row)
            for e, row in zip(examples, probs, strict=True)
        ]

    def say(self, answer: dict[str, Any]) -> str:
        return said(answer)

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Sounds]) -> list[Picture]:
        held_out = data["test"]
        log_probs = torch.cat([self.log_probs(model, part).cpu() for part in self.batches(held_out, 256)])
        labels = held_out.labels.cpu()
        names = [printable(name) for name in self.classes]
        return [
            sounds.heard(log_probs, labels, names, held_out.frames, held_out.lengths),
            classification.confusion(log_probs, labels, names, "recordings"),
            sounds.mistakes(log_probs, labels, names, held_out.frames, held_out.lengths),
            classification.calibration(log_probs, labels, noun="recordings"),
        ]

    def explain(self, model: nn.Module, example: Recording) -> dict[str, Any]:
        """How far hiding moments and bands lowers the answer, as `heat` [T][M] and `parts`, with a sentence: JSON."""
        return _hearing.heat(self, model, example)

    def explained(self, model: nn.Module, example: Recording) -> list[Picture]:
        """What layers make of the recording, and which moments and bands the answer rests on."""
        return _hearing.explained(self, model, example)

    def _middle(self, example: Recording) -> NDArray[np.float32]:
        """What is heard of a recording."""
        most = max(1, int(self.max_seconds * example.rate))
        begin = max(0, (len(example.samples) - most) // 2)
        return example.samples[begin : begin + most]
