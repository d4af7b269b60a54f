"""While it is made smaller, a network with classes learns from what it was itself; others, and where it is not wanted, from labels alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

import samoyed
from samoyed import catalog
from samoyed.compressing.tuning import checked
from samoyed.errors import UsageError
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.run import Run
from samoyed.training.prepare import prepare
from samoyed.training.teaching import Teacher

HOW: dict[str, Any] = {"prune": 0.5, "share": 3, "max_steps": 4, "batch_size": 64, "quiet": True}


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Teacher]:
    """The teacher of each step."""
    monkeypatch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
    asked: list[Teacher] = []
    real = Teacher.__call__

    def called(self: Teacher, *given: Any) -> Any:
        if torch.is_grad_enabled():
            asked.append(self)
        return real(self, *given)

    monkeypatch.setattr(Teacher, "__call__", called)
    return asked


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "trained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
        return samoyed.train("image-classification", out=out, model="mlp", hidden_sizes=(16,), max_steps=60, quiet=True)


def test_it_learns_from_what_it_was(trained: Run, tmp_path: Path, seen: list[Teacher]) -> None:
    small = samoyed.compress(trained.path, out=tmp_path / "small", teacher_temperature=2.0, **HOW)
    assert len(seen) == 2 * 4  # a round of pruning and one of levels
    for teacher in seen:
        assert (teacher.temperature, teacher.share) == (2.0, 0.9)
        for name, tensor in teacher.model.state_dict().items():
            assert torch.equal(tensor, trained.model.state_dict()[name])
    assert small.compression is not None
    before, after = (small.compression["stages"][i]["test"]["error"]["value"] for i in (0, -1))
    assert small.compression["differs"]["value"] == pytest.approx(after - before)
    assert "On the same examples the error differs by" in small.report.read_text("utf-8")


def test_a_share_of_0_leaves_the_labels_alone(trained: Run, tmp_path: Path, seen: list[Teacher]) -> None:
    samoyed.compress(trained.path, out=tmp_path / "small", teacher_share=0.0, **HOW)
    assert not seen


@pytest.mark.parametrize(("model", "suits"), [("capsnet", False), ("mlp", True)])
def test_a_model_with_a_loss_of_its_own_is_not_taught(model: str, suits: bool) -> None:
    job = prepare(make("image-classification", None, model, None, {}), Reporter(quiet=True))
    batch = next(iter(job.task.batches(job.data["valid"], 2)))
    with torch.no_grad():
        assert Teacher(job.model, 4.0, 0.9).suits(job.task, job.model, batch) == suits


@pytest.mark.parametrize(
    ("given", "said"), [({"teacher": "runs/x/1"}, "samoyed distil"), ({"from_run": "x"}, "is compressed")]
)
def test_what_would_be_ignored_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match="cannot be set for fine-tuning") as raised:
        checked(given)
    assert said in str(raised.value.remedy)
