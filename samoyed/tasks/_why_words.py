"""Which words moved a tag, the next token, or a word of a translation: for `samoyed explain`, the server and the page.

Integrated gradients of the answer's number over the embeddings, from none at all (Sundararajan 2017), and by how much the answer's
log-probability falls where a token is made unknown (Zeiler 2014; Li 2016). Legend: T said, S given, V vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError, printable
from samoyed.examples import Pair
from samoyed.explaining import attributing
from samoyed.objectives import full
from samoyed.reporting import texts, why
from samoyed.tasks import Picture

INTEGRATED, HIDDEN, ATTENTION = "integrated gradients", "occlusion", "attention"
_UNKNOWN = 0  # in every vocabulary of the house
_MOST = 8  # answers that are told one by one
_PAST = 120  # tokens before the next one that are looked at


class Found(NamedTuple):
    """What was given and said, and by method [T, S]; `off` the share that integrated gradients miss."""

    given: list[str]
    said: list[str]
    weights: dict[str, Tensor]
    off: float
    between: str


def of_tags(task: Any, model: nn.Module, example: Any) -> Found:
    """The words of a text against its tags: of names and other spans, or, where tags mark none, of the likeliest words to be wrong."""
    model.eval()
    rows = task.collate([example])
    tokens, length = rows.tokens.long().to(task.device), rows.lengths.to(task.device)
    words = list(example.tokens[: task.max_length])
    answer = task.answer(model, example)
    index = {name: i for i, name in enumerate(task.tags)}
    chosen = [i for i, (_, tag, _) in enumerate(answer["tags"]) if tag != "O"]
    if "O" not in index:  # parts of speech: every word has one
        chosen = sorted(range(len(words)), key=lambda i: answer["tags"][i][2])
    chosen = sorted((chosen or sorted(range(len(words)), key=lambda i: answer["tags"][i][2]))[:_MOST])
    at = torch.tensor(chosen, device=task.device)
    tags = torch.tensor([index[answer["tags"][i][1]] for i in chosen], device=task.device)

    def logits(given: Tensor) -> Tensor:
        return full(model(given, length.expand(len(given))))[:, at]

    said = [f"{answer['tags'][i][1]}  {words[i]}" for i in chosen]
    return _found(task, model, tokens, logits, tags, words, said, " ")


def of_next(task: Any, model: nn.Module, example: Any) -> Found:
    """The tokens of a beginning against the likeliest next one."""
    model.eval()
    tokens = task.vocabulary.encode(example.text or "\n")[-_PAST:][None].to(task.device)
    with torch.no_grad():
        best = full(model(tokens, None)[0])[:, -1].argmax(-1)

    def logits(given: Tensor) -> Tensor:
        return full(model(given, None)[0])[:, -1:]

    names = [task.vocabulary.text(token[None]) for token in tokens[0].cpu()]
    said = [f"next: {_visible(task.vocabulary.text(best.cpu()))}"]
    return _found(task, model, tokens, logits, best, names, said, "")


def of_translation(task: Any, model: Any, example: Pair) -> Found:
    """The tokens of a source against each token that is said, given those before it; attention beside gradients."""
    model.eval()
    rows = task.collate([example])
    batch = type(rows)(*(tensor.to(task.device) for tensor in rows))
    sources, length = batch.sources.long(), batch.source_lengths.long()
    found = task.search(model, batch)
    targets = found.tokens[:1, 0, : int(found.lengths[0, 0])].long()
    if not targets.shape[1]:
        raise UsageError("nothing was said, so that there is nothing to explain", remedy="give another text")
    ((said, attention),) = task.alignments(model, batch, found)

    def logits(given: Tensor) -> Tensor:
        many = len(given)
        return full(model(given, length.expand(many), targets.expand(many, -1)))

    names = [*task.vocabularies[0].split(example.source), "(end)"][: sources.shape[1]]
    names = [_plain(name) for name in names]
    made = _found(
        task, model, sources, logits, targets[0], names, list(map(_plain, said)), " ", [model.source_embedding]
    )
    if attention is not None:
        made.weights[ATTENTION] = attention.cpu()
    return made


def _found(
    task: Any, model: nn.Module, tokens: Tensor, logits: Callable[[Tensor], Tensor], answers: Tensor, given: list[str],
    said: list[str], between: str, only: Sequence[nn.Embedding] = (),
) -> Found:  # fmt: skip
    """tokens [1, S], logits of [B, S] as [B, T, V], answers [T]."""

    def numbers(many: int) -> Tensor:
        found = logits(tokens.expand(many, -1))
        return found.gather(-1, answers.expand(many, -1)[..., None])[..., 0]

    shares = attributing.of_each(model, numbers, tokens.shape[1], only=only)
    weights = {} if shares is None else {INTEGRATED: shares.parts.float().cpu()}
    weights[HIDDEN] = unknown(tokens, logits, answers).float().cpu()
    return Found(given, said, weights, 0.0 if shares is None else shares.off, between)


@torch.no_grad()
def unknown(tokens: Tensor, logits: Callable[[Tensor], Tensor], answers: Tensor) -> Tensor:
    """By how much each answer's log-probability falls where a token is unknown: tokens [1, S], answers [T] -> [T, S]."""

    def nats(given: Tensor) -> Tensor:
        log_probs = logits(given).log_softmax(-1)
        return log_probs.gather(-1, answers.expand(len(given), -1)[..., None])[..., 0]

    size = tokens.shape[1]
    changed = tokens.repeat(size, 1)
    changed.fill_diagonal_(_UNKNOWN)
    without = torch.cat([nats(part) for part in torch.split(changed, 32)])
    return (nats(tokens) - without).T


def shaded(found: Found) -> list[Picture]:
    """The text once for each answer, shaded, by each method."""
    pictures = []
    for by, weights in found.weights.items():
        rows = [
            texts.Shaded(printable(said), [(None, list(zip(found.given, _scaled(row), strict=False)))], found.between)
            for said, row in zip(found.said, weights, strict=True)
        ]
        picture = texts.weighed(rows, True)
        pictures.append(picture._replace(name=by.replace(" ", "_"), title=f"By {by}", caption=_caption(by, found.off)))
    return pictures


def drawn(found: Found) -> list[Picture]:
    """A table for each method."""
    given, said = ([_visible(name)[:18] for name in names] for names in (found.given, found.said))
    about = "; ".join(f"{by}: {_caption(by, found.off)[:-1].lower()}" for by in found.weights)
    caption = f"Each row is a token that was said, each column one that was given. {about[:1].upper()}{about[1:]}."
    return [why.tables(given, said, found.weights, caption, {INTEGRATED, HIDDEN})]


def as_json(found: Found) -> dict[str, Any]:
    """The first answer's weights as `parts`, those of all as `each`, and a sentence."""
    by, weights = next(iter(found.weights.items()))
    each = [
        {
            "label": said,
            "parts": [
                {"text": f"{name}{found.between}", "weight": round(w, 5)}
                for name, w in zip(found.given, row.tolist(), strict=False)
            ],
        }
        for said, row in zip(found.said, weights, strict=True)
    ]
    sentence = f"By {by}: {_caption(by, found.off)[:1].lower()}{_caption(by, found.off)[1:]}"
    return {"label": found.said[0], "parts": each[0]["parts"], "each": each, "by": by, "sentence": sentence}


def _caption(by: str, off: float) -> str:
    return {
        INTEGRATED: f"What each token adds to the answer, from no token at all: blue for it, orange against it. The shares add up within {off:.1%}.",
        HIDDEN: "How much less (blue) or more (orange) probable the answer is where a token is unknown.",
    }.get(by, "The brighter, the more the token was looked at.")


def _scaled(row: Tensor) -> list[float]:
    found: list[float] = (row / row.abs().max().clamp(min=1e-9)).tolist()
    return found


def _visible(text: str) -> str:
    """A token of which something can be seen."""
    return printable(text.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥"))


def _plain(token: str) -> str:
    return token.replace("▁", " ").strip() or "␣"
