"""A mistake gets one line that says what and where, and what to do; exit 2 for the command, 1 for data and runs."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed

Command = Callable[..., Any]
Paths = dict[str, Path]

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
JARGON = re.compile(r"Traceback|Errno|Error:|<class|NoneType|dtype|\btensor\b|Overflow|unpack", re.ASCII)


def complaint(said: Any, code: int) -> str:
    """The line of an error, after checking that there is one, and nothing else anywhere."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("error: "), said.err
    assert not JARGON.search(said.err), said.err
    line: str = said.err
    return line.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def filled(runs: Paths, raw: Paths) -> Callable[[str], list[str]]:
    """Puts runs and data into the words of a command: {image} a run, {photos} its data."""
    names = {
        "image": runs[IMAGES],
        "text": runs[TEXT],
        "series": runs[SERIES],
        "photos": raw[IMAGES],
        "book": raw[TEXT],
        "prices": raw[SERIES],
        "picture": raw[IMAGES] / "cat" / "0.png",
        "long": "x" * 5000,
    }
    return lambda words: [word.format(**names) for word in words.split()]


USAGE = [
    ("train image-clasification {photos}", "did you mean image-classification?"),
    ("train photos", "choose one of: audio-classification, automatic-speech-recognition, "),
    ("train image-classification model=lennet", "did you mean lenet?"),
    ("train image-classification model=seq2seq", "seq2seq"),
    ("train image-classification {photos} epoch=3", "did you mean epochs?"),
    ("train image-classification {photos} hidden_sizes=3", "model=mlp"),
    ("train image-classification {photos} epochs=0", "epochs is a whole number of at least 1"),
    ("train image-classification {photos} epochs=many", "epochs is a whole number of at least 1"),
    ("train image-classification {photos} learning_rate=-1", "learning_rate is a number above 0"),
    ("train image-classification {photos} learning_rate=nan", "learning_rate is a number above 0"),
    ("train image-classification {photos} optimizer=adan", "adamw, adam, sgd"),
    ("train image-classification {photos} max_time=soon", "a time such as 90s, 30min or 1h30min"),
    ("train image-classification {photos} epochs=3 epochs=4", "epochs is set twice"),
    ("train image-classification {photos} epochs = 3", "written key=value without spaces"),
    ("train image-classification {photos} out=here", "write --out DIR"),
    ("train image-classification {photos} device=cuda:9", "device is one of auto, cpu, cuda, mps"),
    ("train image-classification {photos} --out {photos}", "would be written into the data folder"),
    ("train image-classification {photos} --out {photos}/cat", "would be written into the data folder"),
    ("train image-classification {photos} --out {image}", "is there already; name a new folder with --out DIR"),
    ("train image-classification {photos} --out {book}", "is there already"),
    ("models image", "did you mean image-captioning or image-classification"),
    ("describe lennet", "did you mean lenet?"),
    ("describe {long}", "choose one of"),
    ("reproduce digit", "did you mean digits?"),
    ("reproduce digits {photos}", "makes its own data"),
    ("gradcheck lennet", "did you mean lenet?"),
    ("gradcheck naive", "no gradient to check"),
    ("gradcheck linear depth=3", "no setting called 'depth'"),
    ("draw wraping", "did you mean warping?"),
    ("check image-clasification", "did you mean image-classification?"),
    ("check image-classification {photos} epoch=3", "did you mean epochs?"),
    ("generate {image} hello", "image-classification writes no text; use predict"),
    ("generate {text} hello --top-p 0", "above 0 and at most 1"),
]

DATA = [
    ("train image-classification {photos}x", "did you mean"),
    ("train image-classification lenet", "to choose the model, write model=lenet"),
    ("train image-classification {book}", "learn from pictures"),
    ("train image-classification {prices}", "has the columns month, price, and lists no pictures"),
    ("train text-generation {picture}", "is a PNG picture, not text"),
    ("train time-series-forecasting {book}", "learns from series of numbers"),
    ("train time-series-forecasting {prices} target=close", "close"),
    ("train time-series-forecasting {prices} horizon=500", "set a smaller horizon"),
    ("train image-classification {long}", "file name too long"),
    ("check image-classification {prices}", "lists no pictures"),
    ("check image-classification nothing", "there is no such file or folder"),
    ("evaluate nothing", "there is no such run"),
    ("evaluate {photos}", "is no run: it has no config.yaml"),
    ("evaluate {picture}", "is a file, not the folder of a run"),
    ("evaluate {image} nothing", "there is no such file or folder"),
    ("evaluate {image} {prices}", "lists no pictures"),
    ("evaluate {series} {picture}", "no series of numbers"),
    ("predict nothing x.png", "there is no such run"),
    ("predict {image} nothing.png", "there is no such file"),
    ("predict {image} {book}", "book.txt"),
    ("predict {series} nothing.csv", "there is no such file"),
    ("predict {series} {picture}", "0.png"),
    ("predict {text} {picture}", "is a PNG picture, not text"),
    ("generate nothing", "there is no such run"),
    ("report nothing", "there is no such run"),
]


@pytest.mark.parametrize(("words", "said"), USAGE)
def test_a_mistake_in_the_command(command: Command, filled: Callable[[str], list[str]], words: str, said: str) -> None:
    text = complaint(command(*filled(words)), 2)
    assert said in text
    assert len(text) < 2100
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(("words", "said"), DATA)
def test_a_mistake_in_data_or_run(command: Command, filled: Callable[[str], list[str]], words: str, said: str) -> None:
    text = complaint(command(*filled(words)), 1)
    assert said in text
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("words", [*(words for words, _ in USAGE[::6]), *(words for words, _ in DATA[::6])])
def test_an_error_as_json(command: Command, filled: Callable[[str], list[str]], words: str) -> None:
    said = command(*filled(words), "--json")
    assert said.code in (1, 2)
    assert said.err.count("\n") == said.out.count("\n") == 1
    assert json.loads(said.out) == {"error": said.err.removeprefix("error: ").rstrip("\n")}


# What the parser of the command line refuses by itself

PARSED = [
    ("train", "task"),
    ("tran image-classification", "train"),
    ("tasks extra", "extra"),
    ("train image-classification --epochs 3", "--epochs"),
    ("train image-classification --epochs=3", "--epochs"),
    ("evaluate", "RUN"),
    ("evaluate a b c", "c"),
    ("predict run", "RAW"),
    ("generate run hello --length 0", "--length"),
    ("generate run hello --length many", "--length"),
    ("generate run hello --temperature -1", "--temperature"),
    ("generate run hello --temperature nan", "--temperature"),
    ("train image-classification --out", "--out"),
    ("--nonsense", "--nonsense"),
]


@pytest.mark.parametrize(("words", "said"), PARSED)
def test_what_the_parser_refuses(command: Command, words: str, said: str) -> None:
    found = command(*words.split())
    assert found.code == 2
    assert found.out == ""
    assert said in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(("words", "said"), PARSED)
def test_what_the_parser_refuses_is_one_line_too(command: Command, words: str, said: str) -> None:
    assert said in complaint(command(*words.split()), 2)


@pytest.mark.parametrize("words", [words for words, _ in PARSED if not words.endswith("--out")])
def test_what_the_parser_refuses_as_json(command: Command, words: str) -> None:
    found = command(*words.split(), "--json")
    assert found.code == 2
    assert list(json.loads(found.out)) == ["error"]


def test_a_setting_written_as_an_option_is_taken_or_explained(command: Command, raw: Paths) -> None:
    """Most programs write --epochs 3; the remedy says how it is written here."""
    said = command("train", "image-classification", raw[IMAGES], "model=linear", "--epochs=3")
    assert said.code == 0 or "epochs=3" in complaint(said, 2)


def test_data_behind_the_settings_are_explained(command: Command, filled: Callable[[str], list[str]]) -> None:
    """The word is a folder that is there, so it is no setting without spaces: it stands in the wrong place."""
    text = complaint(command(*filled("train image-classification epochs=2 {photos}")), 2)
    assert "first" in text or "before" in text


def test_no_words_at_all_give_help(command: Command) -> None:
    said = command()
    assert said.code in (0, 2)
    assert "train" in said.out + said.err
    assert "samoyed train image-classification photos/" in " ".join((said.out + said.err).split())


# What would else be an internal error


@pytest.mark.parametrize(
    "words", ["predict {image} {long}", "predict {series} {long}", "predict {long} x.png", "report {long}"]
)
def test_a_path_that_is_too_long(command: Command, filled: Callable[[str], list[str]], words: str) -> None:
    assert "xxx" in complaint(command(*filled(words)), 1)


@pytest.mark.parametrize("words", ["draw warping --out", "reproduce warping --out"])
@pytest.mark.parametrize("below", ["", "inside"])
def test_an_out_that_is_a_file(command: Command, raw: Paths, words: str, below: str) -> None:
    said = command(*words.split(), raw[TEXT] / below)
    assert said.code in (1, 2)
    assert "book.txt" in complaint(said, said.code)


@pytest.mark.parametrize("words", ["evaluate {image}", "predict {image}", "train image-classification"])
def test_an_empty_word_is_no_path(command: Command, filled: Callable[[str], list[str]], words: str) -> None:
    """What a shell makes of "$DATA" where DATA is not set; it is not the working folder."""
    said = command(*filled(words), "")
    assert said.code in (1, 2)
    assert "empty" in complaint(said, said.code)


def test_seeds_too_large(command: Command, filled: Callable[[str], list[str]]) -> None:
    said = command(*filled("generate {text} to --seed 99999999999999999999"))
    assert "seed" in complaint(said, 2)


def test_a_folder_where_one_picture_is_asked_for(command: Command, filled: Callable[[str], list[str]]) -> None:
    text = complaint(command(*filled("predict {image} {photos}")), 1)
    assert "there is no such file" not in text
    assert "did you mean" not in text  # the very path that was given
    assert "folder" in text


@pytest.mark.parametrize("verb", ["evaluate", "report", "predict"])
def test_a_home_is_found(command: Command, runs: Paths, raw: Paths, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """As train does it: "~" may reach the program where quotes kept the shell from it."""
    monkeypatch.setenv("HOME", str(runs[IMAGES].parent))
    picture = [raw[IMAGES] / "cat" / "0.png"] if verb == "predict" else []
    assert command(verb, f"~/{IMAGES}", *picture).code == 0


def test_training_whose_figures_overflow_is_no_internal_error(command: Command) -> None:
    """Of a series seen as logarithms, the error of a forecast that is far off is infinite; JSON holds no infinity."""
    words = ["model=linear", "optimizer=sgd", "learning_rate=1e4", "clip_norm=none", "max_steps=4", "--out", "run"]
    said = command("train", SERIES, *words, "--json")
    assert "internal error" not in said.err
    assert "Warning" not in said.err
    json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    for line in Path("run/metrics.jsonl").read_text("utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_loss_that_is_not_finite_ends_the_run(command: Command, raw: Paths) -> None:
    words = ["model=linear", "optimizer=sgd", "learning_rate=1e38", "epochs=3", "batch_size=8", "--out", "run"]
    said = command("train", IMAGES, raw[IMAGES], *words, "--json")
    assert said.code == 1
    *_, last = said.err.splitlines()
    assert re.match(
        r"error: (run: )?training stopped: the (loss|gradient) .*try a smaller learning_rate.*epoch \d+, step \d+", last
    )
    assert json.loads(said.out) == {"error": last.removeprefix("error: ")}
    if Path("run/manifest.json").exists():
        assert samoyed.load("run").metrics
        assert json.loads(Path("run/results.json").read_text("utf-8"))["ended"] == "failed"


# Tracebacks


def test_a_traceback_only_with_debug(command: Command) -> None:
    said = command("train", "nothing")
    assert "Traceback" not in said.err
    debug = command("train", "nothing", "--debug")
    assert debug.code == said.code == 2
    assert "Traceback (most recent call last)" in debug.err
    assert "UsageError" in debug.err
    assert debug.err.endswith(said.err)
    assert debug.out == ""


def test_an_internal_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(samoyed, "tasks", broken)
    said = command("tasks")
    assert said.code == 1
    assert said.out == ""
    assert said.err == "internal error: ZeroDivisionError: by nought; run again with --debug and report it\n"
    with pytest.raises(ZeroDivisionError):
        command("tasks", "--debug")


def test_an_internal_error_as_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samoyed, "tasks", lambda: 1 / 0)
    said = command("tasks", "--json")
    assert said.code == 1
    assert list(json.loads(said.out)) == ["error"]


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (MemoryError, 1), (RecursionError, 1)])
def test_what_else_ends_a_command(
    command: Command, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], code: int
) -> None:
    def ended() -> None:
        raise raised

    monkeypatch.setattr(samoyed, "tasks", ended)
    said = command("tasks")
    assert said.code == code
    assert said.out == ""
    assert "Traceback" not in said.err


# Mistakes are found before PyTorch is loaded

NO_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise SystemExit(99)
sys.meta_path.insert(0, Refuse())
from samoyed import cli
cli.main()
"""


def without_torch(environment: dict[str, str], folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NO_TORCH, *map(str, words)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_without_torch_is_noticed(environment: dict[str, str], tmp_path: Path) -> None:
    assert without_torch(environment, tmp_path, "gradcheck", "linear").returncode == 99


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("tasks", 0),
        ("models text-generation", 0),
        ("describe lstm", 0),
        ("reproduce", 0),
        ("train nothing", 2),
        ("train image-classification epochs=x", 2),
        ("train image-classification nothing", 1),
        ("reproduce nothing", 2),
        ("draw nothing", 2),
        ("train", 2),
    ],
)
def test_answers_without_torch(environment: dict[str, str], tmp_path: Path, words: str, code: int) -> None:
    said = without_torch(environment, tmp_path, *words.split())
    assert said.returncode == code, said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("evaluate nothing", 1),
        ("predict nothing x.png", 1),
        ("generate nothing", 1),
        ("report nothing", 1),
        ("gradcheck nothing", 2),
        ("check nothing", 2),
        ("check image-classification nothing", 1),
    ],
)
def test_paths_and_names_are_checked_before_torch(
    environment: dict[str, str], tmp_path: Path, words: str, code: int
) -> None:
    assert without_torch(environment, tmp_path, *words.split()).returncode == code


def test_the_command_is_the_module(environment: dict[str, str], tmp_path: Path) -> None:
    said = [
        subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=300)
        for words in (["samoyed", "tasks", "--json"], [sys.executable, "-m", "samoyed", "tasks", "--json"])
    ]
    assert said[0].returncode == said[1].returncode == 0
    assert said[0].stdout == said[1].stdout
    assert json.loads(said[0].stdout)["tasks"]
