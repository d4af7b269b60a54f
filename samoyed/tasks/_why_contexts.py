"""What a word vector stands for: the words nearest to it, and those that the network expects around it.

A vector is no answer that could be divided among what was given; what it is made of is the company that its word kept. Of models that
learn by noise the product of a word's vector with another's output vector, less log k, is near their pointwise mutual information
(Levy & Goldberg 2014), so that the largest products name the contexts.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from samoyed.errors import printable
from samoyed.reporting import why
from samoyed.tasks import Picture
from samoyed.tasks._words import ANALOGY, analogy_of

_MOST = 12
_LEAST = 5  # times that a word must have been there to be named as a context


def of_word(task: Any, model: nn.Module, example: Any) -> tuple[str, dict[str, float], dict[str, float]]:
    """The words asked, their nearest words with cosines, and the words expected around them with logits, none for a tree."""
    answer = task.answer(model, example, _MOST)
    text = example.text.strip()
    known = task.known
    if ANALOGY in text and len(text) < 200:
        rows = [known.row(word) for word in analogy_of(text)]
        signs = [-1.0, 1.0, 1.0]
    else:
        alone = known.find(text)
        rows = [alone] if alone is not None else [row for w in text.split() if (row := known.find(w)) is not None]
        signs = [1.0 / max(1, len(rows))] * len(rows)
    outputs: Any = model.outputs
    if len(outputs) != len(known.words) or not rows:  # the inner nodes of a tree are no words
        return answer["asked"], answer["nearest"], {}
    vectors: Any = model.embeddings
    with torch.no_grad():
        query = (vectors[rows] * torch.tensor(signs, device=vectors.device)[:, None]).sum(0)
        logits = (outputs @ query).cpu().numpy()
    logits[rows] = -np.inf
    logits[np.array(known.counts) < _LEAST] = -np.inf
    best = [i for i in np.argsort(-logits, kind="stable")[:_MOST].tolist() if np.isfinite(logits[i])]
    return answer["asked"], answer["nearest"], {known.words[i]: float(logits[i]) for i in best}


def drawn(task: Any, model: nn.Module, example: Any) -> list[Picture]:
    """Both as bars."""
    asked, nearest, around = of_word(task, model, example)
    bars = {"nearest words, cosine": nearest} | ({"expected around it, logit": around} if around else {})
    tree = "" if around else " This model predicts turns in a tree, so that it names no words around."
    caption = (
        f"Words used like it, and words that it is used with: a vector is made of the company that its word kept.{tree}"
    )
    return [why.bars(printable(asked), bars, caption)]


def as_json(task: Any, model: nn.Module, example: Any) -> dict[str, Any]:
    """The words expected around it as `parts`, the nearest as `nearest`, and a sentence."""
    asked, nearest, around = of_word(task, model, example)
    shown = around or nearest
    parts = [{"text": f"{word} ", "weight": round(value, 5)} for word, value in shown.items()]
    sentence = (
        "Words that it is used with, the darker the more: a vector is made of the company that its word kept."
        if around
        else "The words nearest to it; this model predicts turns in a tree, and names no words around."
    )
    return {
        "label": asked,
        "parts": parts,
        "nearest": nearest,
        "by": "contexts" if around else "cosine",
        "sentence": sentence,
    }
