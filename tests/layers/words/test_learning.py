"""The kernels take the steps of the equations: the same draws, the same numbers, in every instruction set."""

import math
from collections.abc import Iterator

import pytest
import torch

from samoyed.layers.words import learning, reference, tables
from samoyed.layers.words.learning import Tables, learn, padded
from samoyed.layers.words.library import library
from samoyed.layers.words.reference import Rules

COUNTS = [int(4000 / (i + 2)) for i in range(60)]
KINDS = {
    "skip-gram": (False, False, False, False),
    "skip-gram, tree": (False, False, False, True),
    "skip-gram, shared": (False, True, False, False),
    "cbow": (True, False, False, False),
    "cbow, tree": (True, False, False, True),
    "cbow, corrected": (True, False, True, False),
    "cbow, shared": (True, True, False, False),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
needs_kernels = pytest.mark.skipif(library() is None, reason="no kernels on this machine")


def rules(kind: str, window: int = 3, negatives: int = 5, subsample: float = 0.02) -> Rules:
    cbow, shared, corrected, tree = KINDS[kind]
    paths = tables.tree(COUNTS) if tree else None
    kept = tables.keep(COUNTS, subsample)
    return Rules(window, negatives, cbow, shared, corrected, kept, tables.noise(COUNTS), paths)


def text(length: int, seed: int = 0) -> torch.Tensor:
    """A text of 60 words with their counts, in sentences of 1 to 40; words beside each other belong together."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.multinomial(torch.tensor(COUNTS, dtype=torch.float64), length, True, generator=generator)
    words[1::2] = (words[::2] ^ 1)[: len(words[1::2])].clamp(max=59)
    ends = torch.rand(length, generator=generator) < 0.1
    return torch.where(ends, -1, words).to(torch.int32)


def matrices(size: int, tree: bool) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    into, output = padded(60, size), padded(59 if tree else 60, size)
    into.normal_(0, 0.3, generator=generator)
    output.normal_(0, 0.3, generator=generator)
    return into, output


@pytest.fixture(params=["avx512", "avx2", "portable"])
def code(request: pytest.FixtureRequest) -> Iterator[str]:
    kernels = library()
    if kernels is None or not kernels.samoyed_choose(request.param.encode()):
        pytest.skip(f"no {request.param} here")
    yield request.param
    kernels.samoyed_choose(None)


@each_kind
@pytest.mark.parametrize("size", [5, 16, 100, 300])
def test_the_kernels_take_the_steps_of_the_equations_in_float64(kind: str, size: int, code: str) -> None:
    made, tokens = Tables(rules(kind)), text(700)
    into, output = matrices(size, made.rules.tree is not None)
    exact = [into.double().contiguous(), output.double().contiguous()]
    expected = reference.learn(made.rules, *exact, tokens, 1234, 99, 0.05)
    found = learn(made, into, output, tokens, 1234, 99, 0.05, engine="kernel")
    assert (found.steps, found.words) == expected[1:]
    assert found.steps > 300
    assert found.loss == pytest.approx(expected[0], rel=1e-5)
    for mine, other in zip((into, output), exact, strict=True):
        assert float((mine.double() - other).abs().max()) < 2e-5
    assert not padded_part(into).any()


def padded_part(rows: torch.Tensor) -> torch.Tensor:
    """The zeros that follow each row."""
    stride = rows.stride(0)
    return torch.as_strided(rows, (len(rows), stride), (stride, 1))[:, rows.shape[1] :]


@needs_kernels
@pytest.mark.parametrize(("window", "negatives", "subsample"), [(1, 1, 0.0), (10, 63, 1e-3), (64, 2, 0.0)])
@pytest.mark.parametrize("kind", ["skip-gram", "skip-gram, shared", "cbow", "cbow, shared"])
def test_the_ends_of_what_may_be_set(kind: str, window: int, negatives: int, subsample: float) -> None:
    made, tokens = Tables(rules(kind, window, negatives, subsample)), text(300)
    into, output = matrices(7, False)
    exact = [into.double().contiguous(), output.double().contiguous()]
    expected = reference.learn(made.rules, *exact, tokens, 0, 3, 0.01)
    found = learn(made, into, output, tokens, 0, 3, 0.01, engine="kernel")
    assert (found.steps, found.words) == expected[1:]
    for mine, other in zip((into, output), exact, strict=True):
        assert float((mine.double() - other).abs().max()) < 1e-4


@each_kind
def test_a_step_is_the_gradient(kind: str) -> None:
    """The change of every number over the rate is the slope of the loss, by finite differences, times what CBOW leaves out."""
    made, tokens = rules(kind, window=2, negatives=3, subsample=0.0), text(4, seed=4)[:3].clamp(min=0)
    before = [m.double().contiguous() for m in matrices(4, made.tree is not None)]
    groups = 10**6  # all steps from the values before
    after = [m.clone() for m in before]
    loss = reference.learn(made, *after, tokens, 0, 5, 1.0, groups)[0]
    if made.cbow and not made.corrected:
        made = made._replace(corrected=True)
        exact = [m.clone() for m in before]
        reference.learn(made, *exact, tokens, 0, 5, 1.0, groups)
        assert torch.equal(exact[1], after[1])
        assert not torch.equal(exact[0], after[0])
        after = exact
    for which in (0, 1):
        slope = torch.zeros_like(before[which])
        for at in range(slope.numel()):
            values = []
            for h in (-1e-5, 1e-5):
                moved = [m.clone() for m in before]
                moved[which].view(-1)[at] += h
                values.append(reference.learn(made, *moved, tokens, 0, 5, 0.0, groups)[0])
            slope.view(-1)[at] = (values[1] - values[0]) / 2e-5
        moved_by = after[which] - before[which]
        assert float(moved_by.abs().max()) > 0.01
        assert float((moved_by + slope).abs().max()) < 1e-7
    assert loss > 0


@needs_kernels
@each_kind
def test_one_thread_gives_the_same_numbers_and_draws_do_not_depend_on_threads(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_LEAST", 100)
    made, tokens = Tables(rules(kind)), text(3000)
    ends = []
    for threads in (1, 1, 4):
        into, output = matrices(10, made.rules.tree is not None)
        ends.append((learn(made, into, output, tokens, 0, 1, 1e-4, threads, "kernel"), into, output))
    assert ends[0][0] == ends[1][0]
    assert torch.equal(ends[0][1], ends[1][1])
    assert torch.equal(ends[0][2], ends[1][2])
    assert ends[2][0][1:] == ends[0][0][1:]
    assert ends[2][0].loss == pytest.approx(ends[0][0].loss, rel=1e-2)
    assert float((ends[2][1] - ends[0][1]).abs().max()) < 1e-2


@each_kind
def test_it_learns_and_so_does_pytorch(kind: str) -> None:
    made, tokens = Tables(rules(kind, subsample=0.0)), text(3000)
    for engine in ("auto", "torch") if kind == "skip-gram" else ("auto",):
        into, output = matrices(16, made.rules.tree is not None)
        losses = []
        for epoch in range(6 if engine == "auto" else 2):
            done = learn(made, into, output, tokens, 0, epoch, 0.05, 1, engine)
            losses.append(done.loss / done.steps)
        assert losses[-1] < losses[0] - 0.02


def test_noise_is_drawn_as_its_table_says() -> None:
    table = tables.noise(COUNTS)
    drawn = reference.draw(reference.mixed(torch.arange(200_000)), 0)
    found = reference.noise_words(table, drawn).bincount(minlength=60).double() / 200_000
    expected = torch.tensor(COUNTS, dtype=torch.float64) ** 0.75
    expected /= expected.sum()
    assert float(((found - expected) ** 2 / expected).sum() * 200_000) < 120  # chi-square, 59 degrees


def test_the_tree_is_huffmans_and_its_probabilities_add_up() -> None:
    made = tables.tree(COUNTS)
    lengths = (made.first[1:] - made.first[:-1]).double()
    assert float((0.5**lengths).sum()) == 1
    share = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
    entropy = float(-(share * share.log2()).sum())
    assert entropy <= float((share * lengths).sum()) < entropy + 1
    nodes, signs = reference.along(made, torch.arange(60))
    turns = torch.randn(59, dtype=torch.float64)[nodes] * signs
    logs = torch.where(signs != 0, torch.nn.functional.logsigmoid(turns), 0).sum(1)
    assert float(logs.exp().sum()) == pytest.approx(1)


def test_words_are_kept_by_the_formula() -> None:
    kept = tables.keep([900, 90, 10], 0.01).double() / 2**32
    assert kept.tolist() == pytest.approx([math.sqrt(0.01 / f) + 0.01 / f for f in (0.9, 0.09)] + [1.0], rel=1e-6)
    assert set(tables.keep([9, 1], 0).tolist()) == {tables.CERTAIN}


@needs_kernels
def test_a_wrong_engine_is_refused() -> None:
    into, output = (m.double() for m in matrices(4, False))
    with pytest.raises(RuntimeError, match="no float32"):
        learn(Tables(rules("cbow")), into, output, text(10), 0, 0, 0.1, engine="kernel")
