"""Video tagging: what is to be seen in a clip, and when."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import DataError, printable
from samoyed.examples import TaggedClip
from samoyed.features.pixels import Pixels, PixelsState
from samoyed.layers.texts import mask_of
from samoyed.objectives import Mean, binary_cross_entropy, full
from samoyed.reporting import labels as drawing
from samoyed.reporting import timeline
from samoyed.settings import Count, Span
from samoyed.sources import Source, one_file
from samoyed.sources._clips import spread, timed
from samoyed.sources._pictures import Unreadable
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why_tags
from samoyed.tasks import _tagged_time as listing
from samoyed.tasks._blocks import shifted

_SIDE_KEPT = 128  # frames are decoded to at most this, until their final size is known


class Clips(NamedTuple):
    """frames uint8 [B, T, C, H, W]; lengths int64 [B]; tags uint8 [B, T, K], 1 where a frame has the tag."""

    frames: Tensor
    lengths: Tensor
    tags: Tensor


class State(Stored):
    """What was learned from the training split."""

    tags: Annotated[list[str], MinLen(1)]
    weights: list[float]
    pixels: PixelsState
    frames: Annotated[int, Ge(1), Le(2**16)]


class VideoTagging(Task[TaggedClip, Clips]):
    """Say what is to be seen in a clip, and when: each frame has any number of tags, and a tag's frames in a row are an interval.

    Raw data: a CSV or TSV with the columns clip, start, end and tag, or a folder of clips with such a table in it called tags.tsv; clips
    are GIFs, animated WebP or PNG, video files (MP4, MOV, MKV, WebM, AVI, MPEG, with samoyed[video]) or folders of frames. Start and end are
    seconds or h:mm:ss, of a folder of frames the numbers of frames from 0; end is the first moment after the interval. Reported as the
    share of frames whose tags are not all right, lower is better, and the mean over the tags of their F1 over frames.

    Splits: as named (train, valid, test), else drawn by the seed, clips with rare tags first: 20 % for the test, at most 10,000, and of
    what remains 10 % for validation, at most 5,000; clips that are equal stay together. Tags that training did not see are left out.

    Args:
        frames: Frames of a clip that are seen, evenly spread from its first to its last; of a shorter one all.
        image_size: Side of the square that frames are brought to; by default their own size where all agree on one of at most
            64 x 64, else 64, or less where the frames are smaller.
        augment: Whether training moves the frames of a clip together by up to an eighth of their sides, anew in each epoch.
        class_weights: balanced weighs frames that have a tag as if they were as many as those that lack it.

    Examples:
        samoyed train video-tagging tags.tsv epochs=40
        samoyed train video-tagging films/ model=lrcn bidirectional=false frames=128
        samoyed train video-tagging
        samoyed predict runs/video-tagging/1 match.mp4 training.mp4 --out found.tsv
    """

    sample = "changing_motion"
    example = "TaggedClip"
    model = "lrcn"
    inputs = ("frame_shape",)
    outputs = ("num_tags",)
    relearns = ("tags", "weights")
    inherits = ("frames", "image_size")
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 30,
        "batch_size": 8,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
    }
    watch = "loss"

    def __init__(
        self,
        *,
        frames: Span = 64,
        image_size: Count | None = None,
        augment: bool = True,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        self.frames, self.image_size, self.augment, self.class_weights = frames, image_size, augment, class_weights

    def source_options(self) -> dict[str, Any]:
        return {"frames": self.frames, "longest_side": 2 * self.image_size if self.image_size else _SIDE_KEPT}

    def split(self, parts: dict[str, list[TaggedClip]], seed: int) -> Split:
        for name, examples in parts.items():
            if not examples:
                raise DataError(f"no clip in {'the data' if name == 'all' else f'the {name} split'} can be read")
        counts = Counter(tag for some in parts.values() for e in some for tag in _of(e))

        def rarest(example: TaggedClip) -> str:
            return min(_of(example), key=lambda tag: (counts[tag], tag), default="")

        found = stratified(parts, seed, label=rarest, content=lambda e: e.frames.tobytes())
        return found._replace(rule=found.rule.replace("drawn per class", "drawn per rarest tag"))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [*split.train, *split.valid, *split.test]
        counts = Counter(tag for e in everything for tags in e.tags or () for tag in tags)
        total = sum(len(e.frames) for e in everything)
        bare = sum(not tags for e in everything for tags in e.tags or ())
        listed = [f"{tag} {n:,}" for tag, n in counts.most_common(12)] + (["..."] if len(counts) > 12 else [])
        lengths = sorted(len(e.frames) for e in everything)
        many = f"{lengths[0]}" if lengths[0] == lengths[-1] else f"{lengths[0]} to {lengths[-1]}"
        high, wide, channels = everything[0].frames.shape[1:]
        kind = f"the first {wide} x {high} {'grey' if channels == 1 else 'colour'}"
        lines = [
            ("tags", printable(f"{len(counts)}, on so many frames: {', '.join(listed)}")),
            ("clips", f"{len(everything):,}, {many} frames of each, {total:,} in all, {kind}"),
            ("guessing", f"{bare:,} frames have no tag: to say so of all is wrong of {1 - bare / total:.1%}"),
        ]
        unseen = sorted(set(counts) - set(self.tags))
        if unseen:
            lines.append(("note", printable(f"left out, since no training clip has them: {', '.join(unseen[:8])}")))
        return lines

    def fit(self, examples: Sequence[TaggedClip]) -> None:
        counts = Counter(tag for e in examples for tags in e.tags or () for tag in tags)
        if not counts:
            raise DataError("no training clip has a tag", where=examples[0].origin, remedy="add intervals to the table")
        self.tags = sorted(counts)
        total = sum(len(e.frames) for e in examples)
        balanced = self.class_weights == "balanced"
        self.weights = [max(1, total - counts[tag]) / counts[tag] for tag in self.tags] if balanced else []
        self.pixels = Pixels.learn([frame for e in examples for frame in self._chosen(e)[0]], self.image_size)

    def state(self) -> dict[str, Any]:
        return {"tags": self.tags, "weights": self.weights, "pixels": self.pixels.state(), "frames": self.frames}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.tags, self.weights, self.frames = found.tags, found.weights, found.frames
        self.pixels = Pixels(**found.pixels.model_dump())

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        return {"frame_shape": shape, "num_tags": len(self.tags)}

    def collate(self, examples: Sequence[TaggedClip]) -> Clips:
        index = {tag: k for k, tag in enumerate(self.tags)}
        theirs = {tag for e in examples for tag in _of(e)}
        if theirs and not theirs & set(index):
            some, learned = (printable(", ".join(sorted(names)[:5])) for names in (theirs, index))
            raise DataError(
                f"none of its tags ({some}) is one that was learned ({learned})", where=examples[0].origin,
                remedy="name tags as in training",
            )  # fmt: skip
        chosen = [self._chosen(e) for e in examples]
        lengths = torch.tensor([len(frames) for frames, _ in chosen], dtype=torch.int64)
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        frames = torch.zeros((len(examples), int(lengths.max()), *shape), dtype=torch.uint8)
        tags = torch.zeros((*frames.shape[:2], len(self.tags)), dtype=torch.uint8)
        for row, (example, (pictures, places)) in enumerate(zip(examples, chosen, strict=True)):
            frames[row, : len(pictures)] = self.pixels.stack(pictures)
            for t, place in enumerate(places if example.tags is not None else ()):
                tags[row, t, [index[tag] for tag in (example.tags or ())[place] if tag in index]] = 1
        return Clips(frames, lengths, tags)

    def batches(self, data: Clips, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Clips]:
        """As every task's; for an epoch, clips of similar length together, each batch cut to its longest."""
        if epoch is None:
            pieces = batching.batches(data, batch_size)
        else:
            chunks = batching.bucketed(data.lengths, batch_size, seed, epoch)
            pieces = (batching.take(data, chunk.to(data.lengths.device)) for chunk in chunks)
        for piece in pieces:
            longest = int(piece.lengths.max())
            yield Clips(piece.frames[:, :longest], piece.lengths, piece.tags[:, :longest])

    def objective(self, model: nn.Module, batch: Clips) -> Mean:
        """Cross-entropy of each tag at each frame, the mean over tags."""
        frames = shifted(batch.frames) if model.training and self.augment else batch.frames
        logits = self.logits(model, batch._replace(frames=frames))
        mask = mask_of(batch.lengths, logits.shape[1])
        weights = torch.tensor(self.weights, device=logits.device) if self.weights else None
        return binary_cross_entropy(logits[mask], batch.tags[mask].float(), 0.0, weights)

    def logits(self, model: nn.Module, batch: Clips) -> Tensor:
        """[B, T, K]."""
        return full(model(self.pixels.normalise(batch.frames), batch.lengths))

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "error": Metric("% of frames", percent=True),
            "macro f1": Metric("%", better="higher", percent=True),
            "loss": Metric("nats/frame"),
        }

    def metrics(self, model: nn.Module, batch: Clips) -> dict[str, Mean]:
        logits = self.logits(model, batch)
        mask = mask_of(batch.lengths, logits.shape[1])
        count = batch.lengths.float()
        true, said = (found.float() * mask[..., None] for found in (batch.tags, logits >= 0))
        goal = batch.tags.to(logits.dtype)
        surprise = nn.functional.binary_cross_entropy_with_logits(logits, goal, reduction="none").mean(-1)
        return {
            "error": Mean((true != said).any(-1).sum(1).float(), count),
            "macro f1": Mean(2 * (true * said).sum(1), (true + said).sum(1)),
            "loss": Mean((surprise * mask).sum(1), count),
        }

    def read(self, raw: Any) -> TaggedClip:
        if isinstance(raw, TaggedClip):
            return listing.checked(raw)
        if isinstance(raw, np.ndarray):
            return listing.checked(TaggedClip(raw[..., None] if raw.ndim == 3 else raw, None, "array"))
        path, options = one_file(raw, "clip", folder=True), self.source_options()
        try:
            clip = timed(path, options["frames"], options["longest_side"])
        except Unreadable as error:
            raise DataError(str(error), where=path) from error
        return TaggedClip(clip.frames, None, str(path), clip.times, clip.unit)

    def answer(self, model: nn.Module, example: TaggedClip) -> dict[str, Any]:
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[TaggedClip], **options: Any) -> list[dict[str, Any]]:
        """The intervals of each tag, in the order of time, and the probability of each at each frame that is seen."""
        rows = self.collate([TaggedClip(e.frames, None, e.origin) for e in examples])
        found = self.logits(model, Clips(*(tensor.to(self.device) for tensor in rows))).sigmoid().cpu()
        made = []
        for example, probs, length in zip(examples, found, rows.lengths.tolist(), strict=True):
            times = listing.times_of(example)
            begins = [times[i] for i in self._chosen(example)[1]]
            intervals = listing.intervals(probs[:length], [*begins, times[-1]], self.tags)
            by_frame = {tag: [round(p, 4) for p in probs[:length, k].tolist()] for k, tag in enumerate(self.tags)}
            facts = {"input": example.origin, "unit": example.unit, "end": round(times[-1], 3)}
            made.append({**facts, "intervals": intervals, "begins": [round(t, 3) for t in begins], "probs": by_frame})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        return listing.said(answer)

    def written(self, answer: dict[str, Any], path: Path) -> Path:
        """The intervals of a clip as .tsv, .csv, or subtitles (.vtt, .srt). Raises UsageError for another ending."""
        return listing.written([answer], path)

    def written_together(self, answers: list[dict[str, Any]], path: Path) -> Path | None:
        """Those of several clips as one table, which training reads; None where the file's kind holds one clip."""
        return listing.written(answers, path) if path.suffix.lower() in listing.TABLES else None

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Clips]) -> list[Picture]:
        held_out = data["test"]
        rows = [self.logits(model, part).cpu() for part in self.batches(held_out, 16)]
        logits = [one[:length] for one, length in zip(itertools.chain(*rows), held_out.lengths.tolist(), strict=True)]
        tags = [one[: len(some)].cpu() for one, some in zip(held_out.tags, logits, strict=True)]
        names = [printable(tag) for tag in self.tags]
        some = timeline.telling(tags)
        return [
            timeline.clips(
                [(held_out.frames[i, : len(tags[i])].cpu(), logits[i].sigmoid(), tags[i]) for i in some], names
            ),
            drawing.precisions(torch.cat(logits), torch.cat(tags), names, "frames"),
            timeline.outcomes(logits, tags, names),
        ]

    def explain(self, model: nn.Module, example: TaggedClip) -> dict[str, Any]:
        """What each frame adds to each tag at its surest frame, as `each`; of the first also as `heat` over a `strip`: JSON."""
        return _why_tags.as_json(_why_tags.of_clip(self, model, example))

    def explained(self, model: nn.Module, example: TaggedClip) -> list[Picture]:
        """Maps of the layers, and which frames each tag rests on."""
        return _why_tags.drawn(self, model, example)

    def seen(self, example: TaggedClip) -> list[int]:
        """The places of the frames that are seen."""
        return spread(len(example.frames), self.frames)

    def _chosen(self, example: TaggedClip) -> tuple[list[Any], list[int]]:
        """The frames [H, W, C] that are seen, and their places among those of the example."""
        places = self.seen(example)
        return [example.frames[i] for i in places], places


def _of(example: TaggedClip) -> set[str]:
    """Every tag of any frame."""
    return {tag for tags in example.tags or () for tag in tags}
