"""Answers for a stream: one per line, in order, the same as alone, in constant memory."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import samoyed
from samoyed import catalog, piping, samples
from samoyed.errors import DataError, UsageError
from samoyed.run import Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of a task after three steps, trained when first asked for."""
    made: dict[str, Run] = {}

    def train(task: str) -> Run:
        if task not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
                out = tmp_path_factory.mktemp("piped") / "run"
                made[task] = samoyed.train(task, out=out, quiet=True, max_steps=3)
        return made[task]

    return train


def piped(run: Run, text: str, form: str = "auto") -> tuple[str, tuple[int, int]]:
    """What comes out, and how many lines were answered and how many were not."""
    out = io.StringIO()
    counts = piping.predict(run, io.StringIO(text, newline=""), out, form)
    return out.getvalue(), counts


def picture(folder: Path, place: int) -> Path:
    path = folder / f"{place}.png"
    Pillow.fromarray(samples.load("digits")[0][place].pixels[:, :, 0]).save(path)
    return path


def test_json_lines_are_answered_as_alone(runs: Callable[[str], Run]) -> None:
    run = runs("image-classification")
    images = samples.load("digits")[0][: piping.TOGETHER + 20]
    lines = [json.dumps({"pixels": i.pixels[:, :, 0].tolist()}) for i in images]
    lines[3] = '{"pixels": [[0, 300]]}'
    lines[70] = '{"pixels": '
    said, counts = piped(run, "\n".join(lines))
    answers = [json.loads(line) for line in said.splitlines()]
    assert counts == (len(images), 2)
    assert len(answers) == len(images)
    assert [i for i, a in enumerate(answers) if "error" in a] == [3, 70]
    assert "line 71" in answers[70]["input"]
    for image, answer in zip(images, answers, strict=True):
        if "error" not in answer:
            assert answer["probs"] == pytest.approx(run.predict(image)["probs"], abs=1e-6)


def test_paths_come_one_per_line_or_in_a_column(runs: Callable[[str], Run], tmp_path: Path) -> None:
    run = runs("image-classification")
    paths = [picture(tmp_path, i) for i in range(3)]
    said, counts = piped(run, "".join(f"{p}\n" for p in paths))
    labels = [json.loads(line)["label"] for line in said.splitlines()]
    assert counts == (3, 0)
    table = "who,path\n" + "".join(f'"a, b",{p}\n' for p in [*paths, tmp_path / "none.png"]) + "short\n"
    said, counts = piped(run, table)
    rows = list(csv.DictReader(io.StringIO(said)))
    assert counts == (5, 2)
    assert [row["label"] for row in rows[:3]] == labels
    assert rows[0]["who"] == "a, b"
    assert float(rows[0][f"probs.{labels[0]}"]) > 0
    assert "no such file" in rows[3]["error"]
    assert "cells" in rows[4]["error"]


def test_texts_come_in_three_forms(runs: Callable[[str], Run]) -> None:
    run = runs("text-generation")
    wanted = run.predict("import os")
    for text in ('"import os"\n', '{"text": "import os"}\n', "import os\n", '\n"import os"\n\n'):
        assert json.loads(piped(run, text)[0]) == wanted
    rows = list(csv.DictReader(io.StringIO(piped(run, "id,text\n7,import os\n")[0])))
    assert (rows[0]["id"], rows[0]["continuation"]) == ("7", wanted["continuation"])


def test_a_series_becomes_a_table_of_its_forecast(runs: Callable[[str], Run]) -> None:
    run = runs("time-series-forecasting")
    series = samples.load("airline_passengers")[0][0]
    table = "month,passengers\n" + "\n".join(
        f"{t},{v:g}" for t, v in zip(series.times, series.values[:, 0], strict=True)
    )
    rows = list(csv.DictReader(io.StringIO(piped(run, table)[0])))
    wanted = run.predict(series)
    assert [row["times"] for row in rows] == wanted["times"]
    assert [float(row["forecast"]) for row in rows] == pytest.approx(wanted["forecast"])
    said, _ = piped(run, json.dumps(series.values[:, 0].tolist()))
    assert json.loads(said)["forecast"] == pytest.approx(wanted["forecast"])


def test_memory_does_not_grow_with_the_stream(runs: Callable[[str], Run]) -> None:
    run = runs("image-classification")
    line = json.dumps({"pixels": np.zeros((8, 8), int).tolist()}) + "\n"

    class Stream(io.TextIOBase):
        def __init__(self, count: int) -> None:
            self.left = count

        def readline(self, size: int = -1) -> str:  # type: ignore[override]
            self.left -= 1
            return line if self.left >= 0 else ""

    class Nowhere(io.TextIOBase):
        def write(self, text: str) -> int:
            return len(text)

    peaks = []
    for count in (256, 256, 2048):
        tracemalloc.start()
        assert piping.predict(run, Stream(count), Nowhere()) == (count, 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1] + 200_000


@pytest.mark.parametrize("text", ["", "\n\n", "a,b\n1,2\n"])
def test_what_is_no_stream_is_refused(runs: Callable[[str], Run], text: str) -> None:
    with pytest.raises(DataError):
        piped(runs("time-series-forecasting"), text)
    with pytest.raises(UsageError):
        piped(runs("time-series-forecasting"), "1", "xml")


def test_at_the_shell(
    runs: Callable[[str], Run], command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = runs("image-classification")

    def given() -> Iterator[Any]:
        yield f"{picture(tmp_path, 0)}\n/nowhere.png\n"

    class Input:
        buffer = io.BytesIO(next(given()).encode())

    monkeypatch.setattr("sys.stdin", Input())
    said = command("predict", run.path, "-")
    assert said.code == 1
    assert len(said.out.splitlines()) == 2
    assert "1 answered, 1 not" in said.err
