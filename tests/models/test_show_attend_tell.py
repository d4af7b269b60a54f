"""Show, attend and tell: its equations by hand, REINFORCE against the exact gradient, padding that changes nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed.models.show_attend_tell import ShowAttendTell

WORDS, SHAPE = 7, (3, 26, 24)
FORMS: list[dict[str, Any]] = [
    {"attention": "general"},
    {"attention": "dot", "cell": "gru"},
    {"attention": "additive"},
    {"attention": "general", "hard": True, "num_layers": 2},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: "-".join(map(str, f.values())))


def made(**form: Any) -> ShowAttendTell:
    torch.manual_seed(0)
    sizes = {"width": 4, "embedding_size": 6, "hidden_size": 8, "dropout": 0.0}
    model = ShowAttendTell(image_shape=SHAPE, caption_vocab_size=WORDS, **(sizes | form))
    for name, parameter in model.named_parameters():
        if "convolutions" not in name:
            nn.init.normal_(parameter, std=0.7)
    return model.double().eval()


def batch() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, *SHAPE, generator=draw, dtype=torch.float64)
    return images, torch.randint(WORDS, (2, 3, 5), generator=draw)


def by_hand(model: ShowAttendTell, form: dict[str, Any], image: Tensor, caption: Tensor) -> tuple[Tensor, Tensor]:
    """One caption [T] of one picture, a word at a time through torch.nn's cells: logits [T, V], weights [T, S]."""
    maps = model.convolutions(image[None])[0]
    high, wide = maps.shape[1:]
    rows = []
    for i in range(high):
        for j in range(wide):
            at = torch.tensor([2 * i / (high - 1) - 1, 2 * j / (wide - 1) - 1], dtype=torch.float64)
            rows.append(torch.tanh(model.place(torch.cat([maps[:, i, j], at]))))
    a = torch.stack(rows)
    kind, layers = form.get("cell", "lstm"), form.get("num_layers", 1)
    starts = [torch.tanh(f(a.mean(0)))[None] for f in model.bridge]
    states: list[Any] = [(starts[n], starts[layers + n]) if kind == "lstm" else starts[n] for n in range(layers)]
    cells = []
    for n in range(layers):
        weights = {k: getattr(model.decoder, f"{k}_l{n}") for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        cell: Any = (nn.LSTMCell if kind == "lstm" else nn.GRUCell)(weights["weight_ih"].shape[1], 8).double()
        cell.load_state_dict({k: w.detach() for k, w in weights.items()})
        cells.append(cell)

    def top() -> Tensor:
        state = states[-1]
        return (state[0] if kind == "lstm" else state)[0]

    attend: Any = model.attention
    logits, looks = [], []
    for word in [WORDS - 1, *caption.tolist()[:-1]]:
        x = model.target_embedding.weight[word]
        if form["attention"] == "additive":
            inner = torch.tanh(a @ attend.key.weight.T + attend.query.weight @ top() + attend.query.bias)
            alpha = (inner @ attend.vector.weight[0]).softmax(0)
            x = torch.cat([x, alpha @ a])
        x = x[None]
        for n, cell in enumerate(cells):
            states[n] = cell(x, states[n])
            x = states[n][0] if kind == "lstm" else states[n]
        if form["attention"] != "additive":
            keys = a if form["attention"] == "dot" else a @ attend.key.weight.T
            alpha = (keys @ top()).softmax(0)
        z = a[alpha.argmax()] if form.get("hard") else alpha @ a
        logits.append(model.output(torch.tanh(model.readout(torch.cat([z, top()])))))
        looks.append(alpha)
    return torch.stack(logits), torch.stack(looks)


@each_form
@torch.no_grad()
def test_it_is_its_equations(form: dict[str, Any]) -> None:
    """Every caption of every picture alone, in float64: equal to 1e-10 to all of them at once, and step by step."""
    model = made(**form)
    images, captions = batch()
    told, weights = model(images, captions), model.align(images, captions)
    assert float(told.besides) == 0
    memory, state = model.encode(images)
    state = (tuple(part.expand(-1, 3, -1, -1) for part in state[0]), state[1].expand(-1, 3, -1))
    tokens = torch.full((2, 3), WORDS - 1)
    steps = []
    for time in range(5):
        logits, state, _ = model.step(tokens, state, memory)
        steps.append(logits)
        tokens = captions[..., time]
    assert torch.allclose(torch.stack(steps, 2), told.logits, atol=1e-10)
    for row in range(2):
        for k in range(3):
            logits, looks = by_hand(model, form, images[row], captions[row, k])
            assert torch.allclose(told.logits[row, k], logits, atol=1e-10)
            assert torch.allclose(weights[row, k], looks, atol=1e-10)
    assert model.grid == (13, 12)


def test_masked_places_count_nothing() -> None:
    model = made(attention="general")
    images, captions = batch()
    mask = torch.arange(5) < torch.tensor([[5, 2, 0], [1, 4, 3]])[..., None]
    other = torch.where(mask, captions, 2)
    with torch.no_grad():
        assert torch.allclose(model(images, other, mask).logits, model(images, captions).logits[mask], atol=1e-12)


def test_coverage_is_the_papers() -> None:
    model = made(attention="general", coverage=0.5).train()
    images, captions = batch()
    mask = torch.arange(5) < torch.tensor([[5, 2, 0], [1, 4, 3]])[..., None]
    with torch.no_grad():
        found, weights = model(images, captions, mask).besides, model.align(images, captions)
    expected = sum(
        0.5 * ((1 - weights[i, k, :n].sum(0)) ** 2).sum()
        for i, row in enumerate([[5, 2, 0], [1, 4, 3]])
        for k, n in enumerate(row)
        if n
    )
    assert torch.allclose(found, torch.as_tensor(expected))


def test_reinforce_is_the_gradient_of_the_expected_log_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word of one picture of S places: the mean over all looks, each weighed by its probability, of what one look gives is the
    gradient of sum_s alpha_s log p(y | s) + entropy H[alpha], to 1e-9."""
    model = made(attention="general", hard=True, entropy=0.3, expected=0.0).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    images, captions = batch()
    images, captions = images[:1], captions[:1, :1, :1]
    parameters = dict(model.named_parameters())

    def loss_of(place: int) -> Tensor:
        monkeypatch.setattr(model, "draw", lambda weights: torch.full(weights.shape[:2], place))
        told = model(images, captions)
        return nn.functional.cross_entropy(told.logits.flatten(0, 2), captions.flatten()) + told.besides

    alpha = model.align(images, captions)[0, 0, 0]
    places = len(alpha)
    one_look = sum((p * loss_of(s) for s, p in enumerate(alpha.detach())), start=torch.zeros((), dtype=torch.float64))
    found = torch.autograd.grad(one_look, list(parameters.values()), allow_unused=True)

    memory, state = model.encode(images)
    hidden = model.hidden_all(model.target_embedding(model.before(captions)), state)
    looks = [model.logits(model.read(hidden, memory.values[:, s].view(1, 1, 1, -1))) for s in range(places)]
    surprise = torch.stack([nn.functional.cross_entropy(x.flatten(0, 2), captions.flatten()) for x in looks])
    entropy = -(alpha * alpha.log()).sum()
    exact = torch.autograd.grad((alpha * surprise).sum() - 0.3 * entropy, list(parameters.values()), allow_unused=True)
    for name, mine, right in zip(parameters, found, exact, strict=True):
        assert (mine is None) == (right is None), name
        if mine is not None:
            assert torch.allclose(mine, right, atol=1e-9), name


def test_hard_looks_are_drawn_from_the_weights() -> None:
    model = made(attention="general", hard=True)
    torch.manual_seed(0)
    weights = torch.tensor([0.1, 0.2, 0.7]).expand(1, 30_000, 3)
    shares = torch.bincount(model.draw(weights)[0], minlength=3) / 30_000
    assert torch.allclose(shares, weights[0, 0], atol=0.01)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="hard attention needs"):
        made(attention="additive", hard=True)
