"""Progress: a line per epoch with all that a person wants to know, on standard error; nothing where quiet is asked for."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import samoyed
from samoyed.reporting.progress import Reporter, duration
from samoyed.training.evaluation import Result
from samoyed.training.progress import Epoch

Capture = pytest.CaptureFixture[str]


def epoch(number: int, best: bool = True, unit: str = "%", value: float = 12.5) -> Epoch:
    valid = {
        "error": Result(value, value - 1, value + 1, unit, "lower", 100),
        "loss": Result(0.5, 0, 1, "nats", "lower", 100),
    }
    return Epoch(number, 10 * number, 2.0, 200.0, 1234.5, 0.00123, 0.4567, 1.5, valid, best)


def lines(capsys: Capture) -> list[str]:
    said = capsys.readouterr()
    assert said.out == ""
    return [line.rstrip() for line in said.err.splitlines()]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_the_line_of_an_epoch(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.begin(20, "examples")
    reporter.passed(epoch(3), 75)
    reporter.passed(epoch(4, best=False, unit="nats/word"), 7300)
    reporter.end()
    first, second = lines(capsys)
    assert first.split() == [
        "epoch", "3/20", "loss", "0.4567", "valid", "error", "12.5%", "*", "200.0", "ms/step",
        "1,234", "examples/s", "lr", "1.23e-03", "1", "min", "15", "s", "left",
    ]  # fmt: skip
    assert "valid error 12.5 nats/word  " in second
    assert "*" not in second
    assert second.endswith("2 h 1 min left")


def test_every_short_training_prints_every_epoch(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.begin(40, "examples")
    for number in range(1, 41):
        reporter.passed(epoch(number), 1)
    assert [line.split()[1] for line in lines(capsys)] == [f"{number}/40" for number in range(1, 41)]


def test_a_long_training_prints_about_forty(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.begin(1000, "examples")
    for number in range(1, 1001):
        reporter.passed(epoch(number), 1)
    found = [line.split()[1] for line in lines(capsys)]
    assert 38 <= len(found) <= 42
    assert found[-1] == "1000/1000"


def test_the_first_epoch_is_always_shown(capsys: Capture) -> None:
    """It says that something happens, and how long all will take."""
    reporter = Reporter()
    reporter.begin(1000, "examples")
    reporter.passed(epoch(1), 999)
    assert [line.split()[1] for line in lines(capsys)] == ["1/1000"]


def test_where_a_training_ended_is_always_shown(tmp_path: Path, capsys: Capture) -> None:
    """By max_steps, max_time, patience or Ctrl-C it ends before the epochs that were set."""
    run = samoyed.train("time-series-forecasting", out=tmp_path / "run", max_steps=12, hidden_size=4)
    rows = (run.path / "metrics.jsonl").read_text("utf-8").splitlines()
    shown = [int(line.split()[1].split("/")[0]) for line in lines(capsys) if line.startswith("epoch")]
    assert len(rows) > 1
    assert shown[-1:] == [len(rows)]


def test_quiet_says_nothing(capsys: Capture) -> None:
    reporter = Reporter(quiet=True)
    reporter.say("a")
    reporter.warn("b")
    reporter.block("c", [("d", "e")])
    reporter.begin(2, "examples")
    reporter.stepped(1, 1, 2, 0.5)
    reporter.passed(epoch(1), 1)
    reporter.end()
    assert list(reporter.track([1, 2], 2, "reading")) == [1, 2]
    assert lines(capsys) == []


def test_without_a_terminal_there_is_no_bar(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.begin(2, "examples")
    for step in range(1, 5):
        reporter.stepped(1, step, 4, 0.5)
    reporter.end()
    assert lines(capsys) == []


def test_on_a_terminal_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = Reporter()
    terminal = io.StringIO()
    reporter.console = Console(file=terminal, force_terminal=True, width=120, highlight=False, legacy_windows=False)
    reporter.live = True
    reporter.begin(2, "examples")
    reporter.stepped(1, 4, 4, 0.56789)
    reporter.passed(epoch(1), 30)
    reporter.end()
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue())
    assert "4/4" in text
    assert "loss 0.5679" in text
    assert "epoch   1/2  loss 0.4567" in text
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_words_are_not_markup(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.say("a [bold]b[/bold] [/] :dog: 1.5 'x' http://x")
    reporter.warn("[red]careful")
    assert lines(capsys) == ["a [bold]b[/bold] [/] :dog: 1.5 'x' http://x", "warning: [red]careful"]


def test_long_lines_are_not_broken(capsys: Capture) -> None:
    reporter = Reporter()
    reporter.block("title", [("data", "x" * 500), ("rule", "short words " * 60)])
    assert lines(capsys) == ["title", f"  data       {'x' * 500}", f"  rule       {('short words ' * 60).rstrip()}"]


def test_reading_is_passed_through() -> None:
    reporter = Reporter()
    reporter.live = True
    assert list(reporter.track(iter(range(5)), 5, "reading")) == [0, 1, 2, 3, 4]

    def failing() -> Any:
        yield 1
        raise ZeroDivisionError

    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(reporter.track(failing(), 2, "reading"))


def test_stopping() -> None:
    reporter = Reporter()
    assert not reporter.stopping()
    reporter.request_stop()
    assert reporter.stopping()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 0 min"), (90061, "25 h 1 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_line_of_a_real_training(tmp_path: Path, capsys: Capture, raw: dict[str, Path]) -> None:
    """Step time, examples a second, loss, metric with its unit, learning rate, time left; and the same in metrics.jsonl."""
    run = samoyed.train(
        "image-classification", raw["image-classification"], out=tmp_path / "run", model="linear", epochs=3
    )
    said = lines(capsys)
    shape: Callable[[str], Any] = re.compile(
        r"epoch +(\d)/3  loss ([\d.e+-]+) +valid error ([\d.]+)% [ *] +[\d.]+ ms/step +[\d,]+ examples/s  lr ([\d.e+-]+)  .+ left"
    ).fullmatch
    shown = [shape(line) for line in said if line.startswith("epoch")]
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert len(shown) == len(rows) == 3
    for match, row in zip(shown, rows, strict=True):
        assert match
        number, loss, error, rate = match.groups()
        assert int(number) == row["epoch"]
        assert float(loss) == pytest.approx(row["loss"], rel=1e-3)
        assert float(error) == pytest.approx(row["valid"]["error"], rel=1e-3)
        assert float(rate) == pytest.approx(row["learning_rate"], rel=1e-2)
    assert [line.split()[0] for line in said[1:8]] == ["data", "classes", "pictures", "each", "splits", "rule", "model"]
    assert f"  run        {run.path}" in said
