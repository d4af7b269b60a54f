"""When training ends, and with which weights: budgets, patience, people, and figures that are not finite."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.models.mlp import MLP
from samoyed.objectives import Mean
from samoyed.tasks import Metric
from samoyed.training.trainer import Trainer
from tests.promises import keep

# Budgets and people


@pytest.mark.parametrize(
    ("given", "steps"), [({"epochs": 2}, 6), ({"epochs": 9, "max_steps": 7}, 7), ({"epochs": 1}, 3)]
)
def test_a_budget_is_kept_to_the_step(
    given: dict[str, int], steps: int, fit: Any, rows: Any, network: Any, watching: Any
) -> None:
    model = network()
    watcher = watching(model)
    result = Trainer(batch_size=4, **given).train(fit, model, rows(10), rows(5, 1), watcher)
    assert result.ended == "finished"
    assert result.epochs[-1].step == len(watcher.weights) - 1 == steps
    assert watcher.said == [(1 + i // 3, 1 + i % 3, 3) for i in range(steps)]


@pytest.mark.parametrize("stop", [1, 3, 4, 8])
def test_a_person_may_stop_it_after_any_step(
    stop: int, fit: Any, rows: Any, network: Any, watching: Any, same: Any
) -> None:
    model = network()
    watcher = watching(model, stop)
    result = Trainer(epochs=50, batch_size=4).train(fit, model, rows(10), rows(5, 1), watcher)
    assert result.ended == "stopped"
    assert result.epochs[-1].step == stop
    assert same(result.last, watcher.weights[stop])
    assert len(watcher.weights) == stop + 1


def test_stopped_before_anything_it_leaves_the_weights(
    fit: Any, rows: Any, network: Any, watching: Any, same: Any
) -> None:
    model = network()
    watcher = watching(model, 0)
    result = Trainer(epochs=5).train(fit, model, rows(10), rows(5, 1), watcher)
    assert (result.ended, result.epochs) == ("stopped", [])
    assert same(result.best, watcher.weights[0])
    assert same(result.last, watcher.weights[0])


# The best epoch


def scripted(fit: Any, figures: list[float], better: str = "lower", loss: list[float] | None = None) -> None:
    """Makes the task's validation figures those of a list, one for each call: epochs whose validation is one batch."""
    calls = iter(range(len(figures)))
    watched = {"figure": Metric("units", better=better)} | ({"loss": Metric("nats")} if loss else {})

    def metrics(model: nn.Module, batch: Any) -> dict[str, Mean]:
        i, ones = next(calls), torch.ones(len(batch.y), dtype=torch.float64)
        found = {"figure": Mean.of(figures[i] * ones)}
        return found | ({"loss": Mean.of(loss[i] * ones)} if loss else {})

    kind = type("Scripted", (type(fit),), {"reported": watched, "watch": "figure"})
    fit.__class__ = kind
    fit.metrics = metrics


CURVES = {
    "falls then rises": ([5.0, 3.0, 2.0, 4.0, 2.5, 2.1, 0.1], "lower", None, 3, 6),
    "never better": ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "lower", None, 1, 4),
    "higher is better": ([0.1, 0.7, 0.9, 0.9, 0.3, 0.8, 1.0], "higher", None, 3, 6),
    "ties go by loss": ([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], "lower", [9.0, 3.0, 2.0, 2.0, 2.5, 3.0, 0.0], 3, 6),
    "to the end": ([7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "lower", None, 7, 7),
}


@pytest.mark.parametrize("name", CURVES)
def test_patience_ends_it_and_the_best_weights_are_kept(
    name: str, fit: Any, rows: Any, network: Any, watching: Any, same: Any
) -> None:
    figures, better, loss, best, end = CURVES[name]
    scripted(fit, figures, better, loss)
    model = network()
    watcher = watching(model)
    trainer = Trainer(epochs=7, batch_size=4, patience=3, learning_rate=0.1)
    result = trainer.train(fit, model, rows(10), rows(4, 1), watcher)
    assert len(result.epochs) == end
    assert result.ended == ("finished" if end == 7 else "early")
    assert max(e.epoch for e in result.epochs if e.best) == best
    assert result.kept().startswith(f"those of epoch {best}, ") if best < end else result.kept() == ""
    assert result.kept().endswith("so it ended") == (result.ended == "early")
    assert same(result.best, watcher.at_epochs[best - 1])
    assert same(result.last, watcher.at_epochs[-1])
    assert not any(same(watcher.at_epochs[0], other) for other in watcher.at_epochs[1:])
    assert [e.valid["figure"].value for e in result.epochs] == figures[:end]


def test_an_epoch_without_a_figure_is_tried_again_and_is_not_the_best(
    fit: Any, rows: Any, network: Any, watching: Any, same: Any
) -> None:
    scripted(fit, [float("nan"), 2.0, 1.0, 3.0])
    model = network()
    watcher = watching(model)
    result = Trainer(epochs=3, batch_size=4).train(fit, model, rows(10), rows(4, 1), watcher)
    assert [epoch.valid["figure"].value for epoch in result.epochs] == [2.0, 1.0, 3.0]
    assert same(result.best, watcher.at_epochs[1])


# Figures that are not finite


class Passing(torch.autograd.Function):
    """The identity, whose derivative is a given number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.slope = slope
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.slope, None


def spoil(fit: Any, where: str, bad: float, epoch: int) -> None:
    """Puts `bad` into the data, the loss or a parameter's gradient of the batch that holds row 7, from an epoch of 3 on."""
    objective, calls = fit.objective, [0]

    def spoiled(model: nn.Module, batch: Any) -> Mean:
        calls[0] += 1
        if calls[0] <= 3 * (epoch - 1) or 7 not in batch.number:
            return objective(model, batch)
        if where == "data":
            x = batch.x.clone()
            x[-1, 0] = bad
            return objective(model, batch._replace(x=x))
        mean = objective(model, batch)
        if where == "loss":
            return Mean(mean.total * bad, mean.count)
        return Mean(mean.total + Passing.apply(model[3].weight, bad).sum(), mean.count)

    fit.objective = spoiled


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["data", "loss", "gradient"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 1), (0, 2), (2, 2)])
def test_what_is_never_finite_never_reaches_the_weights(
    seed: int,
    epoch: int,
    accumulate: int,
    where: str,
    bad: float,
    fit: Any,
    rows: Any,
    network: Any,
    watching: Any,
    same: Any,
) -> None:
    """The epoch is tried again, more slowly; where that does not help, training fails before the step that would spoil it."""
    model = network(hidden=4)
    if where == "data":
        model[1] = nn.Identity()  # tanh would make an infinite input finite
    spoil(fit, where, bad, epoch)
    watcher = watching(model)
    trainer = Trainer(epochs=3, batch_size=4, accumulate=accumulate, clip_norm=1.0, weight_decay=0.1, seed=seed)
    result = trainer.train(fit, model, rows(12), rows(5, 1), watcher)
    place = batching.order(12, seed, epoch).tolist().index(7) // 4  # of the bad batch, among 3
    step = (epoch - 1) * -(-3 // accumulate) + place // accumulate + 1
    assert result.ended == "failed"
    assert f"(epoch {epoch}, step {step})" in result.why
    assert ("the gradient of 3.weight is not finite" if where == "gradient" else "the loss is") in result.why
    assert "learning_rate" in result.why
    assert len(watcher.warned) == 3
    assert all("half the learning rate" in line for line in watcher.warned)
    assert len(result.epochs) == len(watcher.at_epochs) == epoch - 1
    beginning = watcher.at_epochs[-1] if watcher.at_epochs else watcher.weights[0]
    assert same(result.last, beginning)  # the weights of the last healthy epoch, bit for bit
    assert all(bool(tensor.isfinite().all()) for tensor in result.last.values())
    assert same(result.best, beginning)
    keep("N1", "NaN and inf never reach the weights", 1, 0, "trainings on spoilt data, losses or gradients")


def test_a_failed_step_leaves_what_normalisation_learned_as_it_was(fit: Any, rows: Any, watching: Any) -> None:
    """Running means are weights too: the run promises those of before the step that failed."""
    model = MLP(input_shape=(3,), output_size=1, hidden_sizes=(4,), batch_norm=True, dropout=0.0).double()
    spoil(fit, "data", float("inf"), 2)
    result = Trainer(epochs=3, batch_size=4).train(fit, model, rows(12), rows(5, 1), watching(model))
    assert result.ended == "failed"
    assert all(bool(tensor.isfinite().all()) for tensor in result.last.values())


def test_a_parameter_that_is_not_used_is_left_alone(fit: Any, rows: Any, network: Any, watching: Any) -> None:
    model = network(hidden=4)
    model.unused = nn.Linear(2, 2)
    model.forward = lambda x: model[3](model[2](model[1](model[0](x))))
    before = model.unused.weight.detach().clone()
    result = Trainer(epochs=1, batch_size=4).train(fit, model, rows(12), rows(5, 1), watching(model))
    assert result.ended == "finished"
    assert torch.equal(model.unused.weight, before)


# Order and modes


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_is_a_function_of_seed_and_epoch(seed: int, fit: Any, rows: Any, network: Any, watching: Any) -> None:
    torch.manual_seed(12345)  # of no effect
    model = network(hidden=4, dropout=0.5)  # which draws from torch's own generator
    Trainer(epochs=3, batch_size=4, seed=seed).train(fit, model, rows(10), rows(5, 1), watching(model))
    assert [len(batch) for batch in fit.seen] == [4, 4, 2] * 3
    epochs = [[number for batch in fit.seen[i : i + 3] for number in batch] for i in (0, 3, 6)]
    for epoch, numbers in enumerate(epochs, 1):
        assert sorted(numbers) == list(range(10))
        assert numbers == batching.order(10, seed, epoch).tolist()
    assert len({tuple(numbers) for numbers in epochs}) == 3


def test_no_two_orders_are_alike() -> None:
    """Neither over the epochs of a seed nor between seeds: seed 0's second epoch is not seed 1's first."""
    pairs = [(seed, epoch) for seed in range(20) for epoch in range(20)]
    assert len({tuple(batching.order(20, seed, epoch).tolist()) for seed, epoch in pairs}) == len(pairs)


def test_orders_are_even() -> None:
    """Each place holds each example equally often, as far as chance allows, over the epochs of a seed and over seeds."""
    for pairs in ([(5, epoch) for epoch in range(1600)], [(seed, 1) for seed in range(1600)]):
        orders = torch.stack([batching.order(8, seed, epoch) for seed, epoch in pairs])
        counts = torch.stack([torch.bincount(orders[:, place], minlength=8) for place in range(8)]).double()
        chi = float(((counts - 200) ** 2 / 200).sum())
        assert chi < 49 + 5 * (2 * 49) ** 0.5  # 49 degrees of freedom


def test_dropout_is_for_training_only(fit: Any, rows: Any, network: Any, watching: Any) -> None:
    model = network(hidden=16, dropout=0.5)
    valid = rows(5, 1)
    result = Trainer(epochs=2, batch_size=4).train(fit, model, rows(10), valid, watching(model))
    assert fit.modes == ([("objective", True)] * 3 + [("metrics", False)] * 2) * 2
    model.load_state_dict(result.last)
    model.eval()
    with torch.no_grad():
        wanted = float(fit.metrics(model, valid)["loss"].total.mean())
    assert result.epochs[-1].valid["loss"].value == pytest.approx(wanted, rel=1e-12)
