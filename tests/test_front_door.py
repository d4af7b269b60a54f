"""`import samoyed` is light, and its verbs are those of the command line: the same words, defaults and errors."""

import importlib
import importlib.metadata
import inspect
import json
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import catalog, cli
from samoyed.errors import SamoyedError

Command = Callable[..., Any]

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
VERSE = "to be or not to be, that is the question.\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book.txt").write_text(VERSE * 60, "utf-8")
    return tmp_path / "book.txt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("front door")
    (folder / "book.txt").write_text(VERSE * 60, "utf-8")
    return samoyed.train(TEXT, folder / "book.txt", out=folder / "run", quiet=True, max_steps=2, hidden_size=8)


def python(code: str) -> str:
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout.strip()


# Importing


@pytest.mark.parametrize(
    "code",
    [
        "import samoyed",
        "import samoyed; samoyed.tasks(); samoyed.models(); samoyed.models('text-generation')",
        "import samoyed.cli",
        "import samoyed; samoyed.plan_of('image-classification', None, None, None, {'seed': 3})",
    ],
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    heavy = "torch numpy matplotlib sklearn PIL safetensors"
    found = python(f"{code}\nimport sys; print(*(n for n in '{heavy}'.split() if n in sys.modules))")
    assert found == ""


def test_what_loads_torch_is_noticed() -> None:
    assert python("import samoyed.run, sys; print('torch' in sys.modules)") == "True"


def test_importing_changes_nothing_elsewhere() -> None:
    """No logger and no signal handler of the program that imports it."""
    code = """
import logging, signal, sys
before = (list(logging.root.handlers), [signal.getsignal(s) for s in (2, 15)], sys.excepthook)
import samoyed, samoyed.run
import torch
after = (list(logging.root.handlers), [signal.getsignal(s) for s in (2, 15)], sys.excepthook)
print(before == after)
"""
    assert python(code) == "True"


def test_the_functions_are_not_replaced_by_folders() -> None:
    for name in ("samoyed.tasks", "samoyed.models", "samoyed.tasks.image_classification", "samoyed.models.lenet"):
        assert isinstance(importlib.import_module(name), types.ModuleType)
    assert callable(samoyed.tasks)
    assert callable(samoyed.models)
    assert IMAGES in samoyed.tasks()
    assert next(iter(samoyed.models(IMAGES))) == "lenet"
    code = """
import samoyed.tasks, samoyed.models
from samoyed.tasks import Task
from samoyed.models import lenet
import samoyed
print('image-classification' in samoyed.tasks(), 'lenet' in samoyed.models(), Task.__module__, lenet.LeNet.__name__)
"""
    assert python(code) == "True True samoyed.tasks LeNet"


def test_the_functions_may_still_be_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samoyed, "tasks", dict)
    assert samoyed.tasks() == {}


def test_what_is_offered() -> None:
    assert set(samoyed.__all__) == {
        "train", "resume", "load", "evaluate", "predict", "compress", "distil", "tasks", "models",
        "SamoyedError", "UsageError", "DataError", "RunError", "TrainingError", "Interrupted",
    }  # fmt: skip
    assert all(getattr(samoyed, name).__doc__ for name in samoyed.__all__)
    namespace: dict[str, Any] = {}
    exec("from samoyed import *", namespace)
    assert callable(namespace["tasks"])
    assert (Path(samoyed.__file__).parent / "py.typed").is_file()
    assert samoyed.__version__ == importlib.metadata.version("samoyed")


@pytest.mark.parametrize(("name", "code"), [("UsageError", 2), ("DataError", 1), ("RunError", 1), ("TrainingError", 1)])
def test_one_family_of_errors(name: str, code: int) -> None:
    kind = getattr(samoyed, name)
    assert issubclass(kind, samoyed.SamoyedError)
    assert kind("x").exit_code == code
    assert samoyed.Interrupted("x").exit_code == 130


# The same words


def test_the_verbs_take_the_same_words() -> None:
    """train's own words in Python are those of the shell; all others are settings in both."""
    of_python = set(inspect.signature(samoyed.train).parameters)
    of_shell = set(inspect.signature(cli.learning.train).parameters)
    assert of_python == {"task", "data", "model", "out", "quiet", "resume", "settings"}
    assert of_shell == {"task", "data_and_settings", "out", "json_", "quiet", "resume"}
    assert list(inspect.signature(samoyed.evaluate).parameters) == ["run", "data"]
    assert list(inspect.signature(samoyed.predict).parameters) == ["run", "raw"]
    clash = {name for entry in (*catalog.tasks().values(), *catalog.models().values()) for form in entry.forms
             for name in form.settings if name in of_python}  # fmt: skip
    assert clash == set()


ERRORS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("image-clasification",), {}),
    ((IMAGES, "nothing"), {}),
    ((IMAGES, "lenet"), {}),
    ((IMAGES,), {"model": "lennet"}),
    ((IMAGES,), {"epoch": 3}),
    ((IMAGES,), {"epochs": 0}),
    ((IMAGES,), {"epochs": "many"}),
    ((IMAGES,), {"learning_rate": -1}),
    ((IMAGES,), {"hidden_sizes": 3}),
    ((IMAGES,), {"model": "mlp", "dropout": 1}),
    ((TEXT,), {"tokens": "letters"}),
    ((SERIES,), {"horizon": 0}),
]


@pytest.mark.parametrize(("args", "given"), ERRORS)
def test_the_same_errors(command: Command, args: tuple[Any, ...], given: dict[str, Any]) -> None:
    said = command("train", *args, *(f"{key}={value}" for key, value in given.items()))
    with pytest.raises(SamoyedError) as raised:  # in the same working folder
        samoyed.train(*args, **given)
    assert said.err == f"error: {raised.value}\n"
    assert said.code == raised.value.exit_code
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("word", ["evaluate", "predict"])
def test_the_same_errors_for_runs(command: Command, word: str) -> None:
    said = command(word, "nothing", *(["x.png"] if word == "predict" else []))
    with pytest.raises(samoyed.RunError) as raised:
        getattr(samoyed, word)("nothing", *(["x.png"] if word == "predict" else []))
    assert said.err == f"error: {raised.value}\n"


def test_the_same_run(command: Command, book: Path, tmp_path: Path) -> None:
    """A setting is a word or a value; all others have the same defaults; the figures are the same to the last digit."""
    said = command(
        "train", TEXT, book, "model=gru", "max_steps=3", "hidden_size=8", "warmup=0.5", "--out", "run", "--json"
    )
    assert said.code == 0
    shell = json.loads(said.out)
    run = samoyed.train(
        TEXT, book, model="gru", out=tmp_path / "run", quiet=True, max_steps=3, hidden_size=8, warmup=0.5
    )
    assert run.metrics == shell["metrics"]
    assert run.parameters == shell["parameters"]
    other = samoyed.load("run")
    assert run.config == other.config
    assert run.config["command"] == other.config["command"]
    assert run.generate("to", length=20) == other.generate("to", length=20)


def test_defaults_are_those_of_describe(command: Command) -> None:
    for task in samoyed.tasks():
        found = json.loads(command("describe", task, "--json").out)
        settled = samoyed.plan_of(task, None, None, None, {}).settled
        for owner in ("task", "training"):
            for name, row in found["settings"][owner].items():
                value = settled[owner][name]
                shown = ",".join(value) if isinstance(value, tuple) else str(value)
                words = {"None": "none", "True": "true", "False": "false"}
                assert row["default"] == words.get(shown, shown)


def test_python_values_and_texts_are_alike(book: Path) -> None:
    plans = [
        samoyed.plan_of(TEXT, data, None, None, given)
        for data, given in (
            (book, {"epochs": 3, "clip_norm": None, "max_time": 90, "learning_rate": 0.01}),
            (str(book), {"epochs": "3", "clip_norm": "none", "max_time": "90s", "learning_rate": "1e-2"}),
        )
    ]
    assert plans[0].settled == plans[1].settled


# Working with a run


def test_a_run_from_training_is_the_run_that_is_loaded(run: Any) -> None:
    again = samoyed.load(run.path)
    assert samoyed.load(str(run.path)).config == run.config == again.config
    assert again.metrics == run.metrics
    assert again.generate("to be", length=9) == run.generate("to be", length=9)


def test_the_verbs_of_the_module_are_those_of_the_run(run: Any, book: Path) -> None:
    assert samoyed.evaluate(run.path) == run.evaluate() == run.metrics["test"]
    assert samoyed.evaluate(str(run.path), str(book)) == run.evaluate(book) == run.evaluate(str(book))
    assert samoyed.predict(run.path, "to be") == run.predict("to be")
    assert samoyed.predict(run.path, book) == run.predict(str(book))


def test_quiet_is_quiet_and_progress_is_no_output(
    book: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {"max_steps": 1, "hidden_size": 4}
    run = samoyed.train(TEXT, book, out=tmp_path / "a", quiet=True, **settings)
    run.evaluate()
    run.predict("to be")
    assert capfd.readouterr() == ("", "")
    samoyed.train(TEXT, book, out=tmp_path / "b", **settings)
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{TEXT}\n")


def test_the_random_numbers_of_others_do_not_matter(book: Path, tmp_path: Path) -> None:
    import random

    import numpy as np
    import torch

    figures = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        run = samoyed.train(TEXT, book, out=tmp_path / str(seed), quiet=True, max_steps=2, hidden_size=4, dropout=0.3)
        figures.append(run.metrics)
    assert figures[0] == figures[1]
    other = samoyed.train(TEXT, book, out=tmp_path / "c", quiet=True, max_steps=2, hidden_size=4, dropout=0.3, seed=1)
    assert other.metrics != figures[0]


def test_training_in_a_thread(book: Path, tmp_path: Path) -> None:
    """Signals belong to the main thread; elsewhere training does without them."""
    found: list[Any] = []

    def work() -> None:
        found.append(samoyed.train(TEXT, book, out=tmp_path / "run", quiet=True, max_steps=1, hidden_size=4))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found[0].metrics == samoyed.load(tmp_path / "run").metrics


@pytest.mark.parametrize("bad", [None, 5, [], b"image-classification", ""])
def test_a_task_that_is_no_name(bad: Any) -> None:
    with pytest.raises(samoyed.UsageError):
        samoyed.train(bad)
    if bad is not None:
        with pytest.raises(samoyed.UsageError):
            samoyed.models(bad)


@pytest.mark.parametrize("bad", [5, [], "", object()])
def test_a_model_that_is_no_name(bad: Any) -> None:
    with pytest.raises(samoyed.UsageError):
        samoyed.plan_of(IMAGES, None, bad, None, {})
