"""Each task's answer as one module: from raw numbers, as a person has them, to what the answer says, with nothing left to scale.

Of pictures, clips and volumes in seen.py, of recordings in sounds.py, of texts in texts.py, of what is
written down in transcribed.py. Legend: B batch, T time, F features, V vocabulary, S horizon.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.exporting import seen, sounds, texts, transcribed
from samoyed.exporting.graph import Graph
from samoyed.exporting.recurrent import replaced
from samoyed.run import Run


class Forecasts(nn.Module):
    """past float64 [B, T, F] in the data's units -> forecast float32 [B, S] in the target's."""

    log: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model, self.logs, self.any = model, task.scale.log[0], any(task.scale.log)
        self.streams = task.streams
        self.register_buffer("log", torch.tensor(task.scale.log))
        self.register_buffer("mean", torch.tensor(task.scale.mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(task.scale.deviation, dtype=torch.float64))

    def forward(self, past: Tensor) -> Tensor:
        """Scaled, seen relative to the last value or step from step, and scaled back."""
        shown = torch.where(self.log, torch.where(self.log, past, 1.0).log(), past) if self.any else past
        scaled = ((shown - self.mean) / self.deviation).float()
        last = scaled[:, -1:]
        seen = scaled[:, 1:] - scaled[:, :-1] if self.streams else scaled - last
        future: Tensor = self.model(seen) + last[:, :, 0]
        unit = future * self.deviation[0].float() + self.mean[0].float()
        return unit.exp() if self.logs else unit


class NextTokens(nn.Module):
    """tokens int64 [B, T] and the state before -> log_probs [B, T, V] of the token after each, and the state after."""

    def __init__(self, model: nn.Module, parts: int) -> None:
        super().__init__()
        self.model, self.parts = model, parts

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One call reads any number of tokens."""
        logits, after = self.model(tokens, state if self.parts > 1 else state[0])
        return logits.float().log_softmax(-1), *(after if self.parts > 1 else (after,))


def graph_of(run: Run) -> Graph:
    """The graph of a run. Raises UsageError for a task or a model that has none."""
    made = {
        "image-classification": seen.pictures,
        "time-series-forecasting": _forecasts,
        "text-generation": _next_tokens,
        "audio-classification": sounds.heard,
        "video-classification": seen.clips,
        "video-tagging": seen.tagged,
        "volume-classification": seen.solids,
        "image-similarity": seen.embeddings,
        "text-classification": texts.read,
        "sequence-tagging": texts.tagged,
        "automatic-speech-recognition": transcribed.spoken,
        "text-line-recognition": transcribed.written,
    }.get(run.config["task"])
    if made is None:
        raise UsageError(f"runs of {run.config['task']} cannot be exported yet", remedy="serve the run instead")
    return made(run, replaced(copy.deepcopy(run.model)).eval())


def _forecasts(run: Run, model: nn.Module) -> Graph:
    task: Any = run.task
    if task.cycles:
        raise UsageError("a forecaster that sees the calendar cannot be exported", remedy="train it with calendar=none")
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(2, task.steps_back, len(task.columns), dtype=torch.float64, generator=draw).cumsum(1) * 0.1
    shown = values * torch.tensor(task.scale.deviation) + torch.tensor(task.scale.mean)
    past = torch.where(torch.tensor(task.scale.log), shown.exp(), shown)
    facts = {
        "target": task.column,
        "columns": task.columns,
        "context": task.steps_back,
        "preprocessing": f"the last {task.steps_back} values of {', '.join(task.columns)} as they are, float64 [batch, time, columns]",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.scale.backward(task.forecast(run.model, task.scale.forward(inputs[0]).float()))]

    return Graph(Forecasts(task, model), (past,), (("past",), ("forecast",)), {"past": {0: "batch"}}, facts, reference)


def _next_tokens(run: Run, model: nn.Module) -> Graph:
    task: Any = run.task
    size = task.sizes()["vocab_size"]
    tokens = torch.randint(0, size, (2, 5), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        _, state = run.model(tokens, None)
    parts = (state,) if isinstance(state, Tensor) else state
    if not isinstance(parts, tuple) or not all(isinstance(part, Tensor) for part in parts):
        raise UsageError(f"the state of {run.config['model']} is no set of tensors, so that it cannot be exported")
    axis = run.task.carried_axis(run.model)
    names = tuple(f"state{i}" for i in range(len(parts)))
    axes = {"tokens": {0: "batch", 1: "time"}} | {name: {axis: "batch"} for name in names}
    zeros = tuple(torch.zeros_like(part) for part in parts)
    facts = {
        "tokens": task.vocabulary.tokens,
        "kind": task.vocabulary.kind,
        "state": [[d if i != axis else "batch" for i, d in enumerate(part.shape)] for part in parts],
        "preprocessing": "places of the tokens in the list, 0 for others; the state before the first token is 0",
    }
    outputs = ("log_probs", *(f"{name}_after" for name in names))

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        before = inputs[1] if len(inputs) == 2 else tuple(inputs[1:])
        logits, after = run.model(inputs[0], before)
        return [logits.log_softmax(-1), *((after,) if isinstance(after, Tensor) else after)]

    return Graph(NextTokens(model, len(parts)), (tokens, *zeros), (("tokens", *names), outputs), axes, facts, reference)
