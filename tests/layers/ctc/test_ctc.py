"""The loss of connectionist temporal classification: against sums over all paths, torch's loss and finite differences."""

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from samoyed.layers.ctc import ctc_loss
from samoyed.layers.ctc.library import library
from samoyed.layers.ctc.loss import ctc

if library() is None:
    pytest.skip("no kernels on this machine", allow_module_level=True)


@pytest.fixture(params=["avx512", "avx2", "portable"])
def code(request: pytest.FixtureRequest) -> Iterator[str]:
    kernels = library()
    assert kernels is not None
    if not kernels.samoyed_choose(request.param.encode()):
        pytest.skip(f"no {request.param} here")
    yield request.param
    kernels.samoyed_choose(None)


def loss_and_gradient(logits: Tensor, *others: Tensor, engine: str = "kernel") -> tuple[Tensor, Tensor]:
    """[B] and [B, T, V], of the sum of the losses, each weighed differently."""
    given = logits.detach().clone().requires_grad_()
    loss = ctc_loss(given, *others, engine=engine)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad((loss * (1 + torch.arange(len(loss)))).sum(), given)
    return loss.detach(), gradient


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def draws(
    batch: int, steps: int, letters: int, most: int, scale: float = 2.0, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Utterances of all lengths, whose transcripts have many labels twice in a row."""
    draw = torch.Generator().manual_seed(seed)
    symbols = torch.randint(1, letters, (batch, most), generator=draw)
    again = torch.rand(batch, most, generator=draw) < 0.3
    for i in range(1, most):
        symbols[:, i] = torch.where(again[:, i], symbols[:, i - 1], symbols[:, i])
    lengths = torch.randint(1, steps + 1, (batch,), generator=draw)
    many = torch.randint(0, most + 1, (batch,), generator=draw)
    return scale * torch.randn(batch, steps, letters, generator=draw), symbols, lengths, many


@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_it_is_the_sum_over_all_paths(code: str, steps: int) -> None:
    """Of every transcript of up to three of two labels, the impossible ones among them, with gradients from the same sum."""
    draw = torch.Generator().manual_seed(steps)
    logits = 3 * torch.randn(steps, 3, generator=draw, dtype=torch.float64)
    exact = logits.clone().requires_grad_()
    log_probs = exact.log_softmax(-1)
    terms: dict[tuple[int, ...], list[Tensor]] = {}
    for path in itertools.product(range(3), repeat=steps):
        terms.setdefault(collapsed(path), []).append(log_probs[torch.arange(steps), torch.tensor(path)].sum())
    for count in range(4):
        for said in itertools.product((1, 2), repeat=count):
            symbols = torch.tensor([[*said, *[0] * (3 - count)]])
            found = loss_and_gradient(logits.float()[None], symbols, torch.tensor([steps]), torch.tensor([count]))
            if said not in terms:
                assert found[0].item() == math.inf
                assert found[1].isnan().all()
                continue
            loss = -torch.stack(terms[said]).logsumexp(0)
            (slope,) = torch.autograd.grad(loss, exact, retain_graph=True)
            assert found[0].item() == pytest.approx(loss.item(), rel=2e-6, abs=2e-6)
            torch.testing.assert_close(found[1][0].double(), slope, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("batch", "steps", "letters", "most"),
    [(40, 12, 5, 6), (9, 50, 31, 20), (5, 150, 7, 70), (6, 40, 16, 15), (6, 40, 17, 16), (3, 30, 300, 9), (2, 9, 1, 3)],
)
@pytest.mark.parametrize("scale", [0.0, 2.0, 40.0])
def test_it_equals_torchs_in_float64(code: str, batch: int, steps: int, letters: int, most: int, scale: float) -> None:
    """Lengths are drawn from 1 on, so that many transcripts are impossible, and empty ones are among them."""
    if letters == 1:  # the blank alone: only empty transcripts
        logits, lengths = torch.randn(batch, steps, 1), torch.full((batch,), steps)
        others = torch.zeros(batch, most, dtype=torch.int64), lengths, torch.zeros(batch, dtype=torch.int64)
    else:
        logits, *rest = draws(batch, steps, letters, most, scale)
        others = tuple(rest)
    found = loss_and_gradient(logits, *others)
    exact = loss_and_gradient(logits.double(), *others, engine="torch")
    assert bool(exact[0].isfinite().any())
    torch.testing.assert_close(found[0].double(), exact[0], rtol=3e-6, atol=1e-5)
    real = torch.arange(steps) < others[1][:, None]
    weights = 1 + torch.arange(batch)[:, None, None]
    torch.testing.assert_close(
        (found[1] / weights)[real].double(), (exact[1] / weights)[real], rtol=0, atol=1e-5, equal_nan=True
    )
    assert not found[1][~real].any()


def test_its_slopes_are_finite_differences() -> None:
    logits, symbols, _, _ = draws(2, 14, 6, 5)
    others = symbols, torch.tensor([14, 12]), torch.tensor([5, 4])
    _, slope = loss_and_gradient(logits, *others)
    draw = torch.Generator().manual_seed(1)
    for _ in range(20):
        towards = torch.randn(logits.shape, generator=draw)
        ends = [ctc_loss(logits + h * towards, *others, engine="kernel") for h in (-0.01, 0.01)]
        rise = float(((ends[1] - ends[0]).double() * torch.tensor([1, 2])).sum() / 0.02)
        assert float((slope * towards).sum()) == pytest.approx(rise, rel=2e-3, abs=5e-3)


def test_a_gradient_sums_to_nothing_in_each_frame_even_after_thousands(code: str) -> None:
    logits, symbols, _, _ = draws(1, 4000, 12, 300)
    found = loss_and_gradient(logits, symbols, torch.tensor([4000]), torch.tensor([300]))
    exact = loss_and_gradient(logits.double(), symbols, torch.tensor([4000]), torch.tensor([300]), engine="torch")
    assert found[0].item() == pytest.approx(exact[0].item(), rel=1e-6)
    assert float(found[1].sum(-1).abs().max()) < 2e-6
    assert float((found[1] - exact[1]).abs().max()) < 2e-5


def test_what_is_less_probable_than_any_float_is_not_impossible(code: str) -> None:
    """A network that says blanks alone, as all do early, with 40 nats for each of 200 letters."""
    logits = torch.zeros(1, 500, 4)
    logits[..., 0] = 40.0
    symbols = torch.tensor([[1, 2] * 100])
    others = symbols, torch.tensor([500]), torch.tensor([200])
    found, exact = loss_and_gradient(logits, *others), loss_and_gradient(logits.double(), *others, engine="torch")
    assert exact[0].item() > 7000
    assert found[0].item() == pytest.approx(exact[0].item(), rel=1e-6)
    assert float((found[1] - exact[1]).abs().max()) < 2e-5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_infinities_and_nan_go_where_torchs_go(code: str, bad: float) -> None:
    """A logit of a label, of the blank, or of a symbol that is not said; the other utterance is as before. Of -inf torch's slope is
    NaN; here it is that of a symbol that cannot be."""
    logits, symbols, _, _ = draws(2, 10, 5, 3)
    symbols[0] = torch.tensor([1, 2, 2])
    others = symbols, torch.tensor([8, 10]), torch.tensor([3, 2])
    for frame, symbol in ((0, 4), (2, 1), (7, 3), (4, 0), (5, 2)):
        spoilt = logits.clone()
        spoilt[0, frame, symbol] = bad
        found = loss_and_gradient(spoilt, *others)
        exact = loss_and_gradient(spoilt.clamp(min=-1e4).double(), *others, engine="torch")
        assert found[0][0].isnan() == exact[0][0].isnan() == (bad != -math.inf)
        torch.testing.assert_close(found[0].double(), exact[0], equal_nan=True, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[1][:, :8].double(), exact[1][:, :8], equal_nan=True, rtol=0, atol=2e-5)
    spoilt = logits.clone()
    spoilt[0, 8:] = bad
    assert torch.equal(loss_and_gradient(spoilt, *others)[1], loss_and_gradient(logits, *others)[1])
    spoilt = logits.clone()
    spoilt[0, 3] = -math.inf
    assert loss_and_gradient(spoilt, *others)[0].isnan().tolist() == [True, False]


def test_company_padding_strides_and_threads_change_nothing(code: str) -> None:
    logits, symbols, lengths, many = draws(12, 60, 20, 25)
    lengths[0], many[0] = 60, 25
    whole = loss_and_gradient(logits, symbols, lengths, many)
    threads = torch.get_num_threads()
    try:
        for torch_threads in (1, 3):
            torch.set_num_threads(torch_threads)
            large = [part.repeat(40, *[1] * (part.dim() - 1)) for part in (logits, symbols, lengths, many)]
            loss, gradient = loss_and_gradient(*large)
            assert torch.equal(loss.view(40, 12)[-1], whole[0]) or whole[0].isnan().any()
            each = gradient / (1 + torch.arange(480))[:, None, None]
            torch.testing.assert_close(each[-12:], whole[1] / (1 + torch.arange(12))[:, None, None], equal_nan=True)
    finally:
        torch.set_num_threads(threads)
    turned = logits.transpose(0, 1).contiguous().transpose(0, 1)
    doubled = torch.stack([logits, logits], -1)[..., 1]
    for other in (turned, doubled):
        again = loss_and_gradient(other, symbols, lengths, many)
        assert all(torch.equal(a.nan_to_num(7), b.nan_to_num(7)) for a, b in zip(again, whole, strict=True))
    for i in range(12):
        t, n = int(lengths[i]), int(many[i])
        alone = ctc_loss(logits[i : i + 1, :t], symbols[i : i + 1, :n], lengths[i : i + 1], many[i : i + 1], "kernel")
        assert alone.item() == whole[0][i].item()


def test_a_recording_of_no_frames_says_nothing() -> None:
    nothing = torch.tensor([0, 0])
    loss = ctc_loss(torch.randn(2, 3, 4), torch.tensor([[1], [1]]), nothing, torch.tensor([0, 1]), "kernel")
    assert loss.tolist() == [0.0, math.inf]


@pytest.mark.parametrize(
    ("symbols", "lengths", "many"),
    [([[4, 1]], [5], [2]), ([[-1, 1]], [5], [1]), ([[1, 1]], [6], [1]), ([[1, 1]], [5], [3]), ([[1, 1]], [-1], [1])],
)
def test_what_is_out_of_range_is_refused(symbols: list[list[int]], lengths: list[int], many: list[int]) -> None:
    with pytest.raises(IndexError, match="utterance 0"):
        ctc_loss(torch.randn(1, 5, 4), torch.tensor(symbols), torch.tensor(lengths), torch.tensor(many), "kernel")
    ctc_loss(torch.randn(1, 5, 4), torch.tensor([[1, 9]]), torch.tensor([5]), torch.tensor([1]), "kernel")  # not said


def test_what_the_kernels_do_not_take_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, symbols, lengths, many = draws(4, 30, 6, 5)
    lengths += 30 - lengths.max()
    exact = functional.ctc_loss(
        logits.double().log_softmax(-1).transpose(0, 1), symbols, lengths, many, reduction="none"
    )
    found = ctc_loss(logits.double(), symbols.int(), lengths.int(), many.int())
    assert torch.equal(found, exact)
    monkeypatch.setattr("samoyed.layers.ctc.loss.available", lambda: False)
    torch.testing.assert_close(ctc_loss(logits, symbols, lengths, many).double(), exact, rtol=1e-5, atol=1e-5)


def test_it_is_an_operator_as_torch_wants_them() -> None:
    logits, symbols, lengths, many = draws(3, 9, 5, 3)
    lengths[:] = 9
    torch.library.opcheck(ctc, (logits.requires_grad_(), symbols, lengths, many, True))
    loss = ctc_loss(logits, symbols, lengths, many, "kernel").sum()
    (slope,) = torch.autograd.grad(loss, logits, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.grad(slope.sum(), logits)


def test_without_a_gradient_the_loss_is_the_same(code: str) -> None:
    logits, symbols, lengths, many = draws(6, 40, 9, 10)
    with torch.no_grad():
        found = ctc_loss(logits, symbols, lengths, many, "kernel")
    assert torch.equal(found, loss_and_gradient(logits, symbols, lengths, many)[0])
