"""Real data, where this machine has them: files as people publish them, and figures that a sound build reaches."""

import gzip
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

import samoyed
from samoyed import catalog
from samoyed.errors import DataError
from samoyed.run import build
from samoyed.sources import open_splits
from samoyed.tasks.image_classification import ImageClassification
from samoyed.training.evaluation import evaluate
from samoyed.training.progress import Silent
from samoyed.training.trainer import Trainer


@pytest.fixture(scope="module")
def mnist(shared_data: Path) -> dict[str, list[Any]]:
    """Every digit, by split."""
    return {name: list(s.examples()) for name, s in open_splits("Image", shared_data / "mnist").items()}


def test_mnist_is_read_from_gzipped_idx(mnist: dict[str, list[Any]], shared_data: Path) -> None:
    assert {name: len(part) for name, part in mnist.items()} == {"train": 60_000, "test": 10_000}
    assert [e.label for e in mnist["train"][:5]] == ["5", "0", "4", "1", "9"]
    assert [e.label for e in mnist["test"][:5]] == ["7", "2", "1", "0", "4"]
    assert {e.pixels.shape for part in mnist.values() for e in part} == {(28, 28, 1)}
    with gzip.open(shared_data / "mnist" / "train-images-idx3-ubyte.gz") as stream:
        assert struct.unpack(">IIII", stream.read(16)) == (2051, 60_000, 28, 28)
        assert mnist["train"][0].pixels.tobytes() == stream.read(784)


def test_validation_is_no_larger_than_is_said(mnist: dict[str, list[Any]]) -> None:
    """ "At most 5,000" (image_classification.py)."""
    train, valid, test = (len(part) for part in ImageClassification().split(mnist, 0)[:3])
    assert valid <= 5_000
    assert train + valid == 60_000
    assert test == 10_000


def test_lenet_reads_mnist_after_300_steps(mnist: dict[str, list[Any]]) -> None:
    """Fewer than 5 % of 2,000 digits wrong, from 19,200 pictures seen twice; guessing gets 90 % wrong."""
    task = ImageClassification()
    split = task.split({"train": mnist["train"][:20_000], "test": mnist["test"][:2_000]}, 0)
    task.fit(split.train)
    assert task.sizes()["image_shape"] == (1, 28, 28)
    torch.manual_seed(0)
    model = build(task, catalog.model(catalog.task("image-classification"), "lenet"), {})
    assert sum(p.numel() for p in model.parameters()) == 61_706
    valid, test = (task.collate(part) for part in (split.valid[:500], split.test))
    trainer = Trainer(epochs=10, max_steps=300, batch_size=128, learning_rate=0.002)
    result = trainer.train(task, model, task.collate(split.train), valid, Silent())
    model.load_state_dict(result.best)
    found = evaluate(task, model, test)["error"]
    assert found.count == 2_000
    assert found.value < 5.0


def test_a_folder_of_surnames_is_no_folder_of_pictures(shared_data: Path) -> None:
    """The error says what is there, what is wanted, and how a folder of it looks; in one line, without a word of code."""
    with pytest.raises(DataError) as raised:
        samoyed.train("image-classification", shared_data / "names", quiet=True)
    said = str(raised.value)
    for words in (
        str(shared_data / "names"),
        "19 .txt files",
        "no pictures",
        "one folder of pictures per class",
        "cat",
    ):
        assert words in said
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said
    assert "None" not in said


def test_a_text_folder_is_read_without_what_is_about_it(shared_data: Path) -> None:
    """SOURCE.txt tells where the text is from; it is no part of Shakespeare, who uses 65 different characters."""
    (source,) = open_splits("Text", shared_data / "tinyshakespeare").values()
    text = "".join(e.text for e in source.examples())
    different, length = len(set(text)), len(text)
    assert (different, length) == (65, 1_115_394)


def test_an_lstm_learns_shakespeare(shared_data: Path, tmp_path: Path) -> None:
    """Under 2.2 nats a character after 300 steps on a quarter of the plays; each letter alone costs 3.3."""
    book = tmp_path / "book.txt"
    book.write_text((shared_data / "tinyshakespeare" / "input.txt").read_text("utf-8")[:250_000], "utf-8")
    run = samoyed.train(
        "text-generation", book, model="lstm", out=tmp_path / "run", quiet=True, max_steps=300, epochs=50, seed=0,
        hidden_size=128, embedding_size=32, batch_size=16, sequence_length=64, learning_rate=0.008,
    )  # fmt: skip
    assert run.metrics["test"]["loss"]["value"] < 2.2
    assert run.metrics["test"]["loss"]["unit"] == "nats/character"
    written = run.generate("ROMEO:", length=300, seed=1)["continuation"]
    assert len(written) == 300
    words = set(written.lower().split())
    assert len(words & {"the", "and", "to", "my", "i", "of", "you", "a", "in", "is", "that", "with", "me", "be"}) >= 3


def test_a_gru_beats_the_seasonal_forecast_of_passengers(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "timeseries" / "airline-passengers.csv"
    run = samoyed.train("time-series-forecasting", data, model="gru", out=tmp_path / "run", quiet=True, epochs=80)
    test = {name: figure["value"] for name, figure in run.metrics["test"].items()}
    assert test["rmse"] < test["seasonal rmse"] < test["naive rmse"]
    assert test["seasonal rmse"] == pytest.approx(50.0, abs=0.5)
    answer = run.predict(data)
    assert answer["times"][0] == "1961-01"
    assert len(answer["forecast"]) == 12
    assert all(low <= value <= high for low, value, high in zip(*(answer[k] for k in ("low", "forecast", "high"))))  # noqa: B905


def test_sunspots_begin_at_zero_and_train(shared_data: Path, tmp_path: Path) -> None:
    """Months without a spot are 0, which has no logarithm: auto leaves the values as they are."""
    data = shared_data / "timeseries" / "monthly-sunspots.csv"
    run = samoyed.train("time-series-forecasting", data, out=tmp_path / "run", quiet=True, epochs=1)
    assert run.task.sizes()["season"] == 12
    assert run.task.scale.log == [False]
    assert run.task.column == "Sunspots"
    assert 0 < run.metrics["test"]["rmse"]["value"] < 150
    with pytest.raises(DataError, match="only numbers above 0 have a logarithm"):
        samoyed.train("time-series-forecasting", data, out=tmp_path / "log", quiet=True, transform="log")


def test_temperatures_lack_two_days(shared_data: Path, tmp_path: Path) -> None:
    """The last days of 1984 and 1988 are missing: refused with their dates and lines, or filled in by a straight line."""
    data = shared_data / "timeseries" / "daily-min-temperatures.csv"
    with pytest.raises(DataError) as raised:
        samoyed.train("time-series-forecasting", data, out=tmp_path / "no", quiet=True)
    for words in ("2 dates are missing", "1984-12-31", "1988-12-31", "gaps=interpolate"):
        assert words in str(raised.value)
    run = samoyed.train("time-series-forecasting", data, out=tmp_path / "run", quiet=True, epochs=1, gaps="interpolate")
    assert run.task.sizes()["season"] == 7
    (source,) = open_splits("Series", data, {"gaps": "interpolate", "target": None}).values()
    (series,) = source.examples()
    assert len(series.values) == 3650 + 2
    filled = series.times.index("1984-12-31")
    assert series.values[filled, 0] == pytest.approx((series.values[filled - 1, 0] + series.values[filled + 1, 0]) / 2)
    assert 0 < run.metrics["test"]["rmse"]["value"] < 10
