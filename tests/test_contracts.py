"""What every task and every model promises, checked on all that the catalogue finds: a new file is covered with no change here.

One short run of each pair, on a slice of the task's own sample, is shared by the tests of this file.
"""

import ast
import functools
import html
import inspect
import json
import math
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import nn

import samoyed
from samoyed import batching, catalog, plan, samples, settings
from samoyed.examples import Text
from samoyed.run import Run, build
from samoyed.tasks import Metric, Split, Task
from samoyed.training.evaluation import evaluate
from samoyed.training.progress import Silent
from samoyed.training.trainer import Trainer

TASKS = catalog.tasks()
MODELS = catalog.models()
PAIRS = [(task, model) for task, entry in TASKS.items() for model in catalog.models_for(entry.main)]
FORMS = [(name, form) for name, entry in MODELS.items() for form in entry.forms if form.sizes]
each_task = pytest.mark.parametrize("name", TASKS)
each_form = pytest.mark.parametrize(("name", "form"), FORMS, ids=[form.name for _, form in FORMS])


def is_default(pair: tuple[str, str]) -> bool:
    """Whether the model is the one that its task takes when none is named."""
    return bool(TASKS[pair[0]].main.attributes["model"] == pair[1])


_COMPRESSED = (  # what differs in kind; the others are proven at length
    "image-classification", "text-classification", "text-generation", "sequence-tagging", "translation", "image-captioning",
    "time-series-forecasting",
)  # fmt: skip


def is_elsewhere(pair: tuple[str, str]) -> bool:
    """Whether an earlier task takes the same class, so that this task needs only its default to show that it keeps the contract."""
    here = catalog.model(TASKS[pair[0]].main, pair[1])
    before = (task for task, model in PAIRS[: PAIRS.index(pair)] if model == pair[1])
    return not is_default(pair) and any(catalog.model(TASKS[task].main, pair[1]).name == here.name for task in before)


each_pair = pytest.mark.parametrize(
    "pair",
    [pytest.param(p, marks=pytest.mark.prove if is_elsewhere(p) else (), id="-".join(p)) for p in PAIRS],
)


def few(examples: list[Any], characters: int = 8_000, most: int = 120) -> list[Any]:
    """A slice of examples: some of them, each no longer than need be."""
    cut = [replace(e, text=e.text[:characters]) if hasattr(e, "text") else e for e in examples[:most]]
    return cut[:1] if isinstance(examples[0], Text) else cut


@pytest.fixture(scope="module")
def small_samples() -> Iterator[None]:
    """Every task's embedded sample, cut down."""
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load

        @functools.cache
        def load(name: str) -> tuple[list[Any], str]:
            examples, about = whole(name)
            return few(examples), about

        patch.setattr(samples, "load", load)
        yield


@pytest.fixture(scope="module")
def trained(small_samples: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, str]], Run]:
    """The run of a pair after two steps, made when first asked for. Only that of a task's default model draws its pictures."""
    made: dict[tuple[str, str], Run] = {}

    def run(pair: tuple[str, str]) -> Run:
        if pair not in made:
            out = tmp_path_factory.mktemp("run") / "run"
            with pytest.MonkeyPatch.context() as patch:
                if not is_default(pair):
                    patch.setattr(TASKS[pair[0]].main.load(), "pictures", lambda *given: [])
                made[pair] = samoyed.train(pair[0], model=pair[1], out=out, quiet=True, max_steps=2, batch_size=16)
        return made[pair]

    return run


def fitted(name: str, **given: Any) -> tuple[Task[Any, Any], Split]:
    """A task with the default settings, fitted to a slice of its sample."""
    form = TASKS[name].main
    settled = catalog.settle(form, catalog.model(form, form.attributes["model"]), given)
    task = form.load()(**settled["task"])
    split = task.split({"all": few(samples.load(task.sample)[0])}, 0)
    task.fit(split.train)
    return task, split


def beginning_of(batch: Any, row: int) -> Any:
    """One row of a batch, as a batch."""
    return batching.take(batch, torch.tensor([row]))


# Files and signatures


@each_form
def test_a_model_is_in_a_file_of_its_own_name(name: str, form: catalog.Form) -> None:
    kind = form.load()
    assert issubclass(kind, nn.Module)
    assert kind.__module__ == f"samoyed.models.{name}"
    assert form.name.lower().startswith(name.replace("_", ""))


@each_form
def test_only_typed_keywords_configure_a_model(name: str, form: catalog.Form) -> None:
    given = list(inspect.signature(form.load().__init__).parameters.values())[1:]
    assert given
    assert all(p.kind is p.KEYWORD_ONLY and p.annotation is not p.empty for p in given)
    for parameter in form.settings.values():
        settings.check(parameter.name, parameter.annotation, parameter.default)
    required = [p.default is p.empty for p in given]
    assert required == sorted(required, reverse=True), "sizes stand first"


@each_form
def test_a_model_states_its_shapes_its_equations_and_its_source(name: str, form: catalog.Form) -> None:
    shapes = r"\[B\b[^\]]*\].*->.*\[B\b"
    assert re.search(shapes, form.doc.partition("Args:")[0], re.DOTALL)
    assert re.search(shapes, inspect.getdoc(form.load().forward) or "", re.DOTALL)
    doc = MODELS[name].doc
    assert re.search(r"\S = \S", doc), "no equation"
    learns_nothing = "There is nothing to learn" in form.doc
    assert learns_nothing or re.search(r"\b(19|20)\d\d\b", doc), "no paper"
    for parameter in form.parameters:
        assert parameter.help, f"{parameter.name} is not explained"


def test_no_model_asks_what_it_is_given_to() -> None:
    """Neither a task nor the loop asks for the kind of a model."""
    root = Path(catalog.__file__).parent
    for path in [*(root / "tasks").glob("*.py"), *(root / "training").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                assert ast.unparse(node.args[0]) not in ("model", "self.model"), f"{path.name}:{node.lineno}"


# Metrics


@each_task
def test_every_metric_has_a_unit_and_a_direction(name: str) -> None:
    task, _ = fitted(name)
    assert task.watch in task.reported
    for metric in task.reported.values():
        assert isinstance(metric, Metric)
        assert metric.unit
        assert metric.better in ("lower", "higher")
        assert metric.shown_as in ("mean", "sqrt", "exp")
        assert metric.percent == metric.unit.startswith("%")


@each_pair
def test_metrics_pool_exactly_over_unequal_batches(pair: tuple[str, str], trained: Callable[..., Run]) -> None:
    run = trained(pair)
    task, model = run.task, run.model
    split = task.split({"all": few(samples.load(task.sample)[0])}, 0)
    whole = next(task.batches(task.collate(split.train), 10))  # of a text, ten streams from their beginnings
    rows = range(len(whole[0]))
    with torch.no_grad():
        once = task.metrics(model, whole)
        assert set(once) == set(task.reported)
        for size in (4, 7):
            parts = [task.metrics(model, batching.take(whole, torch.tensor(rows[i : i + size]))) for i in rows[::size]]
            for name, mean in once.items():
                assert mean.total.shape == mean.count.shape
                assert len(mean.total) == len(rows)
                total, count = (sum(float(p[name][k].double().sum()) for p in parts) for k in (0, 1))
                assert count == float(mean.count.sum())
                assert total == pytest.approx(float(mean.total.double().sum()), rel=1e-5, abs=1e-6)


@each_pair
def test_an_example_is_answered_alone_as_in_company(pair: tuple[str, str], trained: Callable[..., Run]) -> None:
    run = trained(pair)
    task, model = run.task, run.model
    test = task.split({"all": few(samples.load(task.sample)[0])}, 0).test
    rows = task.collate(test)
    batch = next(task.batches(rows, 6))
    with torch.no_grad():
        together = task.metrics(model, batch)
        for row in range(len(batch[0])):
            alone = task.metrics(model, beginning_of(batch, row))
            for name in together:
                expected = pytest.approx(together[name].total[row].sum().item(), rel=1e-4, abs=1e-5)
                assert alone[name].total[0].sum().item() == expected
        if len(rows[0]) == len(test) > 1:  # an example is a row: it is the same however it was padded
            for row, example in enumerate(test[:6]):
                single = task.metrics(model, task.collate([example]))
                for name in together:
                    expected = pytest.approx(together[name].total[row].sum().item(), rel=1e-4, abs=1e-5)
                    assert single[name].total[0].sum().item() == expected


def same(found: Any, wanted: Any) -> bool:
    """Whether two answers are one, up to the rounding of their numbers."""
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float):
        return bool(found == pytest.approx(wanted, rel=1e-4, abs=2e-4))  # some are given to four decimals
    return bool(found == wanted)


@each_task
def test_what_is_asked_together_is_answered_as_alone(name: str, trained: Callable[..., Run]) -> None:
    """A server answers what waits in one batch: nobody's answer may depend on who else asked."""
    run = trained((name, TASKS[name].main.attributes["model"]))
    task, given = run.task, {"seed": 3, "length": 20} if run.task.generates else {}
    examples = task.split({"all": few(samples.load(task.sample)[0])}, 0).test[:6]
    if type(examples[0]).__name__ != task.example:
        examples = [
            task.read(word) for word in task.state()["words"][1:7]
        ]  # it learns from one text, and is asked for words
    with torch.inference_mode():
        together = task.answers(run.model, examples, **given)
        assert len(together) == len(examples)
        for example, found in zip(examples, together, strict=True):
            alone = task.answer(run.model, example, **given)
            assert same(found, alone), (found, alone)


# Learning


@each_pair
def test_a_few_examples_can_be_learned_by_heart(pair: tuple[str, str]) -> None:
    form = catalog.model(TASKS[pair[0]].main, pair[1])
    if hasattr(form.load(), "fit"):
        pytest.skip("it is fitted, not descended")
    if not TASKS[pair[0]].main.load().by_heart:
        pytest.skip("the noise in its targets cannot be learned; its own tests show that it learns")
    task, split = fitted(pair[0])
    examples = few(list(split.train), characters=150, most=8)
    rows = task.collate(examples)
    if len(rows[0]) > 8:
        rows = type(rows)(*(tensor[:: len(tensor) // 8][:8] for tensor in rows))
    rate = form.attributes.get("defaults", {}).get("learning_rate", 0.01)
    for epochs in (30, 60, 180):  # most need no more than the first
        torch.manual_seed(0)
        model = build(task, form, {"dropout": 0.0} if "dropout" in form.settings else {})
        first, before = evaluate(task, model, rows)[task.watch].value, pooled(task, model, rows)
        trainer = Trainer(epochs=epochs, batch_size=16, learning_rate=rate, schedule="constant", clip_norm=1.0)
        result = trainer.train(task, model, rows, rows, Silent())
        model.load_state_dict(result.best)
        assert result.ended == "finished"
        if evaluate(task, model, rows)[task.watch].value < first and pooled(task, model, rows) < 0.25 * before:
            return
    pytest.fail(f"after 180 epochs the objective is {pooled(task, model, rows):.3g}, from {before:.3g}")


def pooled(task: Task[Any, Any], model: nn.Module, rows: Any) -> float:
    """The objective over all of `rows`, in evaluation mode."""
    model.eval()
    with torch.no_grad():
        means = [task.objective(model, batch) for batch in task.batches(rows, 16)]
    return sum(float(m.total) for m in means) / sum(float(m.count) for m in means)


@each_pair
def test_the_seed_decides_the_weights(
    pair: tuple[str, str], trained: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trained(pair)
    monkeypatch.setattr(type(first.task), "pictures", lambda *given: [])
    torch.manual_seed(99)  # what was drawn before a run is nothing to it
    made = {}
    for seed in (0, 1) if is_default(pair) else (0,):
        out = tmp_path / str(seed)
        made[seed] = samoyed.train(pair[0], model=pair[1], out=out, quiet=True, max_steps=2, batch_size=16, seed=seed)
    weights = {seed: (run.path / "model.safetensors").read_bytes() for seed, run in made.items()}
    assert (first.path / "model.safetensors").read_bytes() == weights[0]
    if list(first.model.parameters()):  # a model that is fitted need not draw anything
        assert weights.get(1) != weights[0]
        begun = [drawn(first.task, catalog.model(TASKS[pair[0]].main, pair[1]), seed) for seed in (0, 1)]
        assert any(not torch.equal(a, b) for a, b in zip(*begun, strict=True))


def drawn(task: Task[Any, Any], form: catalog.Form, seed: int) -> list[torch.Tensor]:
    """The weights at the start."""
    torch.manual_seed(seed)
    return list(build(task, form, {}).parameters())


# Runs


@each_pair
def test_a_loaded_run_answers_as_the_live_one(pair: tuple[str, str], trained: Callable[..., Run]) -> None:
    run = trained(pair)
    again = Run.load(run.path)
    assert again.model is not run.model
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    assert set(load_file(run.path / "model.safetensors")) == set(run.model.state_dict())
    example = samples.load(run.task.sample)[0][0]
    answer = run.predict(example)
    assert json.loads(json.dumps(answer, allow_nan=False)) == again.predict(example)
    assert again.task.say(answer).strip()
    assert again.evaluate() == run.evaluate() == run.metrics["test"]


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(
            pair, marks=() if is_default(pair) and pair[0] in _COMPRESSED else pytest.mark.prove, id="-".join(pair)
        )
        for pair in PAIRS
    ],
)
def test_a_run_is_compressed(pair: tuple[str, str], trained: Callable[..., Run], tmp_path: Path) -> None:
    run = trained(pair)
    made: dict[str, Any] = {"prune": 0.5, "share": 4, "quantise": "int8", "max_steps": 1, "quiet": True}
    matrices = [p for p in run.model.parameters() if p.requires_grad and p.dim() > 1 and p.numel() >= 32]
    if hasattr(run.model, "fit") or not matrices:
        with pytest.raises(samoyed.UsageError, match=r"fitted at once|no matrices"):
            samoyed.compress(run.path, out=tmp_path / "small", **made)
        return
    with pytest.MonkeyPatch.context() as patch:
        if not is_default(pair):
            patch.setattr(type(run.task), "pictures", lambda *given: [])
        small = samoyed.compress(run.path, out=tmp_path / "small", **made)
    again = Run.load(small.path)
    for name, tensor in small.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    kept = [p for p in again.model.parameters() if p.requires_grad and p.dim() > 1 and p.numel() >= 32]
    zeros = sum(int((p == 0).sum()) for p in kept) / sum(p.numel() for p in kept)
    assert zeros >= 0.499
    assert all(len(p[p != 0].unique()) <= 16 for p in kept)
    assert (small.path / "model.packed").stat().st_size < (run.path / "model.safetensors").stat().st_size / 4
    assert again.evaluate() == small.metrics["test"]
    example = samples.load(run.task.sample)[0][0]
    assert small.predict(example) == again.predict(example)
    assert again.compression is not None
    assert again.compression["stages"][-1]["test"] == small.metrics["test"]
    assert "Before and after" in small.report.read_text("utf-8")


@each_task
def test_what_was_learned_from_the_data_survives_json(name: str, trained: Callable[..., Run]) -> None:
    run = trained((name, TASKS[name].main.attributes["model"]))
    state = json.loads(json.dumps(run.task.state(), allow_nan=False))
    fresh = TASKS[name].main.load()(**catalog.settle(*forms(name), {})["task"])
    fresh.restore(state)
    assert fresh.sizes() == run.task.sizes()
    assert set(fresh.sizes()) >= {*fresh.inputs, *fresh.outputs}
    assert json.loads(json.dumps(fresh.state())) == state
    examples = few(samples.load(fresh.sample)[0])
    for mine, other in zip(fresh.collate(examples), run.task.collate(examples), strict=True):
        assert torch.equal(mine, other)
    answers = [task.answer(run.model, examples[0]) for task in (fresh, run.task)]
    assert answers[0] == answers[1]
    assert fresh.reported == run.task.reported


def forms(name: str) -> tuple[catalog.Form, catalog.Form]:
    task = TASKS[name].main
    return task, catalog.model(task, task.attributes["model"])


@each_pair
def test_pictures_show_something_and_say_what(pair: tuple[str, str], trained: Callable[..., Run]) -> None:
    run = trained(pair)
    split = run.task.split({"all": few(samples.load(run.task.sample)[0])}, 0)
    data = {name: run.task.collate(part) for name, part in zip(("train", "valid", "test"), split[:3], strict=True)}
    with torch.inference_mode():
        pictures = run.task.pictures(run.model, split, data)
    assert pictures
    assert len({p.name for p in pictures}) == len(pictures)
    for picture in pictures:
        assert isinstance(picture.figure, Figure)
        assert any(axes.has_data() or axes.texts for axes in picture.figure.axes), picture.name
        assert re.fullmatch(r"[a-z0-9_-]+", picture.name)
        assert picture.title
        assert picture.caption.endswith((".", "?"))
        if is_default(pair):
            assert (run.path / "plots" / f"{picture.name}.png").stat().st_size > 2_000
            assert picture.caption in html.unescape(run.report.read_text("utf-8"))


@each_task
def test_every_figure_measured_lies_in_its_interval(name: str, trained: Callable[..., Run]) -> None:
    for part in trained((name, TASKS[name].main.attributes["model"])).metrics.values():
        for figure in part.values():
            assert math.isfinite(figure["value"])
            assert figure["low"] <= figure["value"] * (1 + 1e-9)
            assert figure["high"] >= figure["value"] * (1 - 1e-9)
            assert figure["count"] >= 1


# The documentation


@each_task
def test_every_example_in_the_help_is_a_plan(name: str, tmp_path: Path) -> None:
    _, _, examples = TASKS[name].main.doc.partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert any(line.startswith("samoyed train") for line in lines)
    for line in lines:
        program, verb, *words = shlex.split(line)
        assert program == "samoyed"
        if verb != "train":
            assert verb in ("predict", "generate", "evaluate")
            assert words[0].startswith(f"runs/{name}/")
            continue
        assert words[0] == name
        data = words[1] if len(words) > 1 and "=" not in words[1] else None
        given = settings.parse_pairs(words[1 + (data is not None) :])
        made = plan.make(name, None if data is None else tmp_path, None, None, dict(given))
        assert made.task == name
        assert set(given) <= {"model"} | {key for values in made.settled.values() for key in values}
