"""The registry: what the folders hold, checked file by file, and read without loading what they define."""

import ast
import inspect
import itertools
import json
import subprocess
import sys
from typing import Any

import pytest

from samoyed import catalog, samples, settings
from samoyed.errors import UsageError

TASKS = catalog.tasks()
MODELS = catalog.models()
OWNERS = {
    "trainer": catalog.trainer(),
    **{name: entry.main for name, entry in TASKS.items()},
    **{f"{name}.{form.name}": form for name, entry in MODELS.items() for form in entry.forms if form.sizes},
}


def test_there_is_something() -> None:
    assert {"image-classification", "text-generation", "time-series-forecasting"} <= set(TASKS)
    assert {"lenet", "mlp", "lstm", "gru"} <= set(MODELS)
    assert {"image_folder", "idx", "text_files", "series_table"} <= set(catalog.sources())
    assert not [name for name in (*TASKS, *MODELS, *catalog.sources()) if name.startswith("_")]


@pytest.mark.parametrize("owner", OWNERS)
def test_every_setting_has_help_a_type_and_a_default_of_that_type(owner: str) -> None:
    for name, parameter in OWNERS[owner].settings.items():
        assert len(parameter.help) >= 10, f"{owner}: {name} has no help"
        assert parameter.help.rstrip().endswith("."), f"{owner}: the help of {name} is no sentence"
        assert settings.meaning(parameter.annotation)
        assert settings.check(name, parameter.annotation, parameter.default) == parameter.default


@pytest.mark.parametrize("owner", OWNERS)
def test_a_default_written_as_text_means_the_same(owner: str) -> None:
    for name, parameter in OWNERS[owner].settings.items():
        value = parameter.default
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert settings.check(name, parameter.annotation, text) == value


@pytest.mark.parametrize("owner", OWNERS)
def test_the_syntax_tree_says_what_the_class_says(owner: str) -> None:
    form = OWNERS[owner]
    signature = inspect.signature(form.load().__init__)
    given = [p for p in signature.parameters.values() if p.name != "self"]
    assert all(p.kind is p.KEYWORD_ONLY for p in given), "only keywords are settings"
    assert [p.name for p in given] == [p.name for p in form.parameters]
    for parameter in form.parameters:
        default = signature.parameters[parameter.name].default
        assert parameter.required == (default is inspect.Parameter.empty)
        assert parameter.required or parameter.default == default


@pytest.mark.parametrize("name", MODELS)
def test_every_model_says_what_it_is_and_fits_something(name: str) -> None:
    assert len(MODELS[name].summary) > 20
    assert MODELS[name].summary.endswith("."), "lists and reports show the first line alone"
    assert any(name in catalog.models_for(entry.main) for entry in TASKS.values())


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_whole(name: str) -> None:
    form = TASKS[name].main
    assert catalog.task(name) is form
    assert {"sample", "example", "model", "inputs", "outputs"} <= set(form.attributes)
    assert form.attributes["model"] == next(iter(catalog.models_for(form)))
    assert any(
        s.attributes.get("yields") == form.attributes["example"] for e in catalog.sources().values() for s in e.forms
    )
    known = set(form.settings) | set(catalog.trainer().settings)
    known |= {key for model in catalog.models_for(form).values() for key in model.settings}
    assert set(form.attributes.get("defaults", {})) <= known


@pytest.mark.parametrize(("task", "model"), [(t, m) for t, e in TASKS.items() for m in catalog.models_for(e.main)])
def test_no_setting_has_two_owners(task: str, model: str) -> None:
    owners = {"task": TASKS[task].main, "model": catalog.model(TASKS[task].main, model), "trainer": catalog.trainer()}
    for (one, first), (other, second) in itertools.combinations(owners.items(), 2):
        assert not set(first.settings) & set(second.settings), f"{one} and {other} both have it"
    reserved = {"model", "task", "data", "out", "quiet"}
    assert not reserved & {key for form in owners.values() for key in form.settings}


@pytest.mark.parametrize(("task", "model"), [(t, m) for t, e in TASKS.items() for m in catalog.models_for(e.main)])
def test_the_task_supplies_every_size(task: str, model: str) -> None:
    form = TASKS[task].main
    supplied = {*form.attributes["inputs"], *form.attributes["outputs"]}
    fitting = catalog.model(form, model)
    assert set(fitting.sizes) <= supplied
    assert set(fitting.sizes) & set(form.attributes["outputs"])


@pytest.mark.parametrize(("task", "model"), [(t, m) for t, e in TASKS.items() for m in catalog.models_for(e.main)])
def test_defaults_settle(task: str, model: str) -> None:
    form = TASKS[task].main
    settled = catalog.settle(form, catalog.model(form, model), {})
    for owner, values in settled.items():
        signature = {"task": form, "model": catalog.model(form, model), "training": catalog.trainer()}[owner]
        for key, value in values.items():
            assert settings.check(key, signature.settings[key].annotation, value) == value


def test_recipes_are_files_that_say_what_they_expect() -> None:
    found = catalog.recipes()
    assert {"warping", "perceptron"} <= set(found)
    assert not {"running", "outcome"} & set(found)
    assert all("run" in entry.functions and entry.summary for entry in found.values())


@pytest.mark.parametrize("name", TASKS)
def test_every_sample_is_there_and_of_the_right_kind(name: str) -> None:
    attributes = TASKS[name].main.attributes
    found, about = samples.load(attributes["sample"])
    assert found
    assert {type(example).__name__ for example in found} == {attributes["example"]}
    assert len(about) > 20


# Names


def test_models_for_goes_by_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def form(name: str, *sizes: str) -> catalog.Form:
        kind = ast.Name("Count")
        return catalog.Form(name, "m", "", {}, tuple(catalog.Parameter(s, kind, True, None, "") for s in sizes))

    def entry(name: str, *forms: catalog.Form) -> catalog.Entry:
        return catalog.Entry(name, __file__, "m", "", {}, forms, ())  # type: ignore[arg-type]

    found = {
        "both": entry("both", form("A", "in_size", "out_size"), form("B", "vocab", "out_size")),
        "fits": entry("fits", form("Fits", "in_size", "out_size")),
        "lacks": entry("lacks", form("Lacks", "in_size", "out_size", "depth")),
        "no_output": entry("no_output", form("NoOutput", "in_size")),
        "no_sizes": entry("no_sizes", form("NoSizes")),
    }
    monkeypatch.setattr(catalog, "models", lambda: found)
    task = catalog.Form("T", "m", "", {"inputs": ("in_size",), "outputs": ("out_size",), "model": "fits"}, ())
    assert {name: f.name for name, f in catalog.models_for(task).items()} == {"fits": "Fits", "both": "A"}
    words = catalog.Form("T", "m", "", {"inputs": ("vocab",), "outputs": ("out_size",), "model": "both"}, ())
    assert {name: f.name for name, f in catalog.models_for(words).items()} == {"both": "B"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("image-clasification", "there is no task called 'image-clasification'; did you mean image-classification?"),
        (
            "classification",
            "there is no task called 'classification'; did you mean text-classification or video-classification or image-class",
        ),
        ("zzz", "there is no task called 'zzz'; choose one of: "),
        ("", "there is no task called ''; choose one of: "),
        ("x" * 5000, "there is no task called 'xxx"),
        (None, "there is no task called 'None'"),
        ("a\nb", "there is no task called 'a\\\\nb'"),
    ],
)
def test_unknown_tasks(name: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        catalog.task(name)
    assert str(raised.value).startswith(said)
    assert len(str(raised.value)) < 2100


def test_names_may_be_written_either_way() -> None:
    assert catalog.task("Image_Classification") is catalog.task("image-classification")
    form = catalog.task("time-series-forecasting")
    assert catalog.model(form, "Seasonal-Naive") is catalog.model(form, "seasonal_naive")


def test_unknown_models() -> None:
    form = catalog.task("image-classification")
    with pytest.raises(UsageError, match=r"there is no model called 'lennet'; did you mean lenet\?"):
        catalog.model(form, "lennet")
    with pytest.raises(UsageError, match="the model 'seq2seq' does not fit this task; choose one of: lenet, "):
        catalog.model(form, "seq2seq")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": "5"}, "there is no setting called 'epoch' here; did you mean epochs?"),
        ({"Learning_Rate": "5"}, "there is no setting called 'Learning_Rate' here; did you mean learning_rate?"),
        ({"lr": "5"}, "there is no setting called 'lr' here; "),
        ({"hidden_sizes": "5"}, "there is no setting called 'hidden_sizes' here; it is one of mlp: add model=mlp"),
        ({"epochs": "many"}, "epochs=many is not allowed; epochs is a whole number of at least 1"),
        ({"optimizer": "adamm"}, "optimizer=adamm is not allowed; optimizer is one of adamw, adam, sgd"),
        ({"dropout": "1"}, "dropout=1 is not allowed; dropout is a number from 0 up to, not including, 1"),
        ({"image_shape": "1"}, "there is no setting called 'image_shape' here"),
        ({"__class__": "1"}, "there is no setting called '__class__' here"),
    ],
)
def test_wrong_settings(given: dict[str, Any], said: str) -> None:
    form = catalog.task("image-classification")
    with pytest.raises(UsageError) as raised:
        catalog.settle(form, catalog.model(form, "lenet"), given)
    assert str(raised.value).startswith(said)


# Nothing heavy is loaded


PROBE = """
import contextlib, io, json, sys
import samoyed
from samoyed import cli
heavy = ("torch", "matplotlib", "sklearn", "scipy", "PIL", "safetensors")
found = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["samoyed", *words]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    found[" ".join(words)] = [code or 0, len(out.getvalue()), err.getvalue(), [name for name in heavy if name in sys.modules]]
print(json.dumps(found))
"""


def test_questions_and_usage_errors_are_answered_without_torch() -> None:
    questions = [
        ["--help"],
        ["tasks"],
        ["models"],
        ["models", "text-generation"],
        ["describe", "lenet"],
        ["train", "--help"],
    ]
    questions += [["describe", name] for name in TASKS]
    mistakes = [
        ["train", "image-clasification"],
        ["train", "image-classification", "epochs=many"],
        ["train", "image-classification", "model=lennet"],
        ["train", "image-classification", "epoch=1"],
        ["train", "text-generation", "epochs=1", "epochs=2"],
        ["describe", "lennet"],
        ["models", "nothing"],
        ["trian"],
    ]
    missing = [["train", "image-classification", "/no/such/folder"]]
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(questions + mistakes + missing)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    for words in questions:
        code, said, wrong, heavy = found[" ".join(words)]
        assert (code, wrong, heavy) == (0, "", []), words
        assert said > 100, words
    for words in mistakes:
        code, _, wrong, heavy = found[" ".join(words)]
        assert (code, heavy) == (2, []), words
        assert "Traceback" not in wrong
        assert wrong.strip()
    code, _, wrong, heavy = found[" ".join(missing[0])]
    assert (code, heavy) == (1, [])
    assert wrong.startswith("error: /no/such/folder: there is no such file or folder")
