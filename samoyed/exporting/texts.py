"""The graphs of a classifier and a tagger of texts. Legend: B batch, T tokens of a text, K classes or tags."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.exporting.graph import Graph
from samoyed.objectives import full
from samoyed.run import Run
from samoyed.tasks.text_classification import Texts

_TOKENS = 21  # of the example text
_PLACES = "their places in the list, 0 for others, int64 [batch, time], and the number of each text's, int64 [batch]; run.py shows how"


class Read(nn.Module):
    """tokens int64 [B, T] and lengths int64 [B] -> probs [B, K] of each text, or [B, T, K] of each token."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The places of the tokens are all that the network is given."""
        return full(self.model(tokens, lengths)).softmax(-1)


def read(run: Run, model: nn.Module) -> Graph:
    """Of text-classification."""
    task: Any = run.task
    facts = {
        "classes": task.classes,
        "kind": task.lexicon.kind,
        "preprocessing": f"the first {task.max_length:,} {task.lexicon.kind} of the text without the space around it"
        f"{', in small letters' if task.lexicon.lower else ''}; {_PLACES}",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [task.log_probs(run.model, Texts(inputs[0], inputs[1], torch.zeros_like(inputs[1]))).exp()]

    return _graph(task, model, facts, reference)


def tagged(run: Run, model: nn.Module) -> Graph:
    """Of sequence-tagging. Raises UsageError for a model that chooses the tags of a text together."""
    task: Any = run.task
    if hasattr(run.model, "best"):
        name = run.config["model"]
        raise UsageError(
            f"{name} cannot be exported: it chooses the tags of a text together, by a search",
            remedy="train model=lstm, or serve the run",
        )
    facts = {
        "tags": task.tags,
        "shapes": task.shapes,
        "preprocessing": f"the first {task.max_length:,} words and marks of the text{', in small letters' if task.lexicon.lower else ''}"
        f"{', those that are not in the list by their shape' if task.shapes else ''}; {_PLACES}",
    }

    def reference(inputs: list[Tensor]) -> list[Tensor]:
        return [full(run.model(*inputs)).softmax(-1)]

    return _graph(task, model, facts, reference)


def _graph(
    task: Any, model: nn.Module, facts: dict[str, Any], reference: Callable[[list[Tensor]], list[Tensor]]
) -> Graph:
    lexicon, draw = task.lexicon, torch.Generator().manual_seed(0)
    tokens = torch.randint(0, len(lexicon), (2, _TOKENS), generator=draw)
    lengths = torch.tensor([_TOKENS, _TOKENS - 8])
    facts = {"tokens": lexicon.tokens, "lower": lexicon.lower, "max_length": task.max_length, **facts}
    axes = {"tokens": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    return Graph(Read(model), (tokens, lengths), (("tokens", "lengths"), ("probs",)), axes, facts, reference)
