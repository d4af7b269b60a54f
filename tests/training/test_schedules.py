"""Every schedule against its closed formula, and the learning rates that the optimiser really used."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from samoyed.schedules import SCHEDULES, Position, warmed
from samoyed.training import session as module
from samoyed.training.trainer import Trainer

FORMULAS: dict[str, Callable[[float, float], float]] = {
    "constant": lambda epoch, share: 1.0,
    "linear": lambda epoch, share: 1 - share,
    "cosine": lambda epoch, share: (1 + math.cos(math.pi * share)) / 2,
    "exponential": lambda epoch, share: math.exp(-share * math.log(100)),
    "halve": lambda epoch, share: 1 / 2 ** int(epoch // 5),
    "tenth": lambda epoch, share: 1 / 10 ** int(epoch // 5),
}


class Recording(Trainer):
    """Notes the learning rate of each group just before each step."""

    def optimizer_of(self, model: Any) -> torch.optim.Optimizer:
        made = super().optimizer_of(model)
        self.rates: list[set[float]] = []
        made.register_step_pre_hook(
            lambda optimizer, args, kwargs: self.rates.append({g["lr"] for g in optimizer.param_groups})
        )
        return made

    def used(self) -> list[float]:
        assert all(len(rates) == 1 for rates in self.rates)
        return [next(iter(rates)) for rates in self.rates]


def test_every_schedule_has_its_formula_here() -> None:
    assert set(SCHEDULES) == set(FORMULAS)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_their_formulas(name: str) -> None:
    for step in range(0, 241):
        epoch, share = step / 10, step / 240
        wanted = FORMULAS[name](epoch, share)
        assert SCHEDULES[name](Position(step, epoch, share)) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("warmup", [0.01, 0.1, 0.5])
def test_warm_up_is_a_line_that_meets_the_schedule(warmup: float) -> None:
    factors = [warmed(SCHEDULES["cosine"], warmup)(Position(i, 0.0, i / 1000)) for i in range(1001)]
    plain = [SCHEDULES["cosine"](Position(i, 0.0, i / 1000)) for i in range(1001)]
    ratios = [a / b for a, b in zip(factors[:-1], plain[:-1], strict=True)]
    end = round(1000 * warmup)
    assert 0 < ratios[0] <= 0.1 + 1e-9
    assert all(ratios[i] == pytest.approx((i + 1) / 1000 / warmup) for i in range(end))
    assert ratios[end:] == [1.0] * (1000 - end)
    assert warmed(SCHEDULES["cosine"], 0.0) is SCHEDULES["cosine"]


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("name", SCHEDULES)
def test_each_step_uses_its_rate(name: str, warmup: float, fit: Any, rows: Any, network: Any, watching: Any) -> None:
    model = network()
    trainer = Recording(epochs=12, batch_size=4, learning_rate=0.3, schedule=name, warmup=warmup)  # type: ignore[arg-type]
    trainer.train(fit, model, rows(10), rows(5, 1), watching(model))
    wanted = []
    for step in range(36):  # 12 epochs of 3 steps
        share = step / 36
        rise = min(1.0, (share + 0.001) / warmup) if warmup else 1.0
        wanted.append(0.3 * rise * FORMULAS[name](step / 3, share))
    assert trainer.used() == pytest.approx(wanted, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_schedule_ends_where_the_budget_does(
    accumulate: int, fit: Any, rows: Any, network: Any, watching: Any
) -> None:
    model = network()
    trainer = Recording(epochs=50, max_steps=7, batch_size=4, accumulate=accumulate, schedule="linear")
    trainer.train(fit, model, rows(10), rows(5, 1), watching(model))
    assert trainer.used() == pytest.approx([0.001 * (1 - i / 7) for i in range(7)], rel=1e-12)


def test_with_max_time_the_schedule_follows_the_clock(
    fit: Any, rows: Any, network: Any, watching: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes one second of a clock that is set by hand: ten steps fit into ten seconds."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    model = network()
    objective = fit.objective

    def slow(*given: Any) -> Any:
        now[0] += 1.0
        return objective(*given)

    fit.objective = slow
    trainer = Recording(epochs=1000, batch_size=4, max_time=10.0, schedule="linear")  # type: ignore[arg-type]
    result = trainer.train(fit, model, rows(10), rows(5, 1), watching(model))
    assert trainer.used() == pytest.approx([0.001 * (1 - i / 10) for i in range(10)], rel=1e-12)
    assert result.ended == "finished"
    assert [epoch.step for epoch in result.epochs] == [3, 6, 9, 10]
    assert [epoch.seconds for epoch in result.epochs] == [3.0, 3.0, 3.0, 1.0]


def test_an_epoch_may_take_no_time_at_all(
    fit: Any, rows: Any, network: Any, watching: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks tick: on some systems every 16 ms, within which a small epoch begins and ends."""
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 5.0))
    model = network()
    result = Trainer(epochs=2, batch_size=4).train(fit, model, rows(10), rows(5, 1), watching(model))
    assert [epoch.step for epoch in result.epochs] == [3, 6]
