"""Handwriting synthesis: strokes and offsets, likelihoods, draws that repeat, what is refused, and learning."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

import samoyed
from samoyed import received, samples
from samoyed.errors import DataError, UsageError
from samoyed.examples import Drawing
from samoyed.layers.mixtures import PenMixture
from samoyed.reporting.strokes import as_svg, in_dots
from samoyed.tasks._pen import Single, given_offsets, offsets_of, strokes_of
from samoyed.tasks.handwriting_synthesis import HandwritingSynthesis
from tests.conftest import Said


def drawing(*strokes: list[list[float]], text: str = "") -> Drawing:
    return Drawing(text, "here", tuple(np.array(s, np.float32) for s in strokes))


def test_strokes_become_offsets_and_come_back() -> None:
    strokes = [[[5.0, 5.0], [6.0, 5.0], [6.0, 7.5]], [[1.0, 1.0]], [[2.0, 2.0], [0.0, 2.0]]]
    example = drawing(*strokes)
    offsets = offsets_of(example.strokes)
    assert offsets.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2.5, 1], [-5, -6.5, 1], [1, 1, 0], [-2, 0, 1]]
    assert strokes_of(torch.from_numpy(offsets), (5.0, 5.0)) == strokes
    repeated = drawing([[0, 0], [0, 0], [1, 0], [1, 0]], [[1, 0], [2, 0]])
    assert offsets_of(repeated.strokes).tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 0, 1]]


def test_the_single_normal_is_the_likeliest_one() -> None:
    points = torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) @ torch.tensor(
        [[1.0, 0.4, 0], [0, 0.5, 0], [0, 0, 1]], dtype=torch.float64
    )
    points[:, 2] = (points[:, 2] > 1).double()
    single = Single.of(points)
    spread = points[:, :2].T.cov(correction=0) + 1e-6 * torch.eye(2, dtype=torch.float64)
    normal = MultivariateNormal(points[:, :2].mean(0), spread)
    lift = (points[:, 2].sum() + 0.5) / 501
    wanted = normal.log_prob(points[:, :2]) + torch.where(points[:, 2] > 0, lift.log(), (1 - lift).log())
    assert torch.allclose(single.log_probs(points), wanted)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two small runs over 80 drawings of the sample: with their texts, and without."""
    folder = tmp_path_factory.mktemp("pen")
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:80], whole(name)[1]))
        return {
            kind: samoyed.train(
                "handwriting-synthesis", out=folder / kind, quiet=True, execution="plain", epochs=8, batch_size=8,
                hidden_size=32, components=4, learning_rate=0.01, condition=kind,
            )
            for kind in ("text", "none")
        }  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "none"])
def test_it_learns_more_than_one_normal_knows(made: dict[str, Any], kind: str) -> None:
    found = made[kind].metrics["test"]
    assert found["loss"]["value"] < found["one normal"]["value"] - 0.1
    assert found["rmse"]["value"] < found["naive rmse"]["value"]


def test_the_objective_is_the_density_point_by_point(made: dict[str, Any]) -> None:
    run = made["text"]
    examples = samples.load("pen_words")[0][:3]
    batch = next(run.task.batches(run.task.collate(examples), 3))
    with torch.no_grad():
        mean = run.task.objective(run.model, batch)
        total, count = 0.0, 0
        for example in examples:
            points = given_offsets(example, run.task.deviation)
            text = run.task.letters.encode(example.text)[None]
            numbers, _ = run.model(points[None, :-1], text)
            mixture = PenMixture.of(numbers[0].double())
            ends = torch.zeros(len(points) - 1, dtype=torch.float64)
            ends[-1] = 1
            target = points[1:].double()
            total -= float((mixture.log_density(target[:, :2]) + mixture.log_pen(target[:, 2], ends)).sum())
            count += len(points) - 1
    assert float(mean.count) == count
    assert float(mean.total) == pytest.approx(total, rel=1e-5)


def test_a_drawing_is_alone_what_it_is_in_company(made: dict[str, Any]) -> None:
    run = made["text"]
    asked = [Drawing(text, "here") for text in ("lo", "mira", "te")] + [samples.load("pen_words")[0][0]]
    together = run.task.answers(run.model, asked, length=40, seed=3)
    alone = [run.task.answer(run.model, example, length=40, seed=3) for example in asked]
    for one, other in zip(together, alone, strict=True):
        assert one["text"] == other["text"]
        assert [len(s) for s in one["strokes"]] == [len(s) for s in other["strokes"]]
        flat = [np.array([p for s in answer["strokes"] for p in s]) for answer in (one, other)]
        assert np.allclose(*flat, atol=1e-2)
    assert run.generate("lo", seed=1) != run.generate("lo", seed=2)
    assert sum(len(s) for s in run.generate("lo", length=7)["strokes"]) <= 8


def test_strokes_are_gone_on_with(made: dict[str, Any], tmp_path: Path) -> None:
    begun = [[[100.0, 50.0], [102.0, 55.0], [103.0, 60.0]]]
    answer = made["none"].predict(begun)
    assert answer["given"] == 1
    assert np.allclose(answer["strokes"][0], begun[0], atol=1e-3)
    assert len(answer["strokes"]) > 1
    path = tmp_path / "begun.jsonl"
    path.write_text(json.dumps({"strokes": begun}))
    assert made["none"].predict(str(path))["strokes"] == answer["strokes"]
    assert made["none"].predict("")["given"] == 0


def test_what_cannot_be_written_is_refused(made: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no letter '3É' was learned"):
        made["text"].predict("lo3É")
    with pytest.raises(DataError, match="has no text to write"):
        made["text"].predict("")
    with pytest.raises(DataError, match="learned strokes without texts"):
        made["none"].predict("hello")
    with pytest.raises(DataError, match="no such file"):
        made["none"].predict("nothing.jsonl")
    with pytest.raises(UsageError, match="fewer than two points"):
        made["none"].predict([[[1, 1]]])
    with pytest.raises(UsageError, match="no drawing"):
        made["none"].predict(5)
    with pytest.raises(UsageError, match="has no option 'temperature'; it has length, bias, seed"):
        made["text"].generate("lo", temperature=1)
    with pytest.raises(UsageError, match="bias is negative"):
        made["text"].generate("lo", bias=-1)
    bare = [drawing([[0, 0], [i, 1], [2, i]]) for i in range(1, 31)]
    with pytest.raises(DataError, match="no drawing has a text"):
        HandwritingSynthesis(condition="text").fit(bare)
    with pytest.raises(DataError, match="no pen moves"):
        HandwritingSynthesis().fit([drawing([[0, 0], [0, 0]])] * 3)


def test_pictures_of_answers(made: dict[str, Any], tmp_path: Path, command: Any) -> None:
    path = made["text"].path
    said: Said = command("generate", path, "lo", "--out", tmp_path / "lo.svg", "--bias", 1, "--length", 30)
    assert said.code == 0
    assert said.out.endswith(f"written  {tmp_path / 'lo.svg'}\n")
    assert (tmp_path / "lo.svg").read_text().startswith("<svg")
    told = json.loads(command("predict", path, "lo", "mira", "--out", tmp_path / "x.png", "--json").out)
    assert told["written"] == [str(tmp_path / "x-1.png"), str(tmp_path / "x-2.png")]
    assert all(Path(drawn).read_bytes().startswith(b"\x89PNG") for drawn in told["written"])
    assert "end it in .svg or .png" in command("generate", path, "lo", "--out", tmp_path / "x.gif").err
    assert "has no option 'temperature'" in command("generate", path, "lo", "--temperature", 1).err


def test_what_a_client_sends_is_held_to_points(made: dict[str, Any]) -> None:
    task = made["text"].task
    sent = received.of_json(task, {"text": "lo", "strokes": [[[0, 0], [1, 5]], [[2, 2]]]})
    assert [s.tolist() for s in sent.strokes] == [[[0, 0], [1, 5]], [[2, 2]]]
    assert received.of_json(task, "lo").strokes == ()
    for wrong in ([[1, 2, 3]], [[[0, 0]]], "ab", 5, [[["a", 0]]], [[[0, 0], [1, 5], [None, 1]]], [[]]):
        with pytest.raises(DataError):
            received.of_json(task, {"text": "lo", "strokes": wrong})


def test_strokes_as_lines_and_as_dots() -> None:
    svg = as_svg([[[0, 0], [10, 0]], [[5, 5]]], given=1)
    assert svg.count("<polyline") == 2
    assert "#8C8C8C" in svg
    assert "currentColor" in svg
    assert in_dots([]) == ""
    assert in_dots([[[0, 0], [3, 3]]], 2) == "⠑⢄"
