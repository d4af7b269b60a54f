"""Spans and their F1, by tensors, against conlleval's rules token by token."""

import random

import torch

from samoyed.tasks._spans import matches, scheme_of, spans

TAGS = ["O", *(f"{p}-{kind}" for p in "BIES" for kind in ("PER", "LOC"))]


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """The rules of conlleval, as a walk along the tags."""
    found, begin = [], 0
    before, before_kind = "O", ""
    for i, tag in enumerate([*tags, "O"]):
        now, _, kind = tag.partition("-")
        ends = before in ("E", "S") or (before in ("B", "I") and (now in ("B", "S", "O") or kind != before_kind))
        if before != "O" and ends:
            found.append((before_kind, begin, i - 1))
        if now in ("B", "S") or (now in ("E", "I") and (before in ("O", "E", "S") or kind != before_kind)):
            begin = i
        before, before_kind = now, kind
    return found


def test_spans_are_conllevals() -> None:
    draw = random.Random(0)
    scheme = scheme_of(TAGS)
    assert scheme is not None
    rows = [[draw.choice(TAGS) for _ in range(12)] for _ in range(400)]
    others = [[tag if draw.random() < 0.8 else draw.choice(TAGS) for tag in row] for row in rows]
    lengths = torch.tensor([draw.randint(1, 12) for _ in rows])
    mask = torch.arange(12) < lengths[:, None]
    true, said = (torch.tensor([[TAGS.index(t) for t in row] for row in those]) for those in (rows, others))
    begins, last, kind = spans(true, mask, scheme)
    both, count = matches(said, true, mask, scheme)
    for i, length in enumerate(lengths.tolist()):
        expected = entities(rows[i][:length])
        found = [(int(kind[i, t]), t, int(last[i, t])) for t in range(12) if begins[i, t]]
        assert [(("", "LOC", "PER")[k], first, end) for k, first, end in found] == expected
        answered = entities(others[i][:length])
        assert both[i] == 2 * len(set(expected) & set(answered))
        assert count[i] == len(expected) + len(answered)


def test_parts_of_speech_are_no_spans() -> None:
    assert scheme_of(["NOUN", "VERB", "O"]) is None
    assert scheme_of(["O"]) is None
    assert scheme_of(["O", "B-PER", "X-PER"]) is None
    assert scheme_of(["O", "B-PER"]) is not None
