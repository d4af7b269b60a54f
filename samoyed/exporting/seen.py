"""Graphs of all that is made of pictures: pictures, clips and volumes, from bytes to what the answer says.

Legend: B batch, T or D frames or slices, C channels, H height, W width, K classes or tags, E numbers of an embedding.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.examples import Volume
from samoyed.exporting.graph import Graph
from samoyed.features.pixels import Pixels
from samoyed.layers.texts import mask_of
from samoyed.objectives import full
from samoyed.run import Run
from samoyed.tasks.video_tagging import Clips

_FRAMES = 8  # of the example clip


class Scaled(nn.Module):
    """Pictures uint8 [..., C, H, W] -> float32, scaled as in training."""

    mean: Tensor
    scale: Tensor

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(pixels.mean).view(-1, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(pixels.deviation).view(-1, 1, 1) * 255))

    def forward(self, images: Tensor) -> Tensor:
        """Mean 0 and deviation 1 per channel over the training split."""
        return (images.float() - self.mean) * self.scale


class Pictures(nn.Module):
    """images uint8 [B, C, H, W] -> what `said` makes of the model's numbers for them."""

    def __init__(self, task: Any, model: nn.Module, said: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.task, self.model, self.said, self.scaled = task, model, said, Scaled(task.pixels)

    def forward(self, images: Tensor) -> Tensor:
        """Seen in as many views as the run's answers."""
        made: Tensor = self.task.viewed(self.model, self.scaled(images))
        return self.said(made.float())


class Blocks(nn.Module):
    """clips [B, D, C, H, W], levels from 0 to 255 -> probs [B, K]."""

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model, self.scaled = model, Scaled(task.pixels)

    def forward(self, clips: Tensor) -> Tensor:
        """The frames or slices as the model takes them, [B, C, D, H, W]."""
        return full(self.model(self.scaled(clips).transpose(1, 2))).softmax(-1)


class Tagged(nn.Module):
    """clips uint8 [B, T, C, H, W] and lengths int64 [B] -> probs [B, T, K] of each tag at each frame, 0 beyond the lengths."""

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model, self.scaled = model, Scaled(task.pixels)

    def forward(self, clips: Tensor, lengths: Tensor) -> Tensor:
        """Any number of frames."""
        probs = full(self.model(self.scaled(clips), lengths)).sigmoid()
        return probs * mask_of(lengths, clips.shape[1])[..., None]


class Solids(nn.Module):
    """volumes float32 [B, D, H, W] in the data's unit -> probs [B, K]."""

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.low, self.factor = task.voxels.low, 255 / (task.voxels.high - task.voxels.low)
        self.blocks = Blocks(task, model)

    def forward(self, volumes: Tensor) -> Tensor:
        """Brought to 256 levels as in training."""
        levels = ((volumes - self.low) * self.factor).clamp(0, 255).round()
        probs: Tensor = self.blocks(levels[:, :, None])
        return probs


def pictures(run: Run, model: nn.Module) -> Graph:
    """Of image-classification."""
    task: Any = run.task
    images, how = _images(task)
    facts = {"classes": task.classes, "preprocessing": how}

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.probs(task.logits(run.model, inputs[0]))]

    graph = Pictures(task, model, task.probs)
    return Graph(graph, (images,), (("images",), ("probs",)), {"images": {0: "batch"}}, facts, reference)


def embeddings(run: Run, model: nn.Module) -> Graph:
    """Of image-similarity: embeddings [B, E] of length 1."""
    task: Any = run.task
    images, how = _images(task)
    alike = "Two pictures are of one identity where the inner product of their embeddings is at least the threshold"
    facts = {"threshold": task.threshold, "preprocessing": f"{how}. {alike}"}

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.embeddings(run.model, inputs[0])]

    graph = Pictures(task, model, functional.normalize)
    return Graph(graph, (images,), (("images",), ("embeddings",)), {"images": {0: "batch"}}, facts, reference)


def clips(run: Run, model: nn.Module) -> Graph:
    """Of video-classification."""
    task: Any = run.task
    channels, depth, high, wide = task.sizes()["block_shape"]
    shape = (2, depth, channels, high, wide)
    given = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    facts = {
        "classes": task.classes,
        "preprocessing": f"{depth} frames, evenly spread from the first to the last, {_brought(channels, high, wide)}; uint8 [batch, frames, "
        "channels, height, width], 0 to 255",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.log_probs(run.model, inputs[0]).exp()]

    return Graph(Blocks(task, model), (given,), (("clips",), ("probs",)), {"clips": {0: "batch"}}, facts, reference)


def tagged(run: Run, model: nn.Module) -> Graph:
    """Of video-tagging."""
    task: Any = run.task
    channels, high, wide = task.sizes()["frame_shape"]
    shape = (2, _FRAMES, channels, high, wide)
    given = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([_FRAMES, _FRAMES - 3])
    facts = {
        "tags": task.tags,
        "frames": task.frames,
        "preprocessing": f"at most {task.frames} frames, evenly spread from the first to the last, {_brought(channels, high, wide)}; uint8 [batch, "
        "frames, channels, height, width], 0 to 255, and the number of frames of each clip, int64 [batch]; a frame has the tags whose "
        "probability is at least 0.5",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        clips, counts = inputs
        probs = task.logits(run.model, Clips(clips, counts, clips)).sigmoid()
        return [probs * mask_of(counts, clips.shape[1])[..., None]]

    axes = {"clips": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    return Graph(Tagged(task, model), (given, lengths), (("clips", "lengths"), ("probs",)), axes, facts, reference)


def solids(run: Run, model: nn.Module) -> Graph:
    """Of volume-classification."""
    task: Any = run.task
    _, *shape = task.sizes()["block_shape"]
    draw = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    low, high = task.voxels.low, task.voxels.high
    given = low + (high - low) * (1.2 * draw - 0.1)
    facts = {
        "classes": task.classes,
        "preprocessing": "each volume brought to {} x {} x {} by trilinear interpolation; float32 [batch, slices, height, width] in the unit of "
        "the data".format(*shape),
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        blocks = task.blocks_of([Volume(one.numpy(), None, "") for one in inputs[0]])
        return [task.log_probs(run.model, blocks).exp()]

    return Graph(Solids(task, model), (given,), (("volumes",), ("probs",)), {"volumes": {0: "batch"}}, facts, reference)


def _images(task: Any) -> tuple[Tensor, str]:
    """Two example pictures uint8 [2, C, H, W], and how pictures are brought to that form."""
    shape = task.sizes()["image_shape"]
    images = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return images, f"{_brought(*shape)}; uint8 [batch, channels, height, width], 0 to 255"


def _brought(channels: int, high: int, wide: int) -> str:
    return f"each brought to {'grey' if channels == 1 else 'RGB'}, its shorter side scaled to {high} x {wide}, its centre kept"
