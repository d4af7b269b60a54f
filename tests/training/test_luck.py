"""Bad luck while training: what is not finite, what runs away, what does not fit the memory."""

import numpy as np
import pytest
import torch
from torch import nn

from samoyed.errors import TrainingError, UsageError
from samoyed.objectives import Mean
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training.luck import MOST_ROLLBACKS, Spikes, is_out_of_memory
from samoyed.training.prepare import prepare
from tests.promises import keep


class Watcher:
    """Notes warnings and never interferes."""

    def __init__(self):
        self.warned = []

    def stepped(self, epoch, done, of, loss):
        pass

    def passed(self, epoch, left):
        pass

    def stopping(self):
        return False

    def due(self, epoch=False):
        return False

    def save(self, snapshot):
        pass

    def warn(self, text):
        self.warned.append(text)


def job_of(task="image-classification", model="mlp", **settings):
    return prepare(make(task, None, model, None, settings), Reporter(quiet=True))


def session_of(job):
    return job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], Watcher())


def spoil(job, at, times, how):
    """The objective is spoiled at the `at`th call and the `times` - 1 like it after it, counted over retries too."""
    plain, calls = job.task.objective, {"n": 0, "spoiled": 0}

    def objective(model, batch):
        calls["n"] += 1
        mean = plain(model, batch)
        if calls["n"] >= at and calls["spoiled"] < times:
            calls["spoiled"] += 1
            return how(mean, model)
        return mean

    job.task.objective = objective
    return calls


def test_one_nan_goes_back_once_and_training_ends_healthy():
    job = job_of(epochs=3, batch_size=200)
    spoil(job, 9, 1, lambda mean, model: Mean(mean.total * float("nan"), mean.count))
    session = session_of(job)
    trained = session.run()
    assert trained.ended == "finished"
    assert [epoch.epoch for epoch in trained.epochs] == [1, 2, 3]
    assert session.rollbacks == 1
    assert session.factor == 0.5
    (warning,) = session.watcher.warned
    assert "the loss is nan" in warning
    assert "beginning of epoch 2" in warning
    assert all(bool(tensor.isfinite().all()) for tensor in trained.best.values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_never_finite_ends_after_three_times_with_the_best_weights(bad):
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * bad

    job = job_of(epochs=3, batch_size=200)
    spoil(job, 10, 10**6, lambda mean, model: Mean(Bad.apply(mean.total), mean.count))
    session = session_of(job)
    trained = session.run()
    assert trained.ended == "failed"
    assert "is not finite" in trained.why
    assert len(session.watcher.warned) == MOST_ROLLBACKS
    assert len(trained.epochs) == 1
    assert all(bool(tensor.isfinite().all()) for tensor in {**trained.best, **trained.last}.values())


def test_a_rollback_restores_weights_optimiser_and_order_exactly():
    job = job_of(epochs=2, batch_size=200)
    session = session_of(job)
    before = session.snapshot()
    calls = spoil(job, 4, 1, lambda mean, model: Mean(mean.total * float("inf"), mean.count))
    seen = []
    original = session._roll_back

    def watched(healthy, why):
        going = original(healthy, why)
        now = session.snapshot()
        seen.append(all(torch.equal(now.model[name], before.model[name]) for name in before.model))
        seen.append(not now.optimizer)
        seen.append(torch.equal(now.other["rng.cpu"], before.other["rng.cpu"]))
        return going

    session._roll_back = watched
    session.run()
    assert calls["spoiled"] == 1
    assert seen == [True, True, True]


def test_a_loss_that_runs_away_is_noticed_and_one_that_learns_or_wavers_is_not():
    rng = np.random.default_rng(0)
    learning = Spikes()
    for step in range(2000):
        learning.see(2.3 * np.exp(-step / 200) + 0.01 * rng.random() + (2.0 if step % 97 == 0 else 0.0))
    with pytest.raises(TrainingError, match="run away"):
        see_all(
            Spikes(), [2.3 * np.exp(-step / 50) if step < 200 else 0.05 * 1.1 ** (step - 200) for step in range(400)]
        )


@pytest.mark.parametrize("seed", range(4))
def test_a_hard_example_here_and_there_is_no_divergence_however_near_to_0_the_rest_is(seed):
    """Batches of 128 of which nearly all examples are known: what fine-tuning of a trained network sees."""
    draw = np.random.default_rng(seed)
    easy, hard = 1e-4 * draw.lognormal(0, 0.5, 3000), draw.binomial(128, 2e-4, 3000)
    losses = easy + [draw.exponential(2.0, count).sum() / 128 for count in hard]
    means = np.convolve(losses, np.full(20, 1 / 20), "valid")
    assert (means > np.maximum(10 * np.minimum.accumulate(means), 1.5 * means[0])).any()
    spikes = Spikes()
    see_all(spikes, losses)
    with pytest.raises(TrainingError, match="run away"):
        see_all(spikes, [loss * 1.1**step for step, loss in enumerate(losses[:200])])


@pytest.mark.parametrize("last", [1, 2, 3, 8])
def test_no_epoch_ends_amid_a_divergence(last):
    """From its end a rollback would begin; a hard example or two are none."""
    spikes = Spikes()
    see_all(spikes, [2.3 * np.exp(-step / 50) for step in range(200)] + [400.0] * last)
    if last < 3:
        spikes.passed()
    else:
        with pytest.raises(TrainingError, match="run away"):
            spikes.passed()


def see_all(spikes, losses):
    for loss in losses:
        spikes.see(loss)


@pytest.mark.parametrize("seen", [5, 19, 20, 21, 150])
def test_the_watch_over_spikes_survives_being_saved(seen):
    losses = [float(x) for x in np.random.default_rng(1).random(200)]
    whole, half = Spikes(), Spikes()
    for loss in losses[:seen]:
        whole.see(loss)
        half.see(loss)
    half = Spikes(half.state())
    for loss in losses[seen:]:
        whole.see(loss)
        half.see(loss)
    assert whole.state() == half.state()


def test_a_run_that_diverges_is_rolled_back():
    job = job_of(epochs=30, batch_size=32, optimizer="sgd", learning_rate=0.05, momentum=0.9, dropout=0.0)
    session = session_of(job)
    plain = job.trainer.schedule
    job.trainer.schedule = lambda position: (
        400.0 if position.step >= 200 and session.rollbacks == 0 else plain(position)
    )
    trained = session.run()
    assert trained.ended == "finished"
    assert session.rollbacks >= 1
    assert trained.epochs[-1].valid["error"].value < 10


def limited(job, most):
    """Memory that holds `most` examples."""
    plain = job.task.objective

    def objective(model, batch):
        if len(batch[0]) > most:
            plain(model, batch)  # as far as it came, with what it drew from the random generators
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return plain(model, batch)

    job.task.objective = objective


CASES = [
    ("image-classification", "lenet", {"batch_size": 48}),
    ("image-classification", "lenet", {"batch_size": 48, "accumulate": 2}),
    ("text-generation", "lstm", {"batch_size": 8, "hidden_size": 8, "sequence_length": 16, "num_layers": 2}),
    ("text-generation", "feedforward", {"batch_size": 8, "hidden_size": 8, "sequence_length": 16}),
    ("time-series-forecasting", "gru", {"batch_size": 16, "carry": False}),
    ("time-series-forecasting", "gru", {"batch_size": 8, "context": 4, "horizon": 3}),
]


@pytest.mark.parametrize(("task", "model", "settings"), CASES)
@pytest.mark.parametrize("most", [5, 3])
def test_the_same_batch_in_parts_gives_the_same_training(task, model, settings, most):
    if settings.get("accumulate", 1) > 1 and most == 5:
        pytest.skip("one size is enough for accumulation")
    weights, warned = [], []
    for limit in (None, most):
        job = job_of(
            task, model, **settings, epochs=2, max_steps=6, optimizer="sgd", learning_rate=0.05, clip_norm=None
        )
        job.model.double()
        cast_to_double(job)
        if limit:
            limited(job, limit)
        session = session_of(job)
        session.run()
        weights.append(torch.cat([p.detach().flatten() for p in session.model.parameters()]))
        warned.append(session.watcher.warned)
        assert session.descent.steps == 6
    assert not warned[0]
    assert warned[1]
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-6, atol=1e-10)
    keep("N3", "out of memory shrinks the micro-batch: the same weights to 1e-6", 1, 0, "trainings short of memory")


def cast_to_double(job):
    """Makes the task's batches and scaling float64, so that only the order of sums differs."""
    if hasattr(job.task, "pixels"):
        plain = job.task.pixels.normalise
        job.task.pixels.normalise = lambda images: plain(images).double()
    job.data = {
        name: type(rows)(*(t.double() if t.is_floating_point() else t for t in rows)) for name, rows in job.data.items()
    }


def test_memory_that_does_not_hold_one_example_is_a_usage_error():
    job = job_of(epochs=1, batch_size=8)
    limited(job, 0)
    with pytest.raises(UsageError, match="smaller batch_size"):
        session_of(job).run()


def test_torch_itself_says_when_memory_runs_out():
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(found.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_weights_are_those_of_before_when_the_very_first_batch_is_bad():
    job = job_of(epochs=2, batch_size=200)
    initial = {name: tensor.clone() for name, tensor in job.model.state_dict().items()}
    spoil(job, 1, 10**6, lambda mean, model: Mean(mean.total * float("nan"), mean.count))
    trained = session_of(job).run()
    assert trained.ended == "failed"
    assert not trained.epochs
    assert all(torch.equal(trained.last[name], initial[name]) for name in initial)
    assert isinstance(job.model, nn.Module)
