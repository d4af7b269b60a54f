"""Graphs of recordings, clips, volumes and embeddings of pictures: from raw numbers to what the answer says.

Legend: B batch, T frames of a recording, M mel bands, D frames or slices, C channels, H height, W width, K classes, E numbers of an
embedding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.examples import Volume
from samoyed.exporting.graph import Graph
from samoyed.features.filterbank import SHIFT, WINDOW
from samoyed.objectives import full
from samoyed.run import Run
from samoyed.tasks.audio_classification import Sounds

_FRAMES = 50  # of the example recording


class Heard(nn.Module):
    """frames float32 [B, T, M], log energies of mel bands, and lengths int64 [B] -> probs [B, K]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(task.filterbank.mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(task.filterbank.deviation, dtype=torch.float64))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Scaled as in training, and of the precision in which a run keeps them."""
        shown = ((frames.double() - self.mean) / self.deviation).float().half().float()
        return full(self.model(shown, lengths)).softmax(-1)


class Blocks(nn.Module):
    """clips uint8 [B, D, C, H, W] -> probs [B, K]."""

    mean: Tensor
    scale: Tensor

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(task.pixels.mean).view(-1, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(task.pixels.deviation).view(-1, 1, 1) * 255))

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised as in training."""
        shown = (clips.float() - self.mean) * self.scale
        return full(self.model(shown.transpose(1, 2))).softmax(-1)


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


class Embeddings(nn.Module):
    """images uint8 [B, C, H, W] -> embeddings [B, E] of length 1."""

    mean: Tensor
    scale: Tensor

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model
        self.register_buffer("mean", torch.tensor(task.pixels.mean).view(-1, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(task.pixels.deviation).view(-1, 1, 1) * 255))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised as in training, and seen in as many views as the run's answers."""
        made: Tensor = self.task.viewed(self.model, (images.float() - self.mean) * self.scale)
        return functional.normalize(made.float(), dim=1)


def heard(run: Run, model: nn.Module) -> Graph:
    """Of audio-classification."""
    task: Any = run.task
    bank, draw = task.filterbank, torch.Generator().manual_seed(0)
    noise = torch.randn(2, _FRAMES, len(bank.mean), generator=draw)
    frames = noise * torch.tensor(bank.deviation) + torch.tensor(bank.mean)
    lengths = torch.tensor([_FRAMES, _FRAMES - 13])
    facts = {
        "classes": task.classes,
        "rate": bank.rate,
        "bands": len(bank.mean),
        "max_seconds": task.max_seconds,
        "preprocessing": f"channels averaged, {bank.rate} samples a second, the middle {task.max_seconds:g} s of what is longer; "
        f"log energies of {len(bank.mean)} mel bands as Kaldi's compute-fbank-feats gives them for samples of 16 bits: windows of "
        f"{1000 * WINDOW:g} ms, one each {1000 * SHIFT:g} ms, snip_edges=false, dither=0; float32 [batch, time, bands], and the number of "
        "frames of each, int64 [batch]; run.py shows how",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        given = (inputs[0].double() - torch.tensor(bank.mean).double()) / torch.tensor(bank.deviation).double()
        rows = Sounds(given.float().half(), inputs[1], torch.zeros_like(inputs[1]))
        return [task.log_probs(run.model, rows).exp()]

    axes = {"frames": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    return Graph(Heard(task, model), (frames, lengths), (("frames", "lengths"), ("probs",)), axes, facts, reference)


def clips(run: Run, model: nn.Module) -> Graph:
    """Of video-classification."""
    task: Any = run.task
    channels, depth, high, wide = task.sizes()["block_shape"]
    shape = (2, depth, channels, high, wide)
    given = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    facts = {
        "classes": task.classes,
        "preprocessing": f"{depth} frames, evenly spread from the first to the last, each brought to {'grey' if channels == 1 else 'RGB'}, its "
        f"shorter side scaled to {high} x {wide}, its centre kept; uint8 [batch, frames, channels, height, width], 0 to 255",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.log_probs(run.model, inputs[0]).exp()]

    return Graph(Blocks(task, model), (given,), (("clips",), ("probs",)), {"clips": {0: "batch"}}, facts, reference)


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


def embeddings(run: Run, model: nn.Module) -> Graph:
    """Of image-similarity."""
    task: Any = run.task
    channels, high, wide = task.sizes()["image_shape"]
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, channels, high, wide), dtype=torch.uint8, generator=draw)
    facts = {
        "threshold": task.threshold,
        "preprocessing": f"bring pictures to {'grey' if channels == 1 else 'RGB'}, scale the shorter side to {high} x {wide}, keep the centre; "
        "uint8 [batch, channels, height, width], 0 to 255. Two pictures are of one identity where the inner product of their embeddings is "
        "at least the threshold",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.embeddings(run.model, inputs[0])]

    axes = {"images": {0: "batch"}}
    return Graph(Embeddings(task, model), (images,), (("images",), ("embeddings",)), axes, facts, reference)
