"""Averaged weights: the mean of those after each step, as torch's own averaging has it, over the share that was asked for."""

import math

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from samoyed.errors import UsageError
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training.averaging import Average
from samoyed.training.prepare import prepare
from tests.training.test_resume import Watcher


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).double()


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_the_mean_is_torchs(kind) -> None:
    model, reference = layers(), None
    optimizer = kind(model.parameters(), 0.1)
    average = Average(model, optimizer, 0.6)
    for step in range(10):
        average.begin(step / 10)
        model(torch.randn(8, 4, dtype=torch.float64)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if step >= 4:
            reference = reference or AveragedModel(model)
            reference.update_parameters(model)
    own = [p.detach().clone() for p in model.parameters()]
    with average:
        for p, mean in zip(model.parameters(), reference.module.parameters(), strict=True):
            torch.testing.assert_close(p, mean, rtol=1e-12, atol=1e-14)
    for p, before in zip(model.parameters(), own, strict=True):
        assert torch.equal(p, before)


def run(**settings):
    given = {
        "epochs": 2,
        "batch_size": 100,
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "schedule": "constant",
        **settings,
    }
    job = prepare(make("image-classification", None, "mlp", None, given), Reporter(quiet=True))
    return job, job.trainer.train(job.task, job.model, job.data["train"], job.data["valid"], Watcher())


def test_a_training_keeps_the_mean_and_goes_on_from_its_own() -> None:
    (plain_job, plain), (job, averaged) = run(), run(average=0.5)
    for own, other in zip(plain_job.model.parameters(), job.model.parameters(), strict=True):
        assert torch.equal(own, other)  # the descent itself is the same
    assert plain.epochs[0].valid == averaged.epochs[0].valid  # before the mean begins
    apart = [float((plain.last[name] - averaged.last[name]).abs().max()) for name in plain.last]
    assert max(apart) > 1e-4
    assert all(math.isfinite(value) for value in apart)


def test_batch_normalisation_is_refused() -> None:
    with pytest.raises(UsageError, match="batch normalisation"):
        run(average=0.5, batch_norm=True)
    with pytest.raises(UsageError, match="average"):
        run(average=1.5)
