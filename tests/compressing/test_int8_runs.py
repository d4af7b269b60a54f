"""A run whose weights became int8 computes with them: what the table says, what it answers when it is opened again, and where not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import samoyed
from samoyed import catalog
from samoyed.layers import int8
from samoyed.layers.recurrence import LSTM
from samoyed.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An LSTM of letters, wide enough for int8."""
    folder, draw = tmp_path_factory.mktemp("letters"), np.random.default_rng(0)
    words = ["the", "dog", "saw", "a", "cat", "and", "ran"]
    (folder / "book.txt").write_text(" ".join(str(draw.choice(words)) for _ in range(4000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("text-generation").load(), "pictures", lambda *given: [])
        return samoyed.train(
            "text-generation", folder / "book.txt", out=folder / "run", quiet=True, execution="plain", hidden_size=96,
            embedding_size=16, max_steps=60, sequence_length=32,
        )  # fmt: skip


@pytest.fixture(scope="module", params=[{}, {"share": 4, "max_steps": 2}], ids=["by rows", "shared levels"])
def small(request: pytest.FixtureRequest, run: Run) -> Run:
    name = "".join(request.param) or "rows"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("text-generation").load(), "pictures", lambda *given: [])
        return samoyed.compress(
            run.path, out=run.path.parent / name, quantise="int8", quiet=True, **dict[str, Any](request.param)
        )


def test_the_table_tells_the_arithmetic_from_the_weights(run: Run, small: Run) -> None:
    found = small.compression
    assert found is not None
    names = [stage["stage"] for stage in found["stages"]]
    assert names[0] == "as it was"
    assert names[-2:] == ["int8", "computed in int8"]
    weights, arithmetic = (stage["test"]["loss"]["value"] for stage in found["stages"][-2:])
    assert weights != arithmetic
    assert arithmetic == pytest.approx(weights, abs=0.02)
    assert found["stages"][-1]["milliseconds_together"] > 0
    page = small.report.read_text("utf-8")
    assert "Computed in int8: recurrent; the rest in float32." in page


def test_what_is_opened_again_answers_as_the_live_one_did(small: Run) -> None:
    again = samoyed.load(small.path)
    layer = next(m for m in again.model.modules() if isinstance(m, LSTM))
    assert set(layer.whole) == {"weight_ih_l0", "weight_hh_l0"}
    for name, matrix in layer.whole.items():
        rebuilt = matrix.numbers * matrix.scales[:, None]
        assert torch.allclose(rebuilt, layer.get_parameter(name), rtol=1e-6, atol=0)
    assert again.predict("the d") == small.predict("the d")
    assert again.evaluate() == small.metrics["test"]
    with int8.released(again.model):
        assert again.evaluate() != small.metrics["test"]


def test_in_batches_it_answers_as_alone(small: Run) -> None:
    task: Any = small.task
    tokens = task.vocabulary.encode("the dog saw a cat and ran")
    rows = torch.stack([tokens, tokens.flip(0), tokens.roll(3)])
    with torch.inference_mode():
        together = small.model(rows, None)[0]
        for i in range(3):
            assert torch.allclose(small.model(rows[i : i + 1], None)[0], together[i : i + 1], atol=1e-5)


def test_it_is_explained_and_compressed_and_learned_from_in_float32(small: Run, tmp_path: Path) -> None:
    found = small.task.explain(small.model, small.task.read("the d"))
    assert found["by"] == "integrated gradients"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("text-generation").load(), "pictures", lambda *given: [])
        again = samoyed.compress(small.path, out=tmp_path / "again", prune=0.2, max_steps=1, quiet=True)
    assert again.compression is not None
    assert [stage["stage"] for stage in again.compression["stages"]] == ["as it was", "pruned to 80 %"]
    assert not any(m.whole for m in again.model.modules() if isinstance(m, LSTM))


def test_an_exported_file_is_float32(small: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from samoyed.exporting import onnx_file

    before = small.predict("the d")
    assert onnx_file.export(small, tmp_path)["difference"] < 1e-5
    assert small.predict("the d") == before
