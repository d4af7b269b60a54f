"""The Hessian through products and Lanczos' method against the dense Hessian of a small network."""

import pytest
import torch
from torch import Tensor, nn

from samoyed.explaining import hessian
from samoyed.explaining.landscape import direction, surface


def small(seed: int = 0) -> tuple[nn.Sequential, list[nn.Parameter], hessian.Losses]:
    """A network with 64 parameters, and its mean loss in two parts."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    x, y = torch.randn(40, 4).double(), torch.randint(3, (40,))

    def losses() -> list[Tensor]:
        halves = [(x[:15], y[:15]), (x[15:], y[15:])]
        return [nn.functional.cross_entropy(model(a), b, reduction="sum") / 40 for a, b in halves]

    return model, list(model.parameters()), losses


def dense(model: nn.Sequential, parameters: list[nn.Parameter], losses: hessian.Losses) -> Tensor:
    """The Hessian by torch.autograd.functional, of the loss as a function of one vector."""
    sizes = [p.numel() for p in parameters]
    names = [name for name, _ in model.named_parameters()]
    held = model.forward

    def loss(flat: Tensor) -> Tensor:
        given = dict(
            zip(names, (v.view_as(p) for v, p in zip(flat.split(sizes), parameters, strict=True)), strict=True)
        )
        model.forward = lambda x: torch.func.functional_call(plain, given, (x,))  # type: ignore[method-assign]
        return sum(losses())  # type: ignore[return-value]

    plain = nn.Sequential(*model)
    flat = torch.cat([p.detach().flatten() for p in parameters])
    found: Tensor = torch.autograd.functional.hessian(loss, flat)  # type: ignore[assignment, no-untyped-call]
    model.forward = held  # type: ignore[method-assign]
    return found


def test_products_are_those_of_the_dense_hessian() -> None:
    model, parameters, losses = small()
    matrix = dense(model, parameters, losses)
    product = hessian.products(losses, parameters)
    for seed in range(3):
        v = torch.randn(len(matrix), generator=torch.Generator().manual_seed(seed)).double()
        assert torch.allclose(product(v), matrix @ v, atol=1e-10)
        differences = hessian._by_differences(losses, parameters, v)
        assert torch.allclose(differences, matrix @ v, atol=1e-4 * float((matrix @ v).norm()))


def test_lanczos_finds_the_ends_and_the_index() -> None:
    model, parameters, losses = small(1)
    matrix = dense(model, parameters, losses)
    values = torch.linalg.eigvalsh(matrix)
    share = float((values < -hessian.NEGATIVE * values.abs().max()).double().mean())
    assert 0 < share < 1  # a network that is not trained lies on a slope with both signs
    product = hessian.products(losses, parameters)
    like = torch.zeros(len(matrix)).double()
    found = hessian.spectrum(product, like, steps=64, starts=16)
    assert found.largest == pytest.approx(float(values[-1]), rel=1e-8)
    assert found.smallest == pytest.approx(float(values[0]), rel=1e-6)
    assert found.error < 1e-3 * found.largest
    assert found.negative == pytest.approx(share, abs=4 * found.negative_error + 0.01)
    assert float(found.weights.sum()) == pytest.approx(1)
    trace = float((found.values * found.weights).sum()) * len(matrix)
    assert trace == pytest.approx(float(matrix.trace()), rel=0.2)
    every = hessian.dense(product, like)
    assert torch.allclose(every.values, values, atol=1e-10)
    assert every.negative == share


def test_the_bound_of_the_error_holds() -> None:
    """However few steps there were, an eigenvalue lies within the bound of each Ritz value."""
    model, parameters, losses = small(2)
    values = torch.linalg.eigvalsh(dense(model, parameters, losses))
    product = hessian.products(losses, parameters)
    for steps in (2, 5, 12):
        found = hessian.lanczos(product, torch.randn(len(values)).double(), steps)
        for value, end in zip(found.values, found.ends, strict=True):
            assert float((values - value).abs().min()) <= float(end) + 1e-9


def test_lanczos_ends_where_its_space_does() -> None:
    matrix = torch.diag(torch.tensor([1.0, 1.0, 5.0, 5.0, -2.0]).double())
    found = hessian.lanczos(lambda v: matrix @ v, torch.ones(5).double(), 5)
    assert torch.allclose(found.values, torch.tensor([-2.0, 1.0, 5.0]).double())
    for vector, value in zip(found.vectors, (-2.0, 5.0), strict=True):
        assert torch.allclose(matrix @ vector, value * vector, atol=1e-10)


def test_what_has_no_second_derivative_goes_by_differences() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)  # type: ignore[attr-defined]
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: object, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
            return 3 * x**2 * g

    weight = nn.Parameter(torch.tensor([1.0, 2.0]).double())
    product = hessian.products(lambda: [Once.apply(weight).sum()], [weight])
    assert torch.allclose(product(torch.ones(2).double()), torch.tensor([6.0, 12.0]).double(), rtol=1e-4)
    assert torch.equal(weight.detach(), torch.tensor([1.0, 2.0]).double())


def test_directions_have_the_norms_of_the_filters() -> None:
    layer = nn.Conv2d(3, 5, 3)
    found = direction(list(layer.parameters()), torch.Generator().manual_seed(0))
    assert torch.allclose(found[0].flatten(1).norm(dim=1), layer.weight.flatten(1).norm(dim=1), rtol=1e-5)
    assert torch.equal(found[1], torch.zeros(5))


def test_a_surface_is_the_loss_there_and_leaves_the_weights_alone() -> None:
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    along = [[torch.tensor([[1.0, 0.0]])], [torch.tensor([[0.0, 1.0]])]]
    found = list(surface(lambda: float(weight.square().sum()), [weight], along, [-1.0, 0.0, 2.0]))
    assert len(found) == 9
    for row, column, loss in found:
        a, b = (-1.0, 0.0, 2.0)[column], (-1.0, 0.0, 2.0)[row]
        assert loss == pytest.approx((1 + a) ** 2 + (b - 2) ** 2)
    assert torch.equal(weight.detach(), torch.tensor([[1.0, -2.0]]))
