"""The graphs of what is written down symbol by symbol: speech and lines of text, by networks with the blank of connectionist temporal
classification. Legend: B batch, T steps, M mel bands, C frames side by side in a step, H rows and W columns of a line, V symbols, the
blank first.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.exporting.graph import Graph
from samoyed.exporting.sounds import Scaled
from samoyed.features.filterbank import SHIFT, WINDOW
from samoyed.objectives import full
from samoyed.run import Run
from samoyed.tasks import _spelling

_STEPS, _COLUMNS = 50, 96  # of the example


class Spoken(Scaled):
    """frames float32 [B, T, C M], log energies of mel bands, and lengths int64 [B] -> log_probs [B, T', V] and their lengths [B]."""

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Step by step."""
        logits, steps = self.model(self.scaled(frames), lengths)
        return full(logits).log_softmax(-1), steps.long()


class Written(nn.Module):
    """lines uint8 [B, H, W], ink bright, and widths int64 [B] -> log_probs [B, T, V] and their lengths [B]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, lines: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """From bytes."""
        logits, steps = self.model(lines.float() / 255, lengths)
        return full(logits).log_softmax(-1), steps.long()


def spoken(run: Run, model: nn.Module) -> Graph:
    """Of automatic-speech-recognition."""
    task: Any = run.task
    bank, draw = task.filterbank, torch.Generator().manual_seed(0)
    noise = torch.randn(2, _STEPS, task.stack * len(bank.mean), generator=draw)
    frames = noise * torch.tensor(bank.deviation * task.stack) + torch.tensor(bank.mean * task.stack)
    facts = {
        "rate": bank.rate,
        "bands": len(bank.mean),
        "stack": task.stack,
        "mean": bank.mean,
        "preprocessing": f"channels averaged, {bank.rate} samples a second; log energies of {len(bank.mean)} mel bands as Kaldi's "
        f"compute-fbank-feats gives them for samples of 16 bits: windows of {1000 * WINDOW:g} ms, one each {1000 * SHIFT:g} ms, "
        f"snip_edges=false, dither=0; {task.stack} frames side by side, the last filled up with the mean; float32 [batch, time, "
        f"{task.stack} x bands], and the number of steps of each, int64 [batch]; {_READ}",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        mean, deviation = (torch.tensor(part * task.stack, dtype=torch.float64) for part in (bank.mean, bank.deviation))
        return _answers(run, ((inputs[0].double() - mean) / deviation).float().half().float(), inputs[1])

    return _graph(run, Spoken(bank, model, task.stack), ("frames", frames, 1), facts, reference)


def written(run: Run, model: nn.Module) -> Graph:
    """Of text-line-recognition."""
    task: Any = run.task
    draw = torch.Generator().manual_seed(0)
    lines = torch.randint(0, 256, (2, task.height, _COLUMNS), generator=draw).to(torch.uint8)
    facts = {
        "height": task.height,
        "preprocessing": f"grey lines of {task.height} rows, ink bright on dark, uint8 [batch, {task.height}, columns], and the number of "
        f"columns of each, int64 [batch]; {_READ}",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return _answers(run, inputs[0].float() / 255, inputs[1])

    return _graph(run, Written(model), ("lines", lines, 2), facts, reference)


_READ = "log-probabilities of the blank and of each token at every step; repeats merged and blanks removed they say what is read; run.py shows how"


def _graph(
    run: Run,
    module: nn.Module,
    given: tuple[str, Tensor, int],
    facts: dict[str, Any],
    reference: Callable[[list[Tensor]], list[Tensor]],
) -> Graph:
    """Raises UsageError for a model that spells."""
    if _spelling.spells(run.model):
        name = run.config["model"]
        raise UsageError(
            f"{name} cannot be exported: it spells by a search", remedy="train model=bilstm_ctc, or serve the run"
        )
    task: Any = run.task
    name, rows, axis = given
    lengths = torch.tensor([rows.shape[axis], rows.shape[axis] - 13])
    axes = {name: {0: "batch", axis: "time"}, "lengths": {0: "batch"}}
    facts = {"tokens": task.vocabulary.tokens, **facts}
    return Graph(module, (rows, lengths), ((name, "lengths"), ("log_probs", "steps")), axes, facts, reference)


def _answers(run: Run, seen: Tensor, lengths: Tensor) -> list[Tensor]:
    logits, steps = run.model(seen, lengths)
    return [full(logits).log_softmax(-1), steps.long()]
