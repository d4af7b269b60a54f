"""Beginning with another run: what is taken, what is cut, what is held, and how fast the rest learns."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import samoyed
from samoyed import catalog, samples
from samoyed.errors import RunError, UsageError
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.run import Run
from samoyed.training.prepare import Prepared, prepare
from samoyed.training.progress import Epoch, Silent
from samoyed.training.trainer import Trainer
from samoyed.training.transfer import depths, head, learning


def photos(folder: Path, classes: dict[str, int], side: int = 12, seed: int = 0) -> Path:
    """Colour pictures of noise around a colour for each class."""
    draw = np.random.default_rng(seed)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        base = draw.integers(40, 216, 3)
        for i in range(count):
            noise = np.clip(base + draw.normal(0, 30, (side, side, 3)), 0, 255).astype(np.uint8)
            Pillow.fromarray(noise).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("before")
    data = photos(folder / "photos", {"cat": 12, "dog": 12, "fox": 12})
    return samoyed.train(
        "image-classification", data, model="resnet", pre_activation=True, epochs=2, batch_size=8, out=folder / "run",
        quiet=True,
    )  # fmt: skip


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return photos(tmp_path / "two", {"cow": 9, "elk": 9}, seed=1)


class Halfway(Silent):
    """Stops after the second epoch."""

    def passed(self, epoch: Epoch, left: float) -> None:
        self.done = epoch.epoch >= 2

    def stopping(self) -> bool:
        return getattr(self, "done", False)


def begun(data: Path, before: Run, **settings: Any) -> Prepared:
    plan = make("image-classification", data, None, None, {"from_run": before.path, **settings})
    return prepare(plan, Reporter(quiet=True))


def test_the_body_is_taken_and_the_head_is_new(before: Run, two: Path) -> None:
    job = begun(two, before)
    assert (job.plan.model, job.plan.settled["model"]["pre_activation"]) == ("resnet", True)
    theirs, mine = before.model.state_dict(), job.model.state_dict()
    assert {name for name in mine if mine[name].shape != theirs[name].shape} == {"output.weight", "output.bias"}
    assert all(torch.equal(mine[name], theirs[name]) for name in mine if not name.startswith("output"))
    assert job.task.pixels.state() == before.task.pixels.state()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["alexnet", "capsnet", "densenet", "inception", "lenet", "mobilenet_v3", "vgg", "whitened_conv"]
)
def test_the_head_is_what_knows_the_classes(name: str, before: Run) -> None:
    form = catalog.model(catalog.task("image-classification"), name)
    found = {weight.rpartition(".")[0] for weight in head(before.task, form, {})}
    assert found
    heads = ("output", "heads", "classes", "decoder.0")  # capsnet's: the classes' capsules, and what is drawn from them
    assert all(any(head in layer for head in heads) for layer in found), found


def test_with_the_same_classes_the_head_is_kept(before: Run, tmp_path: Path) -> None:
    job = begun(photos(tmp_path / "same", {"cat": 6, "dog": 6, "fox": 6}, seed=2), before)
    assert all(torch.equal(t, before.model.state_dict()[name]) for name, t in job.model.state_dict().items())
    with pytest.raises(UsageError, match="nothing to learn"):
        begun(tmp_path / "same", before, freeze="body")


def test_a_frozen_body_stays_to_the_last_bit(before: Run, two: Path, tmp_path: Path) -> None:
    run = samoyed.train(
        "image-classification", two, from_run=before.path, freeze="body", epochs=2, batch_size=4, quiet=True,
        out=tmp_path / "run", schedule="constant",
    )  # fmt: skip
    for name, tensor in run.model.state_dict().items():  # averages of norms among them
        if not name.startswith("output"):
            assert torch.equal(tensor, before.model.state_dict()[name]), name
    fresh = begun(two, before, freeze="body").model.state_dict()
    assert not torch.equal(run.model.state_dict()["output.weight"], fresh["output.weight"])
    assert Run.load(run.path).predict(next(two.rglob("*.png"))) == run.predict(next(two.rglob("*.png")))


def test_so_many_layers_are_held(before: Run, two: Path) -> None:
    job = begun(two, before, freeze=3)
    layers = depths(job.model)
    for name, parameter in job.model.named_parameters():
        assert parameter.requires_grad == (layers[name] >= 3), name
    learning(job.model)
    norms = [m for m in job.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert [m.training for m in norms] == [any(p.requires_grad for p in m.parameters()) for m in norms]
    assert not norms[0].training
    assert norms[-1].training
    with pytest.raises(UsageError, match="the model has 20 layers"):
        begun(two, before, freeze=20)


def test_rates_fall_with_depth(before: Run, two: Path) -> None:
    job = begun(two, before, depth_rate=0.5)
    layers, names = depths(job.model), {id(p): name for name, p in job.model.named_parameters()}
    groups = job.trainer.optimizer_of(job.model).param_groups
    assert sum(len(group["params"]) for group in groups) == len(names)
    for group in groups:
        for parameter in group["params"]:
            assert group["share"] == 0.5 ** (19 - layers[names[id(parameter)]])
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)


def test_a_step_moves_each_layer_by_its_rate() -> None:
    """Plain gradient descent: the step of a layer is its gradient times the rate times its share."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
    trainer = Trainer(optimizer="sgd", momentum=0.0, learning_rate=0.1, depth_rate=0.25)
    optimizer = trainer.optimizer_of(model)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 * group["share"]
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.ones(4, 3)).square().sum().backward()
    optimizer.step()
    for was, now, rate in zip(before, model.parameters(), (0.025, 0.025, 0.1, 0.1), strict=True):
        assert now.grad is not None
        assert torch.allclose(was - rate * now.grad, now)


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(before: Run, two: Path) -> None:
    """Held layers and rates by depth are there again: the second half from a snapshot gives the same weights."""
    ends = []
    for stops in (False, True):
        job = begun(two, before, freeze=2, depth_rate=0.7, epochs=4, batch_size=4)
        session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], Silent())
        if stops:
            other = begun(two, before, freeze=2, depth_rate=0.7, epochs=4, batch_size=4)
            half = other.trainer.session(other.task, other.model, other.data["train"], other.data["valid"], Halfway())
            half.run()
            session.restore(half.snapshot())
        ends.append(session.run().last)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_freezing_needs_a_run(two: Path) -> None:
    with pytest.raises(UsageError, match="from=RUN"):
        prepare(make("image-classification", two, None, None, {"freeze": "body"}), Reporter(quiet=True))


def test_what_does_not_fit_is_said(before: Run, two: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a run of resnet, and this is one of vgg"):
        begun(two, before, model="vgg")
    with pytest.raises(UsageError, match="is missing there"):
        begun(two, before, pre_activation=False, depth=18)
    with pytest.raises(RunError, match="there is no such run"):
        make("image-classification", two, None, None, {"from_run": tmp_path / "nowhere"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="is no run"):
        make("image-classification", two, None, None, {"from_run": tmp_path / "empty"})
    with pytest.raises(UsageError, match="is a run of image-classification"):
        prepare(make("time-series-forecasting", None, "linear", None, {"from_run": before.path}), Reporter(quiet=True))


def test_at_the_shell_it_is_called_from(before: Run, two: Path, command: Callable[..., Any]) -> None:
    said = command("train", "image-classification", two, f"from={before.path}", "freeze=body", "epochs=1", "--json")
    assert said.code == 0, said.err
    assert f"begins with {before.path}, the head anew" in " ".join(said.err.split())


# Other tasks: what they keep of another run, and what is their own


BODIES = {  # a task, the models that are cut, and settings that keep them small
    "audio-classification": {"tdnn": {"hidden_size": 8}, "conv_1d": {}, "lstm": {"hidden_size": 6}},
    "video-classification": {"conv_3d": {}, "lrcn": {"hidden_size": 6}, "frame_conv": {"hidden_size": 6}},
    "volume-classification": {"conv_3d": {"channels": (4, 6)}},
    "video-tagging": {"lrcn": {"hidden_size": 6}, "conv_3d": {"channels": (4, 6)}},
    "text-classification": {"text_cnn": {}, "lstm": {"hidden_size": 6}, "char_cnn": {}, "hierarchical_attention": {}},
    "sequence-tagging": {"lstm": {"hidden_size": 6}, "bilstm_crf": {"hidden_size": 6}, "window_mlp": {}},
    "automatic-speech-recognition": {"bilstm_ctc": {"hidden_size": 6}, "tdnn": {"hidden_size": 8}},
    "text-line-recognition": {"crnn": {}},
}


def renamed(example: Any) -> Any:
    """The example with other answers: other classes, tags or letters, one fewer where there are three and more."""
    if getattr(example, "label", None) is not None:
        return replace(example, label="this" if hash_of(example.label) else "that")
    if getattr(example, "tags", None) is not None:
        several = isinstance(example.tags[0], tuple)
        return replace(
            example,
            tags=tuple((("there",) if t else ()) if several else ("O" if t == "O" else "X") for t in example.tags),
        )
    return replace(example, transcript="".join("ab"[hash_of(c)] for c in example.transcript))


WHOLE = samples.load


def hash_of(text: str) -> int:
    return sum(map(ord, text)) % 2


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Run]:
    """Runs after two steps on a slice of the sample."""
    folder = tmp_path_factory.mktemp("bodies")

    def train(task: str, model: str) -> Run:
        with pytest.MonkeyPatch.context() as patch:
            few(patch)
            patch.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
            out = folder / f"{task}-{model}"
            given = BODIES[task][model]
            return samoyed.train(task, model=model, out=out, quiet=True, max_steps=2, batch_size=8, **given)

    return train


@cache
def slice_of(sample: str) -> tuple[list[Any], str]:
    """Its first 60 examples."""
    examples, about = WHOLE(sample)
    return examples[:60], about


def few(patch: pytest.MonkeyPatch, change: Callable[[Any], Any] = lambda e: e) -> None:
    """Cuts samples to 60 examples, and changes each."""
    patch.setattr(samples, "load", lambda name: ([change(e) for e in slice_of(name)[0]], slice_of(name)[1]))


@pytest.mark.parametrize(
    ("task", "model"),
    [
        pytest.param(task, model, marks=pytest.mark.prove if i else ())
        for task, of in BODIES.items()
        for i, model in enumerate(of)
    ],
)
def test_every_body_is_taken_and_its_head_cut(
    task: str, model: str, bodies: Callable[[str, str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bodies(task, model)
    form = catalog.model(catalog.task(task), model)
    few(monkeypatch, renamed)
    for freeze in (0, "body"):
        plan = make(task, None, None, None, {"from_run": before.path, "freeze": freeze, "depth_rate": 0.5})
        job = prepare(plan, Reporter(quiet=True))
        assert job.plan.model == model
        theirs, mine = before.model.state_dict(), job.model.state_dict()
        cut = head(job.task, form, plan.settled["model"])
        assert cut
        assert all(torch.equal(mine[name], theirs[name]) for name in mine if name not in cut)
        learn = {name for name, parameter in job.model.named_parameters() if parameter.requires_grad}
        every = {name for name, _ in job.model.named_parameters()}
        assert learn == (every & cut if freeze else every)
    kept, own = before.task.state(), job.task.state()
    assert all(own[part] == kept[part] for part in kept if part not in job.task.relearns)
    assert own[job.task.relearns[0]] != kept[job.task.relearns[0]]
    session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], Halfway())
    session.budget = 2
    session.run()
    after = job.model.state_dict()
    assert all(torch.equal(after[name], theirs[name]) for name in after if name not in cut)


def test_what_the_weights_rely_on_is_the_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that decide what a network is given come with its weights; contradicting them is refused."""
    few(monkeypatch)
    monkeypatch.setattr(catalog.task("text-classification").load(), "pictures", lambda *given: [])
    before = samoyed.train(
        "text-classification", tokens="characters", model="char_cnn", max_steps=1, quiet=True, out=tmp_path / "letters"
    )
    plan = make("text-classification", None, None, None, {"from_run": before.path})
    assert plan.settled["task"]["tokens"] == "characters"
    job = prepare(plan, Reporter(quiet=True))
    assert job.task.state() == before.task.state()
    assert all(torch.equal(t, before.model.state_dict()[name]) for name, t in job.model.state_dict().items())
    with pytest.raises(UsageError, match="has tokens=characters, which its weights rely on"):
        prepare(
            make("text-classification", None, None, None, {"from_run": before.path, "tokens": "words"}), Reporter(True)
        )
    with pytest.raises(UsageError, match="vectors= and from= both"):
        prepare(
            make("text-classification", None, None, None, {"from_run": before.path, "vectors": "v.txt"}), Reporter(True)
        )
