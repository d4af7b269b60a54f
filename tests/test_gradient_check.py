"""The gradient check passes right gradients, finds wrong ones, and does not mistake one for the other at a kink."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.errors import UsageError
from samoyed.explaining.gradient_check import check_gradients


class Scaled(torch.autograd.Function):
    """x^2 whose gradient is multiplied by a factor: 1 is right, anything else is planted."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.square()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradient * 2 * x * ctx.factor, None


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def named(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters())


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (1.001, False), (0.0, False), (-1.0, False)])
def test_finds_a_planted_error(factor: float, right: bool) -> None:
    x, y = leaf(0.5, -1.5, 2.0), leaf(3.0)
    found = check_gradients(lambda: Scaled.apply(x, factor).sum() + y.sum() ** 2, {"x": x, "y": y})
    assert found.ok(1e-5) is right
    assert found.errors["y"] < 1e-7
    if not right:
        assert found.worst[0] == "x"
        assert found.worst[1] == pytest.approx(abs(factor - 1) / max(factor, 1), rel=1e-3)


def test_finds_one_wrong_entry_among_many() -> None:
    x = torch.arange(1, 21, dtype=torch.float64).reshape(4, 5).requires_grad_()
    wrong = torch.zeros_like(x)
    wrong[2, 3] = 1e-3
    x.register_hook(lambda gradient: gradient + wrong)
    found = check_gradients(lambda: x.square().mean(), {"x": x})
    assert not found.ok()
    assert found.errors["x"] == pytest.approx(1e-3 / 1.401, rel=1e-2)


def test_a_forgotten_parameter_is_an_error() -> None:
    x, y = leaf(1.0), leaf(2.0)
    found = check_gradients(lambda: (x * y.detach()).sum(), {"x": x, "y": y})
    assert found.errors["x"] < 1e-6
    assert found.errors["y"] == pytest.approx(1.0)


@pytest.mark.parametrize("nonlinearity", [nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.GELU()])
def test_passes_networks(nonlinearity: nn.Module) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nonlinearity, nn.Linear(6, 3)).double()
    x, y = torch.randn(5, 4).double(), torch.randint(3, (5,))
    found = check_gradients(lambda: F.cross_entropy(model(x), y), named(model))
    assert found.ok(1e-5), found
    assert sum(found.entries.values()) == sum(p.numel() for p in model.parameters())
    assert found.evaluations == 2 * sum(found.entries.values()) + 2
    assert sum(found.kinks.values()) == 0


def test_passes_convolution_pooling_and_recurrence() -> None:
    torch.manual_seed(0)
    image = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).double()
    pixels = torch.randn(2, 1, 6, 6).double()
    assert check_gradients(lambda: image(pixels).logsumexp(1).sum(), named(image)).ok()
    memory = nn.LSTM(2, 3).double()
    series = torch.randn(5, 2, 2).double()
    assert check_gradients(lambda: memory(series)[0].square().sum(), named(memory)).ok()


def test_entry_on_a_kink_is_counted_not_judged() -> None:
    x = leaf(0.0, 1.0, -1.0)
    found = check_gradients(lambda: x.relu().sum(), {"x": x})
    assert found.kinks == {"x": 1}
    assert found.ok()
    tied = leaf(2.0, 2.0, 1.0)
    pooled = check_gradients(lambda: F.max_pool1d(tied[None], 3).sum(), {"tied": tied})
    assert pooled.kinks == {"tied": 2}


def test_entry_near_a_kink_is_judged_by_the_smaller_step() -> None:
    x = leaf(3e-7, -3e-7, 1.0)
    found = check_gradients(lambda: x.relu().sum(), {"x": x})
    assert found.kinks == {"x": 0}
    assert found.ok()
    assert found.evaluations == 2 * 3 + 2 * 2 + 2


def test_a_wrong_gradient_beside_a_kink_is_still_wrong() -> None:
    """A kink explains no more than the gap between its sides, and nothing once the step no longer reaches it."""
    near = leaf(3e-7)
    near.register_hook(lambda gradient: 1.5 * gradient)
    assert not check_gradients(lambda: near.relu().sum(), {"x": near}).ok()
    on = leaf(0.0)
    on.register_hook(lambda gradient: gradient + 3)
    assert check_gradients(lambda: on.relu().sum(), {"x": on}).errors["x"] > 0.5


def test_all_kinks_is_not_ok() -> None:
    x = leaf(0.0, 0.0)
    found = check_gradients(lambda: x.abs().sum(), {"x": x})
    assert found.unverified == ("x",)
    assert not found.ok()


def test_rounding_of_a_large_loss_raises_no_alarm() -> None:
    x = leaf(1e-3, 0.7)
    assert check_gradients(lambda: 1e6 + x.square().sum(), {"x": x}).ok()


def test_samples_are_drawn_by_the_seed() -> None:
    x = torch.arange(100, dtype=torch.float64).requires_grad_()
    found = check_gradients(lambda: x.sin().sum(), {"x": x}, samples=7)
    assert found.entries == {"x": 7}
    assert found.evaluations == 16
    assert found == check_gradients(lambda: x.sin().sum(), {"x": x}, samples=7)


def test_parameters_are_left_as_they_were() -> None:
    x = torch.randn(3, 4, dtype=torch.float64).T.requires_grad_()  # a leaf that is not contiguous
    before = x.detach().clone()
    assert check_gradients(lambda: (x**3).sum(), {"x": x}).ok()
    assert torch.equal(x.detach(), before)
    assert x.grad is None


def test_refuses_what_cannot_be_compared() -> None:
    x, single = leaf(1.0), torch.ones(1, requires_grad=True)
    with pytest.raises(UsageError, match="float64"):
        check_gradients(lambda: single.sum(), {"x": single})
    with pytest.raises(UsageError, match="two values"):
        check_gradients(lambda: (x * torch.rand(1)).sum(), {"x": x})
    with pytest.raises(UsageError, match="one float64 number"):
        check_gradients(lambda: x.expand(2), {"x": x})
    with pytest.raises(UsageError, match="no parameters"):
        check_gradients(lambda: x.sum(), {})
    with pytest.raises(UsageError, match="does not depend"):
        check_gradients(lambda: x.detach().sum(), {"x": x})
    with pytest.raises(UsageError, match="leaf"):
        check_gradients(lambda: x.sum(), {"x": 2 * x})
    with pytest.raises(UsageError, match="samples"):
        check_gradients(lambda: x.sum(), {"x": x}, samples=0)
    with pytest.raises(UsageError, match="inf"):
        check_gradients(lambda: (x / 0).sum(), {"x": x})
