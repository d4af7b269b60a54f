"""Distillation: the objective is the paper's, the teacher sees what the student sees, and a run goes by its words and classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import samoyed
from samoyed.run import Run
from samoyed.training.teaching import Teacher, divergence


def test_the_divergence_is_the_papers() -> None:
    """The gradient is T (q - p), equation 2 of Hinton, Vinyals & Dean times T^2; and the sum is that of the definition."""
    draw = torch.Generator().manual_seed(0)
    student = torch.randn(5, 7, generator=draw, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(5, 7, generator=draw, dtype=torch.float64)
    p, q = np.exp(teacher.numpy() / 3), np.exp(student.detach().numpy() / 3)
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    found = divergence(student, teacher, 3.0)
    assert found.item() == pytest.approx(9 * (p * np.log(p / q)).sum(), rel=1e-12)
    found.backward()
    assert np.allclose(student.grad, 3 * (q - p), atol=1e-12)
    assert float(divergence(teacher, teacher, 3.0)) == pytest.approx(0, abs=1e-12)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("teacher") / "run"
    return samoyed.train("image-classification", model="mlp", hidden_sizes=(48,), epochs=8, out=out, quiet=True)


def test_a_student_is_taught(teacher: Run, tmp_path: Path) -> None:
    given = {"model": "linear", "epochs": 6, "quiet": True}
    student = samoyed.distil(teacher.path, out=tmp_path / "student", share=0.99, temperature=2.0, **given)
    alone = samoyed.train("image-classification", out=tmp_path / "alone", **given)
    assert student.config["settings"]["training"]["teacher"] == str(teacher.path.resolve())
    assert student.task.state() == teacher.task.state()
    assert "taught" in student.report.read_text("utf-8")
    apart = [far_from(teacher, run) for run in (student, alone)]
    assert apart[0] < 0.9 * apart[1], apart
    again = samoyed.load(student.path)
    assert again.evaluate() == student.metrics["test"]


def far_from(teacher: Run, run: Run) -> float:
    """How far a run's softened answers are from the teacher's on the test split: nats."""
    images = teacher.task.collate(teacher.held_out()).images
    with torch.inference_mode():
        both = [r.task.logits(r.model, images) for r in (run, teacher)]
    return float(divergence(*both, 2.0)) / len(images)


def test_padding_teaches_nothing(tmp_path: Path) -> None:
    """A tagger's objective with a teacher is the same however far its batch is padded."""
    run = samoyed.train("sequence-tagging", max_steps=2, out=tmp_path / "run", quiet=True)
    task, examples = run.task, run.held_out()[:6]
    other = Teacher(run.model, 2.0, 0.5)
    student = samoyed.train("sequence-tagging", max_steps=1, seed=1, out=tmp_path / "other", quiet=True).model
    batch = task.collate(examples)
    wider = type(batch)(
        nn.functional.pad(batch.tokens, (0, 5)), batch.lengths, nn.functional.pad(batch.tags, (0, 5), value=-1)
    )
    with torch.no_grad():
        means = [other(task, student, rows) for rows in (batch, wider)]
        alone = task.objective(student, batch)
    assert float(means[0].value()) == pytest.approx(float(means[1].value()), rel=1e-5)
    assert float(means[0].total) != pytest.approx(float(alone.total), rel=1e-3)


def test_what_cannot_be_distilled_says_so(teacher: Run, tmp_path: Path) -> None:
    series = samoyed.train("time-series-forecasting", model="linear", max_steps=1, out=tmp_path / "series", quiet=True)
    with pytest.raises(samoyed.UsageError, match="no probabilities of classes"):
        samoyed.distil(series.path, model="mlp", out=tmp_path / "a", quiet=True)
    with pytest.raises(samoyed.UsageError, match="fitted at once"):
        samoyed.distil(teacher.path, model="gaussian_kernel", out=tmp_path / "b", quiet=True)
    with pytest.raises(samoyed.UsageError, match="loss of its own"):
        samoyed.distil(teacher.path, model="capsnet", max_steps=1, out=tmp_path / "c", quiet=True)
    with pytest.raises(samoyed.UsageError, match="is a run of image-classification"):
        samoyed.train("text-classification", teacher=str(teacher.path), out=tmp_path / "d", quiet=True)
    with pytest.raises(samoyed.RunError, match="no such run"):
        samoyed.distil(tmp_path / "nothing", model="mlp")
