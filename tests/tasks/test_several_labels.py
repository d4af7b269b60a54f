"""Pictures with any number of labels, from a table to an answer."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn.metrics import average_precision_score
from torch.nn import functional

import samoyed
from samoyed.errors import DataError, UsageError
from samoyed.examples import Image
from samoyed.objectives import binary_cross_entropy
from samoyed.run import Run
from samoyed.tasks import Metric
from samoyed.tasks._labelling import OneLabel, SeveralLabels, labelling
from samoyed.tasks._ranked import average_precisions, mean_average_precision
from samoyed.tasks.image_classification import ImageClassification
from samoyed.training.evaluation import pool

BARS = {"top": (slice(0, 3), slice(None)), "left": (slice(None), slice(0, 3)), "middle": (slice(5, 7), slice(None))}


def shown(names: list[str], draw: np.random.Generator) -> np.ndarray:
    """A grey picture with a bar for each name."""
    pixels = draw.integers(0, 60, (12, 12)).astype(np.uint8)
    for name in names:
        pixels[BARS[name]] = draw.integers(180, 255)
    return pixels


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("several"), np.random.default_rng(0)
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "labels"))
        for i in range(160):
            names = [name for name in BARS if draw.random() < 0.4]
            Pillow.fromarray(shown(names, draw)).save(folder / f"{i}.png")
            rows.writerow((f"{i}.png", " ;".join(names)))
    return folder / "photos.csv"


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "run"
    return samoyed.train(
        "image-classification", table, label_separator="semicolon", epochs=12, batch_size=16, out=out, quiet=True
    )


def test_labels_are_found_each_by_itself(run: Run, tmp_path: Path) -> None:
    test = run.metrics["test"]
    assert test["mean_average_precision"]["value"] > 95
    assert test["mean_average_precision"]["unit"] == "%"
    assert test["error"]["value"] < 5
    draw = np.random.default_rng(7)
    for names in ([], ["left"], ["top", "left"], ["top", "left", "middle"]):
        answer = run.predict(shown(names, draw))
        assert sorted(answer["labels"]) == sorted(names), answer
        assert all(0 <= p <= 1 for p in answer["probs"].values())
        assert set(answer["probs"]) == set(BARS)


def test_a_saved_run_answers_as_the_live_one_and_is_measured_again(run: Run, table: Path) -> None:
    again = samoyed.load(run.path)
    picture = table.parent / "3.png"
    assert again.predict(picture) == run.predict(picture)
    assert again.evaluate()["mean_average_precision"] == pytest.approx(run.metrics["test"]["mean_average_precision"])


def test_the_report_and_the_terminal_say_it(run: Run, table: Path, command: Callable[..., Any]) -> None:
    for name in ("labels", "mistakes", "calibration"):
        with Pillow.open(run.path / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    assert "How well each label is found" in (run.path / "report.html").read_text("utf-8")
    said = command("predict", run.path, table.parent / "0.png", "--json")
    (answer,) = json.loads(said.out)["answers"]
    line = command("predict", run.path, table.parent / "0.png").out
    assert (", ".join(answer["labels"]) or "no label") in line


def test_it_is_exported_with_logistic_functions(run: Run) -> None:
    from samoyed.exporting.graphs import graph_of

    made = graph_of(run)
    images = made.inputs[0]
    with torch.no_grad():
        probs = made.module(images)
        logits = run.task.logits(run.model, images)  # type: ignore[attr-defined]
    assert torch.allclose(probs, logits.sigmoid(), atol=1e-6)


# The parts


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learns(ties: bool) -> None:
    draw = np.random.default_rng(1)
    scores = draw.integers(0, 6, (50, 4)).astype(float) if ties else draw.normal(size=(50, 4))
    truths = (draw.random((50, 4)) < [0.1, 0.4, 0.9, 0.5]).astype(float)
    figure = average_precisions(scores, truths)
    for weights in (np.ones(50), draw.integers(0, 3, 50).astype(float)):
        expected = [average_precision_score(truths[:, k], scores[:, k], sample_weight=weights) for k in range(4)]
        assert figure(weights) == pytest.approx(expected, abs=1e-12)
    rows = np.hstack([scores, truths])
    assert mean_average_precision(rows)(np.ones(50)) == pytest.approx(100 * np.mean(figure(np.ones(50))))


def test_a_label_that_no_picture_has_is_left_out_of_the_mean() -> None:
    rows = np.array([[2.0, 1.0, 1, 0], [1.0, 2.0, 0, 0]])
    assert mean_average_precision(rows)(np.ones(2)) == 100
    assert mean_average_precision(rows[1:])(np.ones(1)) == 0


def test_its_interval_is_the_bootstraps() -> None:
    """Against a bootstrap that draws rows and ranks them anew."""
    draw = np.random.default_rng(2)
    truths = (draw.random((80, 2)) < 0.4).astype(float)
    rows = np.hstack([truths + draw.normal(0, 1, (80, 2)), truths])
    found = pool(
        np.stack([rows, np.ones_like(rows)]), Metric("%", "higher", percent=True, whole=mean_average_precision)
    )
    again = [mean_average_precision(rows[draw.integers(0, 80, 80)])(np.ones(80)) for _ in range(1000)]
    low, high = np.quantile(again, (0.025, 0.975))
    assert (found.low, found.high) == (pytest.approx(low, abs=1.0), pytest.approx(high, abs=1.0))
    assert found.count == 80


def test_the_loss_is_its_equation() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, generator=draw, dtype=torch.float64)
    targets = (torch.rand(5, 3, generator=draw) < 0.5).double()
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    p, goal = 1 / (1 + (-logits).exp()), 0.9 * targets + 0.05
    expected = -(weights * goal * p.log() + (1 - goal) * (1 - p).log()).mean(1).sum()
    mean = binary_cross_entropy(logits, targets, 0.1, weights)
    assert float(mean.total) == pytest.approx(float(expected), rel=1e-12)
    assert float(mean.count) == 5
    plain = functional.binary_cross_entropy_with_logits(logits, targets)
    assert float(binary_cross_entropy(logits, targets).value()) == pytest.approx(float(plain))


def picture(label: str | None) -> Image:
    return Image(np.zeros((4, 4, 1), np.uint8), label, "x")


def test_signs_have_names_and_cells_are_cleaned() -> None:
    assert SeveralLabels("bar").of(picture("b| a |b||")) == ["a", "b"]
    assert SeveralLabels("space").of(picture("a  b")) == ["a", "b"]
    assert SeveralLabels(" / ").of(picture("a / b/c")) == ["a", "b/c"]
    assert SeveralLabels(";").of(picture("")) == []
    assert type(labelling(None)) is OneLabel
    with pytest.raises(UsageError, match="is no sign"):
        labelling("semicolons")


def test_balanced_weights_make_a_rare_label_weigh_as_much_as_its_absence() -> None:
    assert SeveralLabels(";").balanced([10, 50], 100) == [9.0, 1.0]


def test_rare_labels_are_in_every_split() -> None:
    examples = [
        Image(np.full((4, 4, 1), i, np.uint8), "common;rare" if i % 10 == 0 else "common", str(i)) for i in range(100)
    ]
    task = ImageClassification(label_separator=";")
    split = task.split({"all": examples}, 0)
    assert all(any("rare" in str(e.label) for e in part) for part in (split.train, split.valid, split.test))


def test_one_label_that_looks_like_several_is_noted(table: Path, tmp_path: Path) -> None:
    task = ImageClassification()
    assert task.labelling.noted([picture("a;b"), picture("a"), picture("b"), picture("b;a")]) == [
        ("note", "2 labels hold ';': label_separator=semicolon makes several of them")
    ]
    assert not task.labelling.noted([picture("cat, tabby"), picture("dog, husky")])


@pytest.mark.parametrize("model", ["gaussian_kernel", "capsnet"])
def test_models_for_one_label_say_so(model: str, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one label a picture"):
        samoyed.train(
            "image-classification",
            table,
            model=model,
            label_separator=";",
            out=tmp_path / "run",
            quiet=True,
            max_steps=1,
        )


def test_data_without_any_label_are_refused(tmp_path: Path) -> None:
    for i in range(20):
        Pillow.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "photos.csv").write_text("path,labels\n" + "".join(f"{i}.png,\n" for i in range(20)))
    with pytest.raises(DataError, match="no picture has a label"):
        samoyed.train("image-classification", tmp_path / "photos.csv", label_separator=";", quiet=True)
    (tmp_path / "photos.csv").write_text("path,label\n" + "".join(f"{i}.png,\n" for i in range(20)))
    with pytest.raises(DataError, match="call the column labels"):
        samoyed.train("image-classification", tmp_path / "photos.csv", label_separator=";", quiet=True)


def test_a_run_whose_classes_were_taken_away_is_refused(run: Run) -> None:
    state = {**run.task.state(), "classes": []}
    with pytest.raises(ValueError, match=r"class"):
        ImageClassification(label_separator=";").restore(state)
    with pytest.raises(ValueError, match="1 classes"):
        ImageClassification().restore({**state, "classes": ["one"]})
