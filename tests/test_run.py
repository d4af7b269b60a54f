"""A run is a folder that can be moved, is refused when it is damaged, and executes nothing whoever made it."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

import samoyed
from samoyed.errors import DataError, RunError, SamoyedError, UsageError
from samoyed.files import write_manifest
from samoyed.run import Run

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
NEEDED = ("config.yaml", "features.json", "model.safetensors", "results.json")

Runs = dict[str, Path]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Raw data by task."""
    folder = tmp_path_factory.mktemp("raw")
    draw = np.random.default_rng(0)
    for place, name in enumerate(("cat", "größe", "dog")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = draw.integers(0, 90, (12, 12), dtype=np.uint8)
            pixels[:, 4 * place : 4 * place + 3] += 150
            Pillow.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    (folder / "book.txt").write_text("to be or not to be, that is the question.\n" * 60, "utf-8")
    rows = [f"{1990 + i // 12}-{i % 12 + 1:02},{100 + i + 10 * math.sin(i / 2):.3f},{i % 7}" for i in range(140)]
    (folder / "prices.csv").write_text("\n".join(["month,price,other", *rows]), "utf-8")
    return {IMAGES: folder / "photos", TEXT: folder / "book.txt", SERIES: folder / "prices.csv"}


@pytest.fixture(scope="module")
def made(raw: Runs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A finished run of each task."""
    settings: dict[str, dict[str, Any]] = {
        IMAGES: {"model": "mlp", "hidden_sizes": (8,), "epochs": 2},
        TEXT: {"max_steps": 3, "hidden_size": 8, "embedding_size": 4, "sequence_length": 32},
        SERIES: {"max_steps": 6, "hidden_size": 4, "target": "price"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMOYED_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("made")
        for task, given in settings.items():
            samoyed.train(task, raw[task], out=folder / task, quiet=True, **given)
        yield {task: folder / task for task in settings}


@pytest.fixture
def copy(made: Runs, tmp_path: Path) -> Callable[[str], Path]:
    """A run's copy that may be spoilt."""
    return lambda task: Path(shutil.copytree(made[task], tmp_path / "copy" / task))


def asked(task: str, raw: Runs) -> Any:
    """One raw thing of the task."""
    return {IMAGES: raw[IMAGES] / "cat" / "0.png", TEXT: "to be", SERIES: raw[SERIES]}[task]


def refused(path: Path) -> str:
    with pytest.raises(RunError) as raised:
        samoyed.load(path)
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 700
    assert str(path) in text
    assert raised.value.exit_code == 1
    return text


# What a run is


@pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])
def test_what_a_run_holds(made: Runs, task: str) -> None:
    names = sorted(p.relative_to(made[task]).as_posix() for p in made[task].rglob("*") if p.is_file())
    plots = {
        IMAGES: ["calibration", "confusion", "curves", "mistakes"],
        TEXT: ["curves", "ngrams", "samples", "surprise"],
        SERIES: ["curves", "forecast", "horizon", "origins"],
    }[task]
    assert names == sorted(
        [*NEEDED, "environment.json", "last.safetensors", "manifest.json", "metrics.jsonl", "report.html"]
        + [f"plots/{name}.png" for name in plots]
    )
    manifest = json.loads((made[task] / "manifest.json").read_text("utf-8"))
    assert sorted([*manifest["files"], "manifest.json"]) == names
    assert manifest["ended"] == "finished"
    assert manifest["samoyed"] == samoyed.__version__


@pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])
def test_what_a_run_says_of_itself(made: Runs, task: str) -> None:
    run = samoyed.load(made[task])
    assert isinstance(run, Run)
    assert run.path == made[task]
    assert run.report == made[task] / "report.html"
    assert run.config["task"] == task
    assert run.parameters == sum(p.numel() for p in run.model.parameters()) > 0
    assert run.seconds > 0
    assert set(run.metrics) == {"train", "valid", "test"}
    assert not run.model.training


def test_metrics_are_a_line_of_json_per_epoch(made: Runs) -> None:
    lines = (made[IMAGES] / "metrics.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        assert set(row) == {
            "epoch", "step", "seconds", "step_ms", "per_second", "learning_rate", "loss", "gradient_norm", "valid", "best"
        }  # fmt: skip
        assert set(row["valid"]) == {"error", "loss"}
        assert row["seconds"] > 0
        assert row["per_second"] > 0
        assert row["loss"] > 0
    assert rows[0]["best"] is True


def test_the_environment_is_written_down(made: Runs) -> None:
    found = json.loads((made[TEXT] / "environment.json").read_text("utf-8"))
    assert set(found) >= {"samoyed", "python", "torch", "system", "processor", "threads", "device"}
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()


def test_settings_are_written_whole(made: Runs, raw: Runs) -> None:
    config = yaml.safe_load((made[IMAGES] / "config.yaml").read_text("utf-8"))
    assert config["model"] == "mlp"
    assert config["data"] == str(raw[IMAGES])
    assert config["settings"]["model"]["hidden_sizes"] == [8]
    assert config["settings"]["training"]["epochs"] == 2
    assert config["settings"]["training"]["learning_rate"] == 0.002  # a default too
    assert config["samoyed"] == samoyed.__version__


def test_the_weights_are_those_of_the_best_epoch(made: Runs) -> None:
    run, kept = samoyed.load(made[IMAGES]), load_file(made[IMAGES] / "model.safetensors")
    assert set(kept) == set(run.model.state_dict())
    assert all(torch.equal(kept[name], tensor) for name, tensor in run.model.state_dict().items())
    rows = [json.loads(line) for line in (made[IMAGES] / "metrics.jsonl").read_text("utf-8").splitlines()]
    best = [row for row in rows if row["best"]][-1]
    assert run.metrics["valid"]["error"]["value"] == best["valid"]["error"]
    assert run.metrics["valid"]["loss"]["value"] == best["valid"]["loss"]


# Predicting and measuring


def test_a_path_and_its_pixels_are_answered_alike(made: Runs, raw: Runs) -> None:
    run, path = samoyed.load(made[IMAGES]), asked(IMAGES, raw)
    pixels = np.asarray(Pillow.open(path))
    answer = run.predict(path)
    assert answer["label"] in ("cat", "dog", "größe")
    assert run.predict(str(path)) == answer
    assert run.predict(pixels)["probs"] == answer["probs"]
    assert run.predict(pixels[:, :, None])["probs"] == answer["probs"]
    json.dumps(answer, allow_nan=False)


def test_a_table_and_its_numbers_are_answered_alike(made: Runs, raw: Runs) -> None:
    run = samoyed.load(made[SERIES])
    answer = run.predict(raw[SERIES])
    numbers = [float(line.split(",")[1]) for line in raw[SERIES].read_text("utf-8").splitlines()[1:]]
    assert run.predict(numbers)["forecast"] == answer["forecast"]
    assert run.predict(np.array(numbers))["forecast"] == answer["forecast"]
    assert run.predict(np.array(numbers)[:, None])["forecast"] == answer["forecast"]
    assert len(run.predict(numbers)["times"]) == 12
    json.dumps(answer, allow_nan=False)


def test_a_text_and_its_file_are_answered_alike(made: Runs, raw: Runs) -> None:
    run = samoyed.load(made[TEXT])
    text = raw[TEXT].read_text("utf-8")
    assert run.predict(raw[TEXT]) == run.predict(text)
    assert run.predict("to be") == run.generate("to be", length=200)


def test_predicting_leaves_no_trace(made: Runs, raw: Runs) -> None:
    for task, path in made.items():
        run = samoyed.load(path)
        first, figures = run.predict(asked(task, raw)), run.evaluate()
        run.evaluate(raw[task])
        assert run.predict(asked(task, raw)) == first
        assert run.evaluate() == figures == run.metrics["test"]


@pytest.mark.parametrize(
    ("task", "thing"),
    [
        (IMAGES, np.zeros((4, 4), dtype=np.float32)),
        (IMAGES, np.zeros((4, 4, 2), dtype=np.uint8)),
        (IMAGES, np.zeros(4, dtype=np.uint8)),
        (SERIES, np.zeros((50, 3))),
        (SERIES, [1.0, 2.0]),
        (IMAGES, "nothing.png"),
        (IMAGES, Path("nothing.png")),
        (SERIES, "nothing.csv"),
    ],
)
def test_what_cannot_be_answered(made: Runs, task: str, thing: Any) -> None:
    with pytest.raises(SamoyedError) as raised:
        samoyed.load(made[task]).predict(thing)
    assert isinstance(raised.value, DataError | UsageError)


@pytest.mark.parametrize(
    ("task", "thing"),
    [
        (IMAGES, None),
        (IMAGES, 5),
        (IMAGES, np.zeros((0, 4), dtype=np.uint8)),
        (SERIES, [float("nan")] * 40),
        (SERIES, ["a"] * 40),
        (SERIES, None),
        (TEXT, None),
    ],
)
def test_what_is_nothing_at_all(made: Runs, task: str, thing: Any) -> None:
    with pytest.raises(SamoyedError):
        samoyed.load(made[task]).predict(thing)


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}, {"length": -1}, {"temperature": math.nan}],
)
def test_options_of_generate(made: Runs, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        samoyed.load(made[TEXT]).generate("to be", **{"length": 3, **options})


def test_only_text_is_written_on(made: Runs) -> None:
    with pytest.raises(UsageError, match="a run of image-classification writes no text; use predict"):
        samoyed.load(made[IMAGES]).generate("to be")


# Moving


@pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])
def test_a_run_that_was_moved_needs_nothing_else(
    made: Runs, raw: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """Copied elsewhere, its data gone, no cache, another working folder: the answers are the same."""
    expected = samoyed.load(made[task]).predict(asked(task, raw))
    parts = tmp_path / "elsewhere" / "größe 猫"
    shutil.copytree(made[task], parts)
    thing = asked(task, raw)
    if isinstance(thing, Path):
        thing = Path(shutil.copy(thing, tmp_path))
    config = parts / "config.yaml"
    assert str(raw[task]) in config.read_text("utf-8")
    hidden = raw[task].rename(raw[task].with_name("gone"))
    try:
        monkeypatch.setenv("SAMOYED_CACHE", str(tmp_path / "no cache"))
        monkeypatch.chdir(tmp_path / "elsewhere")
        run = samoyed.load("größe 猫")
        found = run.predict(thing)
        assert found | {"input": ""} == expected | {"input": ""}
        with pytest.raises(DataError, match="there is no such file or folder") as raised:
            run.evaluate()
        assert str(raw[task]) in str(raised.value)
    finally:
        hidden.rename(raw[task])


def test_an_evaluation_without_the_data_says_what_to_give(copy: Callable[[str], Path], raw: Runs) -> None:
    hidden = raw[TEXT].rename(raw[TEXT].with_name("gone"))
    try:
        with pytest.raises(DataError) as raised:
            samoyed.load(copy(TEXT)).evaluate()
    finally:
        hidden.rename(raw[TEXT])
    assert "the run's own data" in str(raised.value) or "DATA" in str(raised.value)


def test_a_link_to_a_run(made: Runs, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(made[TEXT])
    assert samoyed.load(tmp_path / "latest").metrics == samoyed.load(made[TEXT]).metrics


# Damage


@pytest.mark.parametrize("name", [*NEEDED, "manifest.json"])
def test_a_flipped_bit_is_noticed(copy: Callable[[str], Path], name: str) -> None:
    path = copy(IMAGES)
    whole = (path / name).read_bytes()
    places = range(0, len(whole), max(1, len(whole) // 25))
    for place in [*places, len(whole) - 1]:
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        (path / name).write_bytes(bytes(spoilt))
        assert "copy the run again" in refused(path)
    (path / name).write_bytes(whole)
    samoyed.load(path)


@pytest.mark.parametrize("name", [*NEEDED, "manifest.json"])
def test_a_file_that_is_cut_or_gone_is_noticed(copy: Callable[[str], Path], name: str) -> None:
    path = copy(TEXT)
    whole = (path / name).read_bytes()
    for left in (0, 1, len(whole) // 2, len(whole) - 1):
        (path / name).write_bytes(whole[:left])
        refused(path)
    (path / name).write_bytes(whole + b" ")
    refused(path)
    (path / name).unlink()
    assert name in refused(path)
    (path / name).mkdir()
    refused(path)


def test_folders_that_are_no_runs(tmp_path: Path, made: Runs) -> None:
    assert "there is no such run" in refused(tmp_path / "nothing")
    assert "is no run: it is empty" in refused(tmp_path)
    (tmp_path / "notes.txt").write_text("none")
    assert "is no run: it has no config.yaml" in refused(tmp_path)
    assert "is a file, not the folder of a run" in refused(made[TEXT] / "config.yaml")
    assert "is not a finished run" in refused(made[TEXT].parent)


def test_a_folder_of_runs_names_one_of_them(made: Runs) -> None:
    """runs/image-classification instead of runs/image-classification/1 is what everybody types once."""
    with pytest.raises(RunError) as raised:
        samoyed.load(made[TEXT].parent)
    assert str(made[IMAGES]) in str(raised.value) or raised.value.remedy


# Runs that somebody else made, and sealed


def spoil(path: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """Rewrites a file of a run and seals it again, as anybody can."""
    file = path / name
    if name.endswith(".json"):
        file.write_text(json.dumps(change(json.loads(file.read_text("utf-8")))), "utf-8")
    elif name.endswith(".yaml"):
        file.write_text(yaml.safe_dump(change(yaml.safe_load(file.read_text("utf-8")))), "utf-8")
    else:
        save_file(change(load_file(file)), file)
    return seal(path)


def seal(path: Path, **facts: Any) -> Path:
    (path / "manifest.json").unlink()
    write_manifest(path, {"format": 1, "samoyed": samoyed.__version__, "ended": "finished", **facts})
    return path


def test_a_run_that_was_sealed_again_opens(copy: Callable[[str], Path]) -> None:
    """So that what is refused below is refused for what it holds."""
    samoyed.load(spoil(copy(SERIES), "features.json", lambda found: found))
    samoyed.load(spoil(copy(TEXT), "config.yaml", lambda found: found))
    samoyed.load(spoil(copy(IMAGES), "model.safetensors", lambda found: found))


HOSTILE = [
    "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['PWNED']]",
    "!!python/object/apply:os.system ['touch PWNED']",
    "!!python/object/new:os.system ['touch PWNED']",
    "!!python/name:os.system",
    "!!python/module:os",
    "task: !!python/object/apply:os.system ['touch PWNED']",
    "{task: text-generation, model: lstm, settings: {task: !!python/object/apply:os.system ['touch PWNED']}}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_config_executes_nothing(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = copy(TEXT)
    (path / "config.yaml").write_text(text, "utf-8")
    assert "cannot be opened" in refused(seal(path))
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("name", ["config.yaml", "features.json", "model.safetensors"])
def test_a_pickle_is_not_read(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (Path("PWNED"),)

    path = copy(TEXT)
    torch.save(Touch(), path / name)
    refused(seal(path))
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("name", ["config.yaml", "features.json", "model.safetensors", "results.json"])
@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"5", b"\xff\xfe", b"[" * 2000, b"a: \0"])
def test_files_of_rubbish(copy: Callable[[str], Path], name: str, data: bytes) -> None:
    path = copy(TEXT)
    (path / name).write_bytes(data)
    seal(path)
    with pytest.raises(RunError):
        print(samoyed.load(path).metrics)


def test_a_bomb_of_aliases(copy: Callable[[str], Path]) -> None:
    path = copy(TEXT)
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    (path / "config.yaml").write_text("\n".join(lines), "utf-8")
    refused(seal(path))


def put(*keys: str, value: Any) -> Callable[[Any], Any]:
    """A change that sets found[key][key]... to a value."""

    def change(found: Any) -> Any:
        inner = found
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return found

    return change


@pytest.mark.parametrize("key", ["task", "model"])
@pytest.mark.parametrize("value", [None, 5, [], {}, "nothing", "../../etc/passwd", "__init__"])
def test_absurd_names(copy: Callable[[str], Path], key: str, value: Any) -> None:
    assert "cannot be opened" in refused(spoil(copy(TEXT), "config.yaml", put(key, value=value)))


@pytest.mark.parametrize("owner", ["task", "model"])
@pytest.mark.parametrize("value", [None, 5, [], "x", {"nothing": 1}, {"hidden_size": -1}, {"tokens": []}])
def test_absurd_settings(copy: Callable[[str], Path], owner: str, value: Any) -> None:
    refused(spoil(copy(TEXT), "config.yaml", put("settings", owner, value=value)))


@pytest.mark.parametrize(
    "change",
    [
        put("settings", value=None),
        put("settings", "training", value=None),
        put("settings", "training", value={}),
        put("data", value=5),
        put("command", value=[]),
        lambda found: {k: v for k, v in found.items() if k != "data"},
        lambda found: {k: v for k, v in found.items() if k != "command"},
    ],
)
def test_absurd_configurations(copy: Callable[[str], Path], change: Callable[[Any], Any]) -> None:
    path = spoil(copy(TEXT), "config.yaml", change)
    with pytest.raises(RunError):
        samoyed.load(path).evaluate()


ABSURD: dict[tuple[str, str], tuple[Any, ...]] = {
    (IMAGES, "classes"): (None, 5, [], ["a"], "abc", [[], [], []], [1, 2, 3]),
    (IMAGES, "pixels"): (None, 5, [], {}, {"evil": 1}),
    (IMAGES, "pixels.channels"): (None, 0, -1, 3, "a", 1.5, 10**12),
    (IMAGES, "pixels.height"): (None, 0, -1, "a", 10**9),
    (IMAGES, "pixels.mean"): (None, [], "a", ["a"], [None], [0.1, 0.2], {}, 5),
    (IMAGES, "pixels.deviation"): (None, [], "a", [0], [math.nan], {}),
    (TEXT, "tokens"): (None, 5, [], {}, "ab", ["a"], [[]] * 17, [None] * 17, list(range(17))),
    (TEXT, "kind"): (None, 5, "letters", []),
    (TEXT, "evil"): (1,),
    (SERIES, "horizon"): (None, 0, -1, 5, "a", 1.5, 10**12),
    (SERIES, "context"): (None, 0, -1, "a", 1.5, []),
    (SERIES, "columns"): (None, 5, [], [1]),
    (SERIES, "scale"): (None, 5, [], {}, {"evil": 1}),
    (SERIES, "scale.mean"): (None, [], "a", [math.nan], [1, 2, 3], 5),
    (SERIES, "scale.deviation"): (None, [], [0.0], ["a"]),
    (SERIES, "scale.log"): (None, [], "a", [5], [math.nan]),
    (SERIES, "calendar"): (None, 5, ["month"], "year", [1]),
    (SERIES, "band"): ("a", [], ["a"], {}, [1.0] * 3),
}


@pytest.mark.parametrize(
    ("task", "key", "value"),
    [
        pytest.param(task, key, value, id=f"{key}={json.dumps(value)}"[:50])
        for (task, key), values in ABSURD.items()
        for value in values
    ],
)
def test_absurd_features(copy: Callable[[str], Path], raw: Runs, task: str, key: str, value: Any) -> None:
    """Either at once, or at the first question: one clear error, no crash and no answer made of rubbish."""
    path = spoil(copy(task), "features.json", put(*key.split("."), value=value))
    with pytest.raises(RunError):
        samoyed.load(path).predict(asked(task, raw))


def first(weights: dict[str, torch.Tensor]) -> str:
    return min(weights)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {k: v for k, v in w.items() if k != first(w)},
        lambda w: w | {"evil": torch.zeros(3)},
        lambda w: w | {first(w): w[first(w)][..., :-1].contiguous()},
        lambda w: w | {first(w): torch.zeros(0)},
        lambda w: w | {first(w): torch.zeros(10**6)},
        lambda w: {},
    ],
)
@pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])
def test_weights_that_do_not_fit(copy: Callable[[str], Path], task: str, change: Callable[[Any], Any]) -> None:
    assert "cannot be opened" in refused(spoil(copy(task), "model.safetensors", change))


def test_weights_are_read_from_nowhere_else(copy: Callable[[str], Path]) -> None:
    """A name in the header is a name, not a path."""
    path = spoil(copy(TEXT), "model.safetensors", lambda w: w | {"../../evil": torch.zeros(3)})
    refused(path)


# Another version


def test_a_run_of_another_version_with_the_same_settings_opens(copy: Callable[[str], Path]) -> None:
    path = spoil(copy(TEXT), "config.yaml", put("samoyed", value="0.0.9"))
    assert samoyed.load(seal(path, samoyed="0.0.9")).predict("to be")


def test_a_setting_of_another_version(copy: Callable[[str], Path]) -> None:
    path = spoil(copy(TEXT), "config.yaml", put("settings", "model", "from_the_future", value=1))
    text = refused(path)
    assert "from_the_future" in text
    assert "it may come from another version" in text


def test_a_format_of_another_version(copy: Callable[[str], Path]) -> None:
    assert "version" in refused(seal(copy(TEXT), format=2))


# A model that is fitted, a run that failed


def test_a_fitted_model_is_kept_like_any_other(raw: Runs, tmp_path: Path) -> None:
    run = samoyed.train(IMAGES, raw[IMAGES], model="gaussian_kernel", out=tmp_path / "run", quiet=True)
    again = samoyed.load(tmp_path / "run")
    assert again.parameters == run.parameters > 0
    assert again.predict(asked(IMAGES, raw)) == run.predict(asked(IMAGES, raw))
    assert again.evaluate() == run.metrics["test"]
    assert json.loads((tmp_path / "run" / "results.json").read_text("utf-8"))["ended"] == "finished"


def test_an_interval_holds_its_value() -> None:
    """A share of none or of all too, where the formula leaves rounding behind."""
    from samoyed.training.evaluation import wilson

    for count in range(1, 400):
        for right in (0, 1, count - 1, count):
            low, high = wilson(right, count)
            assert 0 <= low <= right / count <= high <= 1, (right, count)
