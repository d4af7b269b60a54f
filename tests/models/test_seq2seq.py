"""The encoder-decoder: the same weights in a plain loop over torch.nn's cells give the same numbers; padding changes nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed.decoding.search import Scored, beam, greedy
from samoyed.models.seq2seq import Seq2Seq

FORMS: list[dict[str, Any]] = [
    {"attention": "none"},
    {"attention": "general"},
    {"attention": "dot", "num_layers": 2},
    {"attention": "general", "input_feeding": True, "num_layers": 2},
    {"attention": "additive"},
    {"attention": "additive", "tied": False, "bidirectional": False},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: "-".join(map(str, f.values())))
each_cell = pytest.mark.parametrize("cell", ["lstm", "gru"])
SOURCE, TARGET = 9, 8


def made(form: dict[str, Any], cell: str = "lstm", **more: Any) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 10}
    model = Seq2Seq(source_vocab_size=SOURCE, target_vocab_size=TARGET, cell=cell, **sizes, **form, **more)  # type: ignore[arg-type]
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.double().eval()


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    sources = torch.randint(SOURCE, (4, 7), generator=draw)
    targets = torch.randint(TARGET, (4, 5), generator=draw)
    return sources, torch.tensor([7, 3, 1, 5]), targets


def cell_of(layer: nn.Module, kind: str, number: int, size: int, reverse: bool = False) -> nn.Module:
    """torch.nn's cell with the weights of one layer and direction."""
    suffix = f"_l{number}{'_reverse' if reverse else ''}"
    weights = {name: getattr(layer, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    kinds: dict[str, Any] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}
    cell: nn.Module = kinds[kind](weights["weight_ih"].shape[1], size).double()
    cell.load_state_dict({name: w.detach() for name, w in weights.items()})
    return cell


def first(state: Any) -> Tensor:
    h: Tensor = state[0] if isinstance(state, tuple) else state
    return h


def by_hand(model: Seq2Seq, kind: str, form: dict[str, Any], source: Tensor, target: Tensor) -> Tensor:
    """source [S], target [T] of one pair, without padding -> logits [T, V]: the docstring's equations, a step at a time."""
    layers, directions = form.get("num_layers", 1), 2 if form.get("bidirectional", True) else 1
    x, finals = [model.source_embedding.weight[w] for w in source], []
    for number in range(layers):
        ways = []
        for reverse in (False, True)[:directions]:
            cell = cell_of(model.encoder, kind, number, 10 // directions, reverse)
            state, answers = None, []
            for word in reversed(x) if reverse else x:
                state = cell(word[None], state)
                answers.append(first(state)[0])
            ways.append(list(reversed(answers)) if reverse else answers)
            finals.append(state if isinstance(state, tuple) else (state,))
        x = [torch.cat(parts) for parts in zip(*ways, strict=True)]
    memory = torch.stack(x)
    states = []
    for number in range(layers):
        parts = []
        for kept in range(2 if kind == "lstm" else 1):
            joined = torch.cat([finals[number * directions + d][kept][0] for d in range(directions)])
            parts.append(torch.tanh(model.bridge[kept * layers + number](joined))[None])
        states.append(tuple(parts) if len(parts) > 1 else parts[0])
    cells = [cell_of(model.decoder, kind, number, 10) for number in range(layers)]
    attend = model.attention

    def context_of(query: Tensor) -> Tensor:
        if form["attention"] == "dot":
            scores = memory @ query
        elif form["attention"] == "general":
            scores = memory @ attend.key.weight.T @ query  # type: ignore[union-attr]
        else:
            inner = torch.tanh(memory @ attend.key.weight.T + attend.query.weight @ query + attend.query.bias)  # type: ignore[union-attr]
            scores = inner @ attend.vector.weight[0]  # type: ignore[union-attr]
        return scores.softmax(0) @ memory

    read = torch.zeros(model.readout.out_features, dtype=torch.float64)
    logits = []
    for word in [TARGET - 1, *target.tolist()[:-1]]:
        inputs = [model.target_embedding.weight[word]]
        context = None
        if form["attention"] == "additive":
            context = context_of(first(states[-1])[0])
            inputs.append(context)
        elif form.get("input_feeding"):
            inputs.append(read)
        h = torch.cat(inputs)[None]
        for number, cell in enumerate(cells):
            states[number] = cell(h, states[number])
            h = first(states[number])
        if form["attention"] in ("dot", "general"):
            context = context_of(h[0])
        read = torch.tanh(model.readout(h[0] if context is None else torch.cat([context, h[0]])))
        logits.append(model.output(read))
    return torch.stack(logits)


@each_form
@each_cell
@torch.no_grad()
def test_it_is_its_equations(form: dict[str, Any], cell: str) -> None:
    """Every pair alone, through torch.nn's cells step by step, in float64: equal to 1e-10 to the padded batch."""
    model = made(form, cell)
    sources, lengths, targets = batch()
    logits = model(sources, lengths, targets)
    for row, length in enumerate(lengths.tolist()):
        expected = by_hand(model, cell, form, sources[row, :length], targets[row])
        assert torch.allclose(logits[row], expected, atol=1e-10, rtol=1e-10)


@each_form
@torch.no_grad()
def test_padding_changes_nothing(form: dict[str, Any]) -> None:
    model = made(form)
    sources, lengths, targets = batch()
    logits = model(sources, lengths, targets)
    other = torch.cat([sources, torch.zeros(4, 3, dtype=torch.int64)], 1)
    other[torch.arange(10) >= lengths[:, None]] = 5
    assert torch.allclose(model(other, lengths, targets), logits, atol=1e-12)
    mask = torch.arange(5) < torch.tensor([5, 2, 4, 1])[:, None]
    assert torch.allclose(model(sources, lengths, targets, mask), logits[mask], atol=1e-12)
    weights = model.align(other, lengths, targets)
    if form["attention"] == "none":
        assert weights is None
    else:
        assert torch.allclose(weights.sum(-1), torch.ones(4, 5, dtype=torch.float64))  # type: ignore[union-attr]
        assert not weights[:, :, 7:].any()  # type: ignore[index]


@each_form
@each_cell
@torch.no_grad()
def test_steps_say_what_the_whole_says(form: dict[str, Any], cell: str) -> None:
    """Step by step, in three hypotheses each, the logits are those of the whole sequence at once."""
    model = made(form, cell)
    sources, lengths, targets = batch()
    whole = model(sources, lengths, targets)
    memory, state = model.encode(sources, lengths)
    state = (tuple(p.expand(-1, 3, -1, -1) for p in state[0]), state[1].expand(-1, 3, -1))
    tokens = torch.full((4, 3), TARGET - 1)
    for time in range(5):
        logits, state, _ = model.step(tokens, state, memory)
        for beam_ in range(3):
            assert torch.allclose(logits[:, beam_], whole[:, time], atol=1e-10)
        tokens = targets[:, time, None].expand(-1, 3)


@torch.no_grad()
def test_a_beam_scores_as_the_model_does() -> None:
    """The log-probabilities that the search gives are those of the teacher-forced model, the end among them."""
    model = made({"attention": "general"})
    sources, lengths, _ = batch(1)
    memory, state = model.encode(sources, lengths)

    def step(tokens: Tensor, state: Any) -> Scored:
        logits, state, weights = model.step(tokens, state, memory)
        return Scored(logits.log_softmax(-1), state, weights)

    end, longest = TARGET - 1, torch.full((4,), 9)
    for found in (
        greedy(step, state, end, end, longest),
        beam(step, state, end, end, longest, width=4, n_best=3, length_penalty=1.0),
    ):
        for n in range(found.tokens.shape[1]):
            targets = torch.cat([found.tokens[:, n], torch.full((4, 1), end)], 1)
            log_probs = model(sources, lengths, targets).log_softmax(-1).gather(2, targets[..., None])[..., 0]
            counted = torch.arange(targets.shape[1]) <= found.lengths[:, n, None]
            assert torch.allclose((log_probs * counted).sum(1), found.log_probs[:, n].double(), atol=1e-5)


def test_scheduled_sampling_gives_the_decoder_its_own_words() -> None:
    """With probability 0 the right words are given; near 1 those it says when the right ones are given, in all places."""
    model = made({"attention": "general"}, sampling=0.999999, dropout=0.0)
    sources, lengths, targets = batch()
    right = model(sources, lengths, targets)
    own = torch.cat([right.argmax(-1)[:, :-1], targets[:, :1]], 1)  # the last is given to nobody
    expected = model(sources, lengths, own)
    model.train()
    assert torch.allclose(model(sources, lengths, targets), expected)
    assert not torch.allclose(right, expected)


def test_tied_words_share_one_matrix() -> None:
    tied, free = made({"tied": True}), made({"tied": False})
    assert tied.output.weight is tied.target_embedding.weight
    assert free.output.weight is not free.target_embedding.weight
    assert "output.weight" in dict(free.named_parameters())


@pytest.mark.parametrize(
    "wrong", [{"hidden_size": 9}, {"attention": "none", "input_feeding": True}], ids=["odd", "nothing to feed"]
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Seq2Seq(source_vocab_size=4, target_vocab_size=4, **wrong)
