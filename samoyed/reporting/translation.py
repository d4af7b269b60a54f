"""Pictures of a translator: what it says, where it looks, how it copes with length, and which sentences are alike to it."""

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samoyed.reporting.figures import COLOURS, MAP, figure
from samoyed.tasks import Picture

_WIDTH = 92
_SHOWN = 8  # sentences written out
_DRAWN = 4  # sentences whose alignment is drawn
_MAPPED, _NAMED = 400, 45  # sentences in the map, and of these with their text
_MEASURED = 2000  # sentences whose BLEU is drawn against their length


def pictures(task: Any, model: Any, examples: Sequence[Any], data: Any) -> list[Picture]:
    """All of them, from the test split: its examples, and the same collated."""
    said: list[str] = []
    part = type(data)(*(tensor[:_MEASURED] for tensor in data))
    for batch in task.batches(part, 128):
        said += task.texts(task.search(model, batch))
    examples = examples[: len(said)]
    references = [e.target for e in examples]
    lengths = [len(e.source.split()) for e in examples]
    made = [written(examples, said), by_length({"": said}, references, lengths)]
    picked = [i for i, n in enumerate(lengths) if 4 <= n <= 16][:_DRAWN] or [0]
    matrices = []
    for i in picked:
        row = type(data)(*(tensor[i : i + 1] for tensor in data)).trimmed()
        ((words, weights),) = task.alignments(model, row, task.search(model, row))
        if weights is not None:
            matrices.append((task.vocabularies[0].split(examples[i].source), words, weights.cpu()))
    if matrices:
        made.append(alignments(matrices))
    if len(examples) > 10:
        made.append(phrase_map([e.source for e in examples[:_MAPPED]], _encoded(task, model, part)))
    return made


def _encoded(task: Any, model: Any, data: Any) -> NDArray[np.float32]:
    """The encoder's states, averaged over each sentence: [N, H]."""
    rows = []
    for batch in task.batches(type(data)(*(tensor[:_MAPPED] for tensor in data)), 128):
        memory, _ = model.encode(batch.sources.long(), batch.source_lengths.long())
        mask = memory.mask[..., None].to(memory.values)
        rows.append((memory.values * mask).sum(1) / mask.sum(1))
    return torch.cat(rows).float().cpu().numpy()


def written(examples: Sequence[Any], said: list[str]) -> Picture:
    """Some sources, what was said, and the references."""
    step = max(1, len(examples) // _SHOWN)
    lines: list[tuple[str, str, str]] = []
    for i in range(0, min(len(examples), step * _SHOWN), step):
        texts = (("source", examples[i].source), ("said", said[i]), ("reference", examples[i].target))
        for kind, text in texts:
            parts = textwrap.wrap(" ".join(text.split()), _WIDTH)[:3] or ["(nothing)"]
            lines += [
                (kind if n == 0 else "", part, "bold" if kind == "said" else "normal") for n, part in enumerate(parts)
            ]
        lines.append(("", "", "normal"))
    drawn, axes = figure(8.2, 0.17 * len(lines) + 0.3)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(lines), 0)
    for row, (kind, text, weight) in enumerate(lines):
        axes.text(0, row + 0.6, kind, fontsize=7.5, color=COLOURS[6])
        axes.text(0.1, row + 0.6, text, fontsize=8, weight=weight)
    caption = "Sentences of the test split, what the network says for them, and what a person wrote."
    return Picture("examples", "What it says", caption, drawn)


def alignments(matrices: list[tuple[list[str], list[str], Tensor]]) -> Picture:
    """Where each said token looked: (source tokens, said tokens, weights [T, S])."""
    columns = min(2, len(matrices))
    rows = -(-len(matrices) // columns)
    longest = max(len(said) for _, said, _ in matrices)
    widest = max(len(source) for source, _, _ in matrices) + 1
    drawn, axes = figure(columns * (1.1 + 0.24 * widest), rows * (1.0 + 0.22 * longest), rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for cell, (source, said, weights) in zip(axes.flat, matrices, strict=False):
        cell.axis("on")
        cell.imshow(weights.numpy(), cmap=MAP, vmin=0, vmax=1, aspect="auto")
        cell.set_xticks(
            range(weights.shape[1]),
            [*map(_plain, source), "(end)"][: weights.shape[1]],
            rotation=60,
            ha="left",
            rotation_mode="anchor",
            fontsize=7.5,
        )
        cell.set_yticks(range(len(said)), list(map(_plain, said)), fontsize=7.5)
        cell.xaxis.tick_top()
        cell.grid(visible=False)
    caption = "Each row is a token that was said; the bright places are the source tokens it looked at (Bahdanau 2014, figure 3)."
    return Picture("alignment", "Where it looks", caption, drawn)


def by_length(said: dict[str, list[str]], references: list[str], lengths: list[int]) -> Picture:
    """BLEU of groups of sentences of like length, for each system: {name: its answers}."""
    centres, values = _grouped(said, references, lengths)
    drawn, axes = figure(6.2, 3.2)
    for colour, (name, figures) in zip(COLOURS, values.items(), strict=False):
        axes.plot(centres, figures, marker="o", color=colour, label=name or None)
    if any(said):
        axes.legend()
    axes.set_ylim(0, max(1.0, 1.1 * max(max(figures) for figures in values.values())))
    axes.set_xlabel("words of the source, mean of each group")
    axes.set_ylabel("BLEU")
    caption = "Test sentences in groups of about equal number, from short to long."
    return Picture("length", "Against the length of the sentence", caption, drawn)


def gaps(said: dict[str, list[str]], references: list[str], lengths: list[int]) -> list[float]:
    """How far the second system is below the first in each group of `by_length`, in points of BLEU."""
    _, values = _grouped(said, references, lengths)
    first, second = list(values.values())[:2]
    return [a - b for a, b in zip(first, second, strict=True)]


def _grouped(
    said: dict[str, list[str]], references: list[str], lengths: list[int]
) -> tuple[list[float], dict[str, list[float]]]:
    """The mean length of up to six groups of sentences of like length, and each system's BLEU on them."""
    from sacrebleu.metrics.bleu import BLEU

    edges = sorted(set(np.quantile(lengths, np.linspace(0, 1, 7)).astype(int).tolist()))
    groups = [
        [i for i, n in enumerate(lengths) if a <= n < b or n == b == edges[-1]] for a, b in itertools.pairwise(edges)
    ]
    groups = [group for group in groups if group] or [list(range(len(lengths)))]
    values = {
        name: [BLEU().corpus_score([texts[i] for i in g], [[references[i] for i in g]]).score for g in groups]
        for name, texts in said.items()
    }
    return [float(np.mean([lengths[i] for i in group])) for group in groups], values


def phrase_map(texts: list[str], states: NDArray[np.float32]) -> Picture:
    """Sentences by their encoder states, brought to the plane by t-SNE (van der Maaten & Hinton 2008)."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(texts) - 1) / 3)
    places = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(states)
    drawn, axes = figure(8.6, 6.4)
    axes.scatter(*places.T, s=7, color=COLOURS[0], alpha=0.5)
    span = places.max(0) - places.min(0)
    taken: list[NDArray[Any]] = []
    for i in np.argsort([len(t) for t in texts], kind="stable"):
        if len(taken) == _NAMED:
            break
        at = places[i] / span
        if any(abs(at[1] - other[1]) < 0.022 and abs(at[0] - other[0]) < 0.3 for other in taken):
            continue
        taken.append(at)
        name = texts[i] if len(texts[i]) <= 44 else f"{texts[i][:42]}…"
        axes.annotate(name, places[i], (2, 2), textcoords="offset points", fontsize=6.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.12, 0.04)
    axes.spines[:].set_visible(False)
    caption = (
        "Test sentences lie near each other where the encoder's states, averaged over the sentence, are alike (t-SNE)."
    )
    return Picture("phrases", "Which sentences are alike", caption, drawn)


def _plain(token: str) -> str:
    """A token as it is read: without the mark of a word's beginning, other than where it is all."""
    return token.replace("▁", " ").strip() or "␣"
