"""Every verb answers for people, and with --json for programs: one object on standard output and nothing else there."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import samoyed
from samoyed import catalog, samples
from samoyed.examples import Text
from samoyed.run import Run

Command = Callable[..., Any]
Paths = dict[str, Path]

TASKS = ("image-classification", "text-generation", "time-series-forecasting")


def whole(said: Any, code: int = 0) -> dict[str, Any]:
    """The one JSON object on standard output."""
    assert said.code == code, said.err
    assert said.out.endswith("}\n")
    assert said.out.count("\n") == 1
    found = json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert isinstance(found, dict)
    return found


def told(said: Any, code: int = 0) -> str:
    """What people are told on standard output, which is no JSON."""
    assert said.code == code, said.err
    text: str = said.out
    assert text.strip()
    assert not text.startswith(("{", "["))
    assert "Traceback" not in said.err
    return text


def check_metrics(metrics: dict[str, Any]) -> None:
    """Each has a value, an interval that holds it, a unit and a direction."""
    assert metrics
    for name, found in metrics.items():
        assert set(found) == {"value", "low", "high", "unit", "better", "count"}, name
        assert all(math.isfinite(found[key]) for key in ("value", "low", "high"))
        assert found["low"] <= found["high"]
        assert found["unit"]
        assert found["better"] == ("higher" if name == "coverage" else "lower")
        assert found["count"] > 0


# train


@pytest.mark.parametrize("task", TASKS)
def test_train_as_json(command: Command, raw: Paths, tiny: dict[str, list[str]], task: str) -> None:
    said = command("train", task, raw[task], *tiny[task], "--json")
    found = whole(said)
    assert set(found) == {"run", "task", "model", "metrics", "parameters", "seconds", "report"}
    assert (found["run"], found["task"]) == (f"runs/{task}/1", task)
    run = samoyed.load(found["run"])
    assert list(found["metrics"]) == ["train", "valid", "test"]
    for part in found["metrics"].values():
        check_metrics(part)
    assert found["metrics"] == run.metrics
    assert found["parameters"] == run.parameters == sum(p.numel() for p in run.model.parameters())
    assert found["seconds"] == run.seconds > 0
    assert found["model"] == run.config["model"]
    assert Path(found["report"]).read_text("utf-8").startswith("<!doctype html>")
    assert said.err.startswith(f"{task}\n")  # progress goes to standard error
    assert str(raw[task]) in said.err


@pytest.mark.parametrize("task", TASKS)
def test_train_for_people(command: Command, raw: Paths, tiny: dict[str, list[str]], task: str) -> None:
    text = told(command("train", task, raw[task], *tiny[task], "--out", "deep/my run"))
    run = samoyed.load("deep/my run")
    head, *rows, gap, last = text.splitlines()
    assert head.split() == ["train", "valid", "test"]
    metrics = run.metrics["test"]
    for row, (name, found) in zip(rows, metrics.items(), strict=True):
        assert row.startswith(f"{name} {found['unit']} ")
        assert f"{found['value']:.4g} ({found['low']:.4g} to {found['high']:.4g})" in row
    assert gap == ""
    assert last == "report  deep/my run/report.html"
    assert Path("deep/my run/report.html").is_file()
    assert not Path("runs").exists()


def test_every_figure_lies_in_its_interval(runs: Paths) -> None:
    for path in runs.values():
        for part in samoyed.load(path).metrics.values():
            for name, found in part.items():
                assert found["low"] <= found["value"] <= found["high"], (path.name, name, found)


def test_runs_are_numbered(command_in: Command, raw: Paths, tmp_path: Path) -> None:
    words = ("train", "image-classification", raw["image-classification"], "model=linear", "epochs=1", "--json")
    found = [whole(command_in(tmp_path, *words))["run"] for _ in range(2)]
    assert found == ["runs/image-classification/1", "runs/image-classification/2"]


def test_nothing_is_written_into_the_data(
    command: Command, raw: Paths, runs: Paths, tiny: dict[str, list[str]], untouched: Callable[[Path], None]
) -> None:
    untouched(raw["text-generation"].parent)
    for task in TASKS:
        told(command("check", task, raw[task]))
        told(command("train", task, raw[task], *tiny[task]))
        told(command("evaluate", runs[task], raw[task]))
    told(command("predict", runs["image-classification"], raw["image-classification"] / "cat" / "0.png"))


def test_reading_writes_nothing_into_a_run(
    command: Command, raw: Paths, runs: Paths, untouched: Callable[[Path], None]
) -> None:
    for task in TASKS:
        untouched(runs[task])
        told(command("evaluate", runs[task]))
        told(command("report", runs[task]))
    told(command("generate", runs["text-generation"], "to be", "--length", 3))
    told(command("predict", runs["time-series-forecasting"], raw["time-series-forecasting"]))


# evaluate, predict, generate, report


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_again_gives_the_same_figures(command: Command, runs: Paths, task: str) -> None:
    found = whole(command("evaluate", runs[task], "--json"))
    assert found == {"run": str(runs[task]), "metrics": samoyed.load(runs[task]).metrics["test"]}
    text = told(command("evaluate", runs[task]))
    for name, figure in found["metrics"].items():
        assert f"{name} {figure['unit']}" in text
        assert f"{figure['value']:.4g} ({figure['low']:.4g} to {figure['high']:.4g})" in text


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_on_other_data(command: Command, raw: Paths, runs: Paths, task: str) -> None:
    found = whole(command("evaluate", runs[task], raw[task], "--json"))
    check_metrics(found["metrics"])
    first = next(iter(found["metrics"]))
    again = samoyed.load(runs[task]).metrics["test"][first]
    assert found["metrics"][first]["count"] > again["count"]  # all of it, not the test split alone


def test_evaluate_takes_the_test_split_of_the_data(command: Command, runs: Paths, bars: Any, tmp_path: Path) -> None:
    bars(tmp_path / "train", ("cat", "größe"), each=5)
    bars(tmp_path / "test", ("cat", "größe"), each=3)
    found = whole(command("evaluate", runs["image-classification"], tmp_path, "--json"))
    assert found["metrics"]["error"]["count"] == 6


def test_predict_pictures(command: Command, raw: Paths, runs: Paths) -> None:
    photos, run = raw["image-classification"], runs["image-classification"]
    asked = [photos / "größe" / "0.png", photos / "cat" / "1.png"]
    found = whole(command("predict", run, *asked, "--json"))
    assert [answer["input"] for answer in found["answers"]] == [str(path) for path in asked]
    for answer in found["answers"]:
        assert set(answer["probs"]) == {"cat", "größe", "<dog>"}
        assert sum(answer["probs"].values()) == pytest.approx(1, abs=1e-6)
        assert answer["label"] == max(answer["probs"], key=answer["probs"].get)
    lines = told(command("predict", run, *asked)).splitlines()
    for line, answer in zip(lines, found["answers"], strict=True):
        assert line.startswith(f"{answer['input']}: {answer['label']}  (")
        assert f"{max(answer['probs'].values()):.1%}" in line


def test_a_bad_picture_keeps_no_other_from_its_answer(
    command: Command, raw: Paths, runs: Paths, tmp_path: Path
) -> None:
    """Every other one is answered as alone, the bad ones are named with what is wrong, and the exit code says that there were some."""
    photos, run = raw["image-classification"], runs["image-classification"]
    whole_picture = (photos / "cat" / "2.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole_picture[: len(whole_picture) // 2])
    asked = [photos / "cat" / "1.png", tmp_path / "cut.png", "nothing.png", photos / "größe" / "0.png"]
    alone = [command("predict", run, path).out for path in (asked[0], asked[3])]
    said = command("predict", run, *asked)
    assert said.code == 1
    assert said.out == "".join(alone)
    first, second, last = said.err.splitlines()
    assert first.startswith(f"error: {tmp_path / 'cut.png'}: ")
    assert second.startswith("error: nothing.png: there is no such file")
    assert last == "2 answered, 2 not"
    found = whole(command("predict", run, *asked, "--json"), 1)["answers"]
    assert [answer["input"] for answer in found] == [str(path) for path in asked]
    assert ["error" in answer for answer in found] == [False, True, True, False]
    assert found[0]["probs"] == pytest.approx(samoyed.predict(run, asked[0])["probs"], abs=1e-6)
    neither = command("predict", run, "nothing.png", tmp_path / "cut.png")
    assert (neither.code, neither.out) == (1, "")
    assert len(neither.err.splitlines()) == 3


def test_answers_that_are_written_keep_the_numbers_of_their_words(tmp_path: Path) -> None:
    """Of three words the second could not be read: the third is still written as the third."""

    class Written:
        def written(self, answer: dict[str, Any], path: Path) -> Path:
            path.write_text(answer["text"])
            return path

    run = Run.__new__(Run)
    run.task = Written()  # type: ignore[assignment]
    made = run.write_all([{"text": "a"}, {"error": "no"}, {"text": "c"}], tmp_path / "x.txt")
    assert [path.name for path in made] == ["x-1.txt", "x-3.txt"]
    assert made[1].read_text() == "c"


def test_names_that_are_not_ascii_stand_in_the_json_as_they_are(command: Command, raw: Paths, runs: Paths) -> None:
    said = command("predict", runs["image-classification"], raw["image-classification"] / "größe" / "0.png", "--json")
    assert '"größe"' in said.out
    assert "\\u" not in said.out


def test_predict_a_series(command: Command, raw: Paths, runs: Paths) -> None:
    run, prices = runs["time-series-forecasting"], raw["time-series-forecasting"]
    (answer,) = whole(command("predict", run, prices, "--json"))["answers"]
    assert answer["target"] == "price"
    assert answer["times"] == [f"{2001 + (8 + i) // 12}-{(8 + i) % 12 + 1:02}" for i in range(12)]
    assert len(answer["forecast"]) == len(answer["low"]) == len(answer["high"]) == 12
    assert all(a <= b <= c for a, b, c in zip(answer["low"], answer["forecast"], answer["high"], strict=True))
    first, *lines = told(command("predict", run, prices)).splitlines()
    assert first.startswith(f"{prices}: price")
    for line, time, value in zip(lines, answer["times"], answer["forecast"], strict=True):
        assert line.split()[:2] == [time, f"{value:.5g}"]


def test_predict_a_text(command: Command, raw: Paths, runs: Paths) -> None:
    (answer,) = whole(command("predict", runs["text-generation"], "to be", "--json"))["answers"]
    assert answer["beginning"] == "to be"
    assert len(answer["continuation"]) == 200
    assert len(answer["next"]) == 5
    assert told(command("predict", runs["text-generation"], "to be")) == f"to be{answer['continuation']}\n"
    (read,) = whole(command("predict", runs["text-generation"], raw["text-generation"], "--json"))["answers"]
    assert read["beginning"] == raw["text-generation"].read_text("utf-8")  # a file's name stands for its text


def test_generate(command: Command, runs: Paths) -> None:
    def write(*words: object) -> str:
        found = whole(command("generate", runs["text-generation"], *words, "--json"))
        assert set(found) == {"run", "answers"}
        (answer,) = found["answers"]
        text: str = answer["continuation"]
        return text

    assert len(write("to be")) == 400
    first = write("to be", "--length", 60)
    assert len(first) == 60
    assert write("to be", "--length", 60) == first
    assert write("to be", "--length", 60, "--seed", 1) != first
    assert write("to be", "--length", 60, "--temperature", 0) == write(
        "to be", "--length", 60, "--temperature", 0, "--seed", 1
    )
    assert write("to be", "--length", 60, "--top-k", 1, "--seed", 5) == write(
        "to be", "--length", 60, "--temperature", 0
    )
    assert len(write("--length", 7)) == 7  # from nothing
    assert told(command("generate", runs["text-generation"], "to be", "--length", 60)) == f"to be{first}\n"


@pytest.mark.parametrize("temperature", ["1e-45", "1e-300"])
def test_a_temperature_near_nothing_takes_the_likeliest(command: Command, runs: Paths, temperature: str) -> None:
    words = ("generate", runs["text-generation"], "to be", "--length", 20, "--json", "--temperature")
    assert whole(command(*words, temperature)) == whole(command(*words, 0))


@pytest.mark.parametrize("task", TASKS)
def test_report(command: Command, runs: Paths, task: str) -> None:
    run = samoyed.load(runs[task])
    found = whole(command("report", runs[task], "--json"))
    assert found == {
        "ended": "finished",
        "report": str(runs[task] / "report.html"),
        "metrics": run.metrics,
        "command": run.config["command"],
    }
    text = told(command("report", runs[task]))
    assert text.endswith(f"report  {runs[task] / 'report.html'}\nagain   {run.config['command']}\n")
    for figure in run.metrics["test"].values():
        assert f"{figure['value']:.4g} (" in text


def test_a_report_that_is_gone_is_not_shown(command: Command, runs: Paths, tmp_path: Path) -> None:
    shutil.copytree(runs["text-generation"], tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    said = command("report", tmp_path / "run")
    assert said.code == 1
    assert said.err.startswith(f"error: {tmp_path / 'run' / 'report.html'}: ")


# tasks, models, describe


def test_tasks(command: Command) -> None:
    assert whole(command("tasks", "--json")) == {"tasks": samoyed.tasks()}
    lines = told(command("tasks")).splitlines()
    assert [line.split()[0] for line in lines] == list(samoyed.tasks())
    assert set(TASKS) < set(samoyed.tasks())


def test_models(command: Command) -> None:
    assert whole(command("models", "--json")) == {"models": samoyed.models()}
    fitting = whole(command("models", "time-series-forecasting", "--json"))["models"]
    assert next(iter(fitting)) == "gru"
    assert {"naive", "seasonal_naive", "lstm"} <= set(fitting) < set(samoyed.models())
    assert [line.split()[0] for line in told(command("models", "time-series-forecasting")).splitlines()] == [*fitting]


@pytest.mark.parametrize("name", [*TASKS, *samoyed.models()])
def test_describe(command: Command, name: str) -> None:
    found = whole(command("describe", name, "--json"))
    kind = "task" if name in TASKS else "model"
    assert found[kind] == name
    assert found["about"].strip()
    if kind == "task":
        assert found["models"] == list(samoyed.models(name))
        assert {"epochs", "learning_rate", "seed", "batch_size"} <= set(found["settings"]["training"])
    text = told(command("describe", name))
    assert text.startswith(f"{name}\n")
    for rows in found["settings"].values():
        for setting, row in rows.items():
            assert row["help"], f"{setting} is not explained"
            assert f"{setting}={row['default']}" in text


def test_what_describe_says_can_be_set(command: Command, raw: Paths) -> None:
    """Every default that describe prints is accepted by train as it stands."""
    for task in TASKS:
        found = whole(command("describe", task, "--json"))
        pairs = [f"{name}={row['default']}" for rows in found["settings"].values() for name, row in rows.items()]
        samoyed.plan_of(task, raw[task], None, None, dict(pair.split("=", 1) for pair in pairs))


# check, gradcheck, reproduce, draw


@pytest.mark.parametrize("task", TASKS)
def test_check_data(command: Command, raw: Paths, task: str) -> None:
    said = command("check", task, raw[task], "--json")
    rows = whole(said)["found"]
    names = [name for name, _ in rows]
    assert names[0] == "data"
    assert {"splits", "rule"} <= set(names)
    assert dict(rows)["data"] == str(raw[task])
    text = told(command("check", task, raw[task]))
    assert all(f"{value}" in text for _, value in rows)
    assert not Path("runs").exists()


def test_check_may_stand_in_the_data(command_in: Command, raw: Paths) -> None:
    """It writes nothing, so the rule that no run is written into the data does not concern it."""
    assert "classes" in told(command_in(raw["image-classification"], "check", "image-classification", "."))


def test_check_the_installation(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    load = samples.load

    def little(name: str) -> tuple[list[Any], str]:
        found, text = load(name)
        found = [Text(e.text[:600], e.origin) if isinstance(e, Text) else e for e in found[:150]]
        return found, text

    tasks = {name: entry for name, entry in catalog.tasks().items() if name in TASKS}  # the contracts train the others
    monkeypatch.setattr(samples, "load", little)  # the samples are large
    monkeypatch.setattr(catalog, "tasks", lambda: tasks)
    rows = dict(whole(command("check", "--json"))["found"])
    assert rows["samoyed"] == samoyed.__version__
    for task in TASKS:
        assert rows[task].startswith("one step of ")
    assert {"python", "torch", "device", "room here"} <= set(rows)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("model", ["linear", "lstm"])
def test_gradcheck(command: Command, model: str) -> None:
    found = whole(command("gradcheck", model, "--json"))
    assert found["ok"] is True
    assert float(found["worst relative error"]) < 1e-5
    text = told(command("gradcheck", model, *(["hidden_size=3"] if model == "lstm" else [])))
    assert text.splitlines()[-1].split() == ["ok", "True"]


def test_a_wrong_gradient_is_no_success(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from samoyed.models.linear import Linear

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return gradient * 1.01

    forward = Linear.forward
    monkeypatch.setattr(Linear, "forward", lambda self, x: Wrong.apply(forward(self, x)))
    found = whole(command("gradcheck", "linear", "--json"), code=1)
    assert found["ok"] is False


def test_reproduce_lists_its_recipes(command: Command) -> None:
    found = whole(command("reproduce", "--json"))["recipes"]
    assert {"digits", "mnist", "warping", "airline", "shakespeare"} <= set(found)
    assert all("Expected: " in text for text in found.values())
    assert [line.split()[0] for line in told(command("reproduce")).splitlines()] == list(found)


def test_reproduce(command: Command) -> None:
    said = command("reproduce", "warping", "--out", "some/where", "--json")
    found = whole(said)
    assert found["recipe"] == "warping"
    assert found["holds"] is True
    assert json.loads(Path("some/where/outcome.json").read_text("utf-8")) == found
    with Image.open(found["pictures"][0]) as picture:
        assert picture.format == "PNG"
    assert said.err.startswith("warping: ")


def test_a_recipe_that_does_not_hold_is_no_success(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from samoyed.recipes import warping
    from samoyed.recipes.outcome import Outcome

    monkeypatch.setattr(warping, "run", lambda folder, echo: Outcome(False, {"x": 1.0}, "nothing was found", ()))
    assert whole(command("reproduce", "warping", "--json"), code=1)["holds"] is False
    text = told(command("reproduce", "warping"), code=1)
    assert "NOT as expected" in text
    assert "nothing was found" in text


def test_draw(command: Command) -> None:
    found = whole(command("draw", "warping", "--json"))
    assert found == {"picture": "pictures/warping.png"}
    with Image.open("pictures/warping.png") as picture:
        assert picture.format == "PNG"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training the small network takes seconds, and where its picture goes does not hang on it."""
    from samoyed.recipes import warping

    crowd = warping.train([2, 2, 1], 1, steps=1)
    monkeypatch.setattr(warping, "network", lambda: crowd)


@pytest.mark.usefixtures("drawn")
def test_draw_says_where(command: Command) -> None:
    assert told(command("draw", "warping", "--out", "some/where")) == "drawn  some/where/warping.png\n"
    assert Path("some/where/warping.png").is_file()


@pytest.mark.usefixtures("drawn")
def test_draw_into_a_named_picture(command: Command) -> None:
    assert told(command("draw", "warping", "--out", "mine.png")) == "drawn  mine.png\n"
    with Image.open("mine.png") as picture:
        assert picture.format == "PNG"


def test_help(command: Command) -> None:
    text = told(command("--help"))
    for verb in ("train", "evaluate", "predict", "generate", "tasks", "models", "describe", "check", "report"):
        assert verb in text
        assert "--json" in told(command(verb, "--help"))


def test_debug_may_stand_anywhere(command: Command) -> None:
    assert told(command("--debug", "tasks")) == told(command("tasks", "--debug")) == told(command("tasks"))
