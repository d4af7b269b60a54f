"""What words and moments add to an answer: sums that are complete, closed forms, brute force, and every task through the front door."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import samoyed
from samoyed import catalog
from samoyed.errors import UsageError
from samoyed.examples import LabelledText, Series
from samoyed.explaining import attributing
from samoyed.run import Run
from samoyed.tasks._windows import last_of


class Reader(nn.Module):
    """Words looked up in two tables, of which the second counts double, and a bend."""

    def __init__(self, bend: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Embedding(9, 4).double(), nn.Embedding(9, 4).double()
        self.weight, self.bend = nn.Parameter(torch.randn(5, 4, dtype=torch.float64)), bend

    def forward(self, tokens: Tensor) -> Tensor:
        found = (self.one(tokens) + 2 * self.two(tokens)) * self.weight
        total = found.sum((1, 2))
        return torch.tanh(total / 4) if self.bend else total


def test_of_a_sum_each_word_adds_its_own_part() -> None:
    model, tokens = Reader(bend=False), torch.tensor([[3, 1, 4, 1, 5]])
    shares = attributing.of_words(model, lambda: model(tokens)[0], 5, steps=2)
    assert shares is not None
    own = ((model.one(tokens) + 2 * model.two(tokens)) * model.weight).sum(2)[0]
    assert torch.allclose(shares.parts, own)
    assert shares.off < 1e-12


def test_shares_of_words_add_up_to_the_answer() -> None:
    model, tokens = Reader(bend=True), torch.tensor([[3, 1, 4, 1, 5]])
    rough, fine = (attributing.of_words(model, lambda: model(tokens)[0], 5, steps) for steps in (4, 256))
    assert rough is not None
    assert fine is not None
    gap = float(model(tokens)[0].detach())  # without words the answer is 0
    assert float(fine.parts.sum()) == pytest.approx(gap, rel=1e-4)
    assert fine.off < 1e-4
    assert fine.off <= rough.off


def test_what_cannot_be_attributed_is_none() -> None:
    model = nn.Linear(3, 1)
    assert attributing.of_words(model, lambda: model(torch.ones(3))[0], 3) is None
    reader = Reader(bend=False)
    assert attributing.of_words(reader, lambda: reader(torch.tensor([[1, 2, 3, 4, 5]]))[0], 4) is None
    assert (
        attributing.of_moments(lambda past: torch.zeros(len(past)), torch.ones(1, 4, 2), torch.zeros(1, 4, 2)) is None
    )


def test_shares_of_moments_add_up_and_of_a_line_are_its_weights() -> None:
    draw = torch.Generator().manual_seed(1)
    past, base, weight = (torch.randn(1, 6, 2, generator=draw, dtype=torch.float64) for _ in range(3))
    line = attributing.of_moments(lambda x: (x * weight).sum((1, 2)), past, base, steps=3)
    bent = attributing.of_moments(lambda x: (x * weight).sum((1, 2)).sin(), past, base, steps=2000)
    assert line is not None
    assert bent is not None
    assert torch.allclose(line.parts, ((past - base) * weight).sum(2)[0])
    gap = (past * weight).sum().sin() - (base * weight).sum().sin()
    assert float(bent.parts.sum()) == pytest.approx(float(gap), rel=1e-5)


def test_hiding_moments_is_hiding_them_one_run_after_another() -> None:
    draw = torch.Generator().manual_seed(2)
    past, base, weight = (torch.randn(1, 7, 1, generator=draw, dtype=torch.float64) for _ in range(3))
    answer = lambda x: (x * weight).sum((1, 2)) ** 2  # noqa: E731
    found = attributing.hiding(answer, past, base, 3)
    for t in range(7):
        falls = []
        for start in range(5):
            if start <= t < start + 3:
                changed = past.clone()
                changed[:, start : start + 3] = base[:, start : start + 3]
                falls.append(float(answer(past) - answer(changed)))
        assert float(found[t]) == pytest.approx(sum(falls) / len(falls))


SMALL: dict[str, dict[str, Any]] = {
    "text_cnn": {"num_filters": 8, "embedding_size": 8}, "lstm": {"hidden_size": 8, "embedding_size": 8},
    "hierarchical_attention": {"hidden_size": 8, "embedding_size": 8}, "fasttext": {"buckets": 50}, "bag_of_words": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs that tell good from bad in made-up reviews."""
    folder = tmp_path_factory.mktemp("texts")
    draw = np.random.default_rng(0)
    rows = []
    for i in range(120):
        words = [str(draw.choice(["the", "film", "was", "a", "seen", "plot", "it"])) for _ in range(7)]
        words[int(draw.integers(7))] = "wonderful" if i % 2 else "dreadful"
        rows.append(f"{' '.join(words)},{'good' if i % 2 else 'bad'}")
    (folder / "reviews.csv").write_text("text,label\n" + "\n".join(rows))

    def run(model: str) -> Run:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(catalog.task("text-classification").load(), "pictures", lambda *given: [])
            settings = {"epochs": 12, "learning_rate": 0.02, "batch_size": 16, "execution": "plain", "min_count": 1}
            return samoyed.train(
                "text-classification", folder / "reviews.csv", model=model, out=folder / model, quiet=True,
                **settings, **SMALL[model],
            )  # fmt: skip

    return run


@pytest.mark.parametrize("model", SMALL)
def test_the_word_that_decides_weighs_most(texts: Callable[[str], Run], model: str, tmp_path: Path) -> None:
    run = texts(model)
    text = "the plot was dreadful it seen"
    found = run.task.explain(run.model, LabelledText(text, None, "x"))
    weights = {part["text"].strip(): part["weight"] for part in found["parts"]}
    assert found["label"] == "bad"
    assert max(weights, key=lambda word: abs(weights[word])) == "dreadful"
    assert weights["dreadful"] > 0
    assert [part["text"].strip() for part in found["parts"]] == text.split()
    json.dumps(found, allow_nan=False)
    if model in ("text_cnn", "lstm"):
        assert found["by"] == "integrated gradients"
    drawn = run.explain(text, tmp_path / model)
    assert "bad" in drawn["said"]
    assert (tmp_path / model / "plots" / "occlusion.png").stat().st_size > 2_000


@pytest.mark.parametrize("model", ["linear", "naive"])
def test_moments_of_a_series_are_told(model: str, tmp_path: Path) -> None:
    """Of a linear map the shares are complete and hidden moments are exact sums; a naive forecast rests on the last value alone."""
    rows = [f"{1990 + i // 12}-{i % 12 + 1:02},{50 + i + 9 * np.sin(i / 2):.3f}" for i in range(150)]
    (tmp_path / "prices.csv").write_text("month,price\n" + "\n".join(rows))
    run = samoyed.train(
        "time-series-forecasting", tmp_path / "prices.csv", model=model, out=tmp_path / "run", quiet=True, calendar="none",
        max_steps=40, execution="plain",
    )  # fmt: skip
    example: Series = run.task.read(tmp_path / "prices.csv")
    found = run.task.explain(run.model, example)
    assert [part["text"].strip() for part in found["parts"]] == list(example.times[-run.task.steps_back :])
    weights = torch.tensor([part["weight"] for part in found["parts"]])
    past = last_of(run.task, example)
    flat = past.clone()
    flat[:] = past[-1]
    with torch.no_grad():
        gap = float((run.task.forecast(run.model, past[None]) - run.task.forecast(run.model, flat[None])).mean())
    if model == "linear":
        assert found["by"] == "integrated gradients"
        assert float(weights.sum()) == pytest.approx(gap, abs=1e-3)
        assert float(weights.abs().max()) > 0
    else:
        assert float(weights.abs().max()) == 0
    drawn = run.explain(tmp_path / "prices.csv", tmp_path / "why")
    assert (tmp_path / "why" / "plots" / "moments.png").stat().st_size > 5_000
    assert Path(drawn["page"]).is_file()


@pytest.mark.parametrize("name", catalog.tasks())
def test_each_task_explains(name: str) -> None:
    """In both forms, for programs and for people; tests of their own say what each gives."""
    task = catalog.task(name).load()
    assert hasattr(task, "explain")
    assert hasattr(task, "explained")


def test_a_task_without_an_explanation_says_so(tmp_path: Path) -> None:
    stub = object.__new__(Run)
    stub.task, stub.config = object(), {"task": "juggling"}  # type: ignore[assignment]
    with pytest.raises(UsageError, match="runs of juggling cannot be explained yet"):
        stub.explain("x", tmp_path)
