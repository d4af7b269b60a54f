"""The graph of a classifier of recordings. Legend: B batch, T frames of a recording, M mel bands, K classes."""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.exporting.graph import Graph
from samoyed.features.filterbank import SHIFT, WINDOW, Filterbank
from samoyed.objectives import full
from samoyed.run import Run
from samoyed.tasks.audio_classification import Sounds

_FRAMES = 50  # of the example recording


class Scaled(nn.Module):
    """A model behind frames float32 [B, T, C M], log energies of mel bands of C frames side by side."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, bank: Filterbank, model: nn.Module, stack: int = 1) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(bank.mean * stack, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(bank.deviation * stack, dtype=torch.float64))

    def scaled(self, frames: Tensor) -> Tensor:
        """As in training, and of the precision in which a run keeps them."""
        return ((frames.double() - self.mean) / self.deviation).float().half().float()


class Heard(Scaled):
    """frames float32 [B, T, M], log energies of mel bands, and lengths int64 [B] -> probs [B, K]."""

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Of the whole recording."""
        return full(self.model(self.scaled(frames), lengths)).softmax(-1)


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
        mean, deviation = (torch.tensor(part, dtype=torch.float64) for part in (bank.mean, bank.deviation))
        given = (inputs[0].double() - mean) / deviation
        rows = Sounds(given.float().half(), inputs[1], torch.zeros_like(inputs[1]))
        return [task.log_probs(run.model, rows).exp()]

    axes = {"frames": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    return Graph(Heard(bank, model), (frames, lengths), (("frames", "lengths"), ("probs",)), axes, facts, reference)
