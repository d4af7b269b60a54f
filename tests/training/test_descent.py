"""What one step does to the weights, against equations in float64: optimisers, decay, clipping, accumulation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samoyed.objectives import Mean
from samoyed.training.trainer import Trainer

Step = Callable[[np.ndarray, np.ndarray, dict[str, Any], int], np.ndarray]
RATE, DECAY = 0.05, 0.02


def sgd(momentum: float, nesterov: bool) -> Step:
    def step(w: np.ndarray, g: np.ndarray, kept: dict[str, Any], t: int) -> np.ndarray:
        g = g + kept["decay"] * w
        v = kept["v"] = g if t == 1 else momentum * kept["v"] + g
        return w - RATE * (g + momentum * v if nesterov else v)

    return step


def adam(decoupled: bool) -> Step:
    def step(w: np.ndarray, g: np.ndarray, kept: dict[str, Any], t: int) -> np.ndarray:
        if decoupled:
            w = w - RATE * kept["decay"] * w
        else:
            g = g + kept["decay"] * w
        m = kept["m"] = 0.9 * kept.get("m", 0.0) + 0.1 * g
        v = kept["v"] = 0.999 * kept.get("v", 0.0) + 0.001 * g * g
        return w - RATE * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return step


OPTIMIZERS: dict[str, tuple[dict[str, Any], Step]] = {
    "plain": ({"optimizer": "sgd", "momentum": 0.0}, sgd(0.0, False)),
    "momentum": ({"optimizer": "sgd", "momentum": 0.8, "nesterov": False}, sgd(0.8, False)),
    "nesterov": ({"optimizer": "sgd", "momentum": 0.8}, sgd(0.8, True)),
    "adam": ({"optimizer": "adam"}, adam(False)),
    "adamw": ({"optimizer": "adamw"}, adam(True)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_the_equations(name: str, fit: Any, rows: Any, network: Any, watching: Any) -> None:
    """Gradients by hand too: of mean (w x + b - y)^2, dw = 2 mean r x and db = 2 mean r. Biases are not decayed."""
    given, step = OPTIMIZERS[name]
    model, data = network(), rows(8)
    w, b = (p.detach().numpy().copy() for p in (model.weight, model.bias))
    kept: tuple[dict[str, Any], ...] = ({"decay": DECAY}, {"decay": 0.0})
    trainer = Trainer(
        epochs=5, batch_size=8, learning_rate=RATE, schedule="constant", weight_decay=DECAY, seed=3, **given
    )
    watcher = watching(model)
    trainer.train(fit, model, data, data, watcher)
    x, y = data.x.numpy(), data.y.numpy()
    for t in range(1, 6):
        r = x @ w[0] + b - y
        gradient = 2 * (r[:, None] * x).mean(0)[None], np.array([2 * r.mean()])
        w, b = step(w, gradient[0], kept[0], t), step(b, gradient[1], kept[1], t)
        assert np.abs(watcher.weights[t]["weight"].numpy() - w).max() < 1e-12
        assert np.abs(watcher.weights[t]["bias"].numpy() - b).max() < 1e-12


class Normed(nn.Module):
    """One parameter of each kind: a matrix, a kernel, a bias, a norm's factor, a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix, self.kernel = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(2, 2, 5, 5))
        self.bias, self.factor, self.scalar = (nn.Parameter(torch.ones(s)) for s in ((4,), (2,), ()))
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.0 * sum(p.sum() for p in self.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_decay_pulls_matrices_and_kernels_only(optimizer: str, fit: Any, rows: Any, watching: Any) -> None:
    model = Normed()
    trainer = Trainer(epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5, optimizer=optimizer, momentum=0.0)  # type: ignore[arg-type]
    trainer.train(fit, model, rows(8), rows(8), watching(model))
    pulled = {name: float(p.detach().mean()) for name, p in model.named_parameters()}
    assert pulled == pytest.approx(
        {"matrix": 0.95, "kernel": 0.95, "bias": 1.0, "factor": 1.0, "scalar": 1.0, "frozen": 1.0}
    )


@pytest.mark.parametrize("count", [24, 22, 13, 3])
@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_batches_are_one_big_batch(
    count: int, accumulate: int, fit: Any, rows: Any, network: Any, watching: Any
) -> None:
    """Also where the last batch, or the last group of batches, is smaller."""
    found = []
    for given in ({"batch_size": 4, "accumulate": accumulate}, {"batch_size": 4 * accumulate}):
        model = network(hidden=6)
        trainer = Trainer(epochs=3, learning_rate=0.05, optimizer="sgd", clip_norm=0.5, **given)
        result = trainer.train(fit, model, rows(count), rows(8, 1), watching(model))
        found.append(result)
    assert [e.step for e in found[0].epochs] == [e.step for e in found[1].epochs]
    for one, other in zip(found[0].epochs, found[1].epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-9) or accumulate * 4 < count
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-9)
        assert one.learning_rate == pytest.approx(other.learning_rate, rel=1e-12)
    for name, weight in found[0].last.items():
        assert torch.allclose(weight, found[1].last[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("clip", [0.25, 1e6])
def test_the_whole_gradient_is_clipped_at_its_true_norm(
    clip: float, fit: Any, rows: Any, network: Any, watching: Any
) -> None:
    model, data = network(hidden=6), rows(8)
    (fit.objective(model, data).total / 8).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    norm = float(torch.cat([g.flatten() for g in gradients.values()]).square().sum().sqrt())
    model.zero_grad()
    assert 0.25 < norm < 1e6
    trainer = Trainer(
        epochs=1, batch_size=8, learning_rate=1.0, schedule="constant", optimizer="sgd", momentum=0.0, clip_norm=clip
    )
    watcher = watching(model)
    result = trainer.train(fit, model, data, data, watcher)
    assert result.epochs[0].gradient_norm == pytest.approx(norm, rel=1e-12)  # as it was before
    factor = min(1.0, clip / norm)
    for name, gradient in gradients.items():
        moved = watcher.weights[0][name] - watcher.weights[1][name]
        assert torch.allclose(moved, factor * gradient, rtol=1e-5, atol=1e-12)


def test_the_loss_of_an_epoch_is_over_its_examples_not_its_batches(
    fit: Any, rows: Any, network: Any, watching: Any
) -> None:
    model, data = network(), rows(10)
    with torch.no_grad():
        wanted = float(fit.objective(model, data).total) / 10
    trainer = Trainer(epochs=1, batch_size=4, learning_rate=1e-12)
    result = trainer.train(fit, model, data, data, watching(model))
    assert result.epochs[0].loss == pytest.approx(wanted, rel=1e-9)
    assert result.epochs[0].valid["loss"].value == pytest.approx(wanted, rel=1e-9)


def test_a_task_may_learn_in_its_own_way(fit: Any, rows: Any, network: Any, watching: Any) -> None:
    """`update` may descend twice, where `steps` says so: the loop counts the steps that were taken."""

    def twice(model: nn.Module, batch: Any, descend: Any) -> Mean:
        for _ in range(2):
            mean = fit.objective(model, batch)
            descend(mean)
        return mean

    fit.update, fit.steps = twice, lambda data, batch_size: 4
    model = network()
    result = Trainer(epochs=1, batch_size=5).train(fit, model, rows(10), rows(5, 1), watching(model))
    assert result.epochs[0].step == 4
