"""How a classifier of texts came to its answers: the weights of tokens, and the phrases that filters detect.

Legend: B batch, T time, K classes, F filters.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.batching import alike
from samoyed.examples import LabelledText
from samoyed.objectives import full
from samoyed.reporting import texts
from samoyed.reporting.texts import Shaded
from samoyed.tasks import Picture
from samoyed.tasks._texts import padded

_MOST_WINDOWS = 128  # parts of a long text that are left out in turn
_AT_ONCE = 4096  # tokens of them that are computed together


def weights_of(model: nn.Module, tokens: Tensor, answer: int) -> tuple[Tensor, str]:
    """tokens [T] -> the weight of each in the answer [T], and by what: the model's attention, else occlusion."""
    attention: Any = getattr(model, "attention", None)
    found = attention(tokens[None]) if attention is not None else None
    return (found[0].cpu(), "attention") if found is not None else (occlusion(model, tokens, answer).cpu(), "occlusion")


def log_probs_of(model: nn.Module, tokens: Tensor, lengths: Tensor, classes: int) -> Tensor:
    """log p of the classes for tokens [N, T] of so many `lengths` [N], those of like length computed together: [N, K]."""
    found = torch.empty(len(tokens), classes, device=tokens.device)
    for some in alike(lengths):
        batch = tokens[some, : int(lengths[some].max())]
        found[some] = full(model(batch, lengths[some])).log_softmax(-1)
    return found


def weights_of_each(model: nn.Module, tokens: Sequence[Tensor], whole: Tensor) -> list[tuple[Tensor, str]]:
    """`weights_of` each of several texts [T] in its likeliest class: log p of the classes of each is `whole` [N, K]."""
    answers = whole.argmax(-1).tolist()
    attention: Any = getattr(model, "attention", None)
    if attention is None:
        return [(found.cpu(), "occlusion") for found in occlusions(model, tokens, answers, whole)]
    return [weights_of(model, text, answer) for text, answer in zip(tokens, answers, strict=True)]


def occlusion(model: nn.Module, tokens: Tensor, answer: int) -> Tensor:
    """log p(answer | the text) - log p(answer | the text without the token): tokens [T] -> [T] (Li, Monroe & Jurafsky 2016).

    Of a long text, runs of tokens are left out together. A token that is all of its text is held against even chances.
    """
    return occlusions(model, [tokens], [answer], model(tokens[None]).log_softmax(-1))[0]


def occlusions(model: nn.Module, texts: Sequence[Tensor], answers: Sequence[int], whole: Tensor) -> list[Tensor]:
    """`occlusion` of several texts, all that is left out of any of them together: log p of the classes for each, `whole` [N, K], -> [T] each."""
    windows, rows, owners = [], [], []
    for n, tokens in enumerate(texts):
        width = -(-len(tokens) // _MOST_WINDOWS)
        window = torch.arange(len(tokens), device=tokens.device) // width
        windows.append(window)
        if len(tokens) > 1:
            left_out = window == torch.arange(int(window[-1]) + 1, device=tokens.device)[:, None]  # [W, T]
            rows += [tokens[~row] for row in left_out]
            owners += [n] * len(left_out)
    without = _log_probs(model, rows, torch.tensor([answers[n] for n in owners], device=whole.device), whole)
    parts = iter(torch.split(without, [int(w[-1]) + 1 for w in windows if len(w) > 1]))
    even = -torch.tensor(float(whole.shape[1])).log().to(whole)[None]
    return [
        (whole[n, answers[n]] - (next(parts) if len(window) > 1 else even))[window] for n, window in enumerate(windows)
    ]


def _log_probs(model: nn.Module, rows: Sequence[Tensor], answers: Tensor, like: Tensor) -> Tensor:
    """log p of an answer [R] for each of the rows of tokens, computed beside those that are about as long: [R], of the type of `like`."""
    found = like.new_zeros(len(rows))
    lengths = torch.tensor([len(row) for row in rows], device=answers.device)
    for group in alike(lengths):
        for some in torch.split(group, max(32, _AT_ONCE // int(lengths[group[0]]))):
            tokens = nn.utils.rnn.pad_sequence([rows[i] for i in some.tolist()], batch_first=True)
            log_probs = full(model(tokens, lengths[some])).log_softmax(-1)
            found[some] = log_probs.gather(1, answers[some][:, None])[:, 0]
    return found


def shaded_texts(
    task: Any, model: nn.Module, examples: Sequence[LabelledText], log_probs: Tensor, names: list[str], most: int = 6
) -> tuple[list[Shaded], bool]:
    """Some texts with the weights of their tokens, one of each answered class first; whether weights have a sign."""
    sure, answers = log_probs.exp().max(-1)
    lengths = torch.tensor([len(task.split_up(e.text)) for e in examples])
    wanted = 5 if task.tokens == "characters" else 8
    ranked = sorted(range(len(examples)), key=lambda i: (bool(lengths[i] < wanted), abs(int(lengths[i]) - 40), i))
    chosen: list[int] = []
    for once in (True, False):
        for i in ranked:
            taken = {int(answers[j]) for j in chosen}
            if len(chosen) < most and i not in chosen and not (once and int(answers[i]) in taken):
                chosen.append(i)
    shaded, signed = [], True
    for i in chosen:
        tokens = task.split_up(examples[i].text)
        rows = padded([task.lexicon.encode(tokens)])[0][0].long().to(task.device)
        weights, kind = weights_of(model, rows, int(answers[i]))
        signed = kind == "occlusion"
        scaled = (weights / weights.abs().max().clamp(min=1e-9)).tolist()
        truth = str(examples[i].label)
        heading = f"{names[int(answers[i])]}, {sure[i]:.0%} sure" + (
            "" if truth == task.classes[answers[i]] else f"; it is {truth}"
        )
        pairs = list(zip(tokens, scaled, strict=False))
        between = " " if task.tokens == "words" else ""
        shaded.append(Shaded(heading, _by_sentence(model, rows, pairs), between))
    return shaded, signed


def _by_sentence(
    model: nn.Module, tokens: Tensor, pairs: list[tuple[str, float]]
) -> list[tuple[float | None, list[tuple[str, float]]]]:
    """The tokens in sentences, where the model weighs sentences; else all in one."""
    weigh: Any = getattr(model, "sentence_weights", None)
    if weigh is None:
        return [(None, pairs)]
    number, weights = weigh(tokens[None])
    scaled = (weights[0] / weights[0].max()).tolist()
    inside: list[list[tuple[str, float]]] = [[] for _ in scaled]
    for pair, at in zip(pairs, number[0].tolist(), strict=False):
        inside[at].append(pair)
    return list(zip(scaled, inside, strict=True))


def strongest_phrases(
    task: Any, model: nn.Module, examples: Sequence[LabelledText], data: Any, names: list[str], filters: int = 4
) -> list[Picture]:
    """Of a ConvNet over words, for each class the filters that speak for it most and what excites them; of others nothing."""
    excited: Any = getattr(model, "excited", None)
    if excited is None:
        return []
    batches = [excited(batch.tokens.long(), batch.lengths) for batch in task.batches(data, 64)]
    widths = [parts[0].width for parts in zip(*batches, strict=True)]
    answers = torch.cat([torch.cat([part.answers for part in batch], 1) for batch in batches])  # [N, F]
    starts = torch.cat([torch.cat([part.starts for part in batch], 1) for batch in batches])
    of = torch.cat(
        [torch.full((part.answers.shape[1],), width) for part, width in zip(batches[0], widths, strict=True)]
    )
    weights = torch.cat([part.weights for part in batches[0]], 1)  # [K, F]
    for_class = (weights - weights.mean(0)) * answers.mean(0)
    between = " " if task.tokens == "words" else ""
    found = []
    for k in range(min(6, len(names))):
        rows = []
        for f in for_class[k].topk(min(filters, for_class.shape[1])).indices.tolist():
            phrases: dict[str, None] = {}
            for i in answers[:, f].argsort(descending=True)[:60].tolist():
                first = int(starts[i, f])
                tokens = task.split_up(examples[i].text)[max(0, first) : first + int(of[f])]
                phrases.setdefault(between.join(tokens).lower())
            rows.append(list(phrases)[:3])
        found.append((names[k], rows))
    return [texts.keywords(found)]
