"""Listen, attend and spell: a plain loop over torch.nn's cells gives the same numbers, padding changes nothing, the search is right."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed import samples
from samoyed.decoding.ctc import Lexicon
from samoyed.decoding.language import LanguageModel
from samoyed.models.las import LAS
from samoyed.tasks import _spelling
from samoyed.tasks.automatic_speech_recognition import AutomaticSpeechRecognition

FORMS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "pyramid": 1},
    {"input_feeding": False, "attention": "dot", "hidden_size": 6},
    {"attention": "additive", "pyramid": 3},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: "-".join(map(str, f.values())) or "paper")
FRAME, LETTERS = 4, 5  # the last of which is the end


def made(form: dict[str, Any], **more: Any) -> LAS:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"listener_size": 3, "embedding_size": 4, "hidden_size": 7, **form, **more}
    model = LAS(frame_size=FRAME, num_symbols=LETTERS, **sizes)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.double().eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    frames = torch.randn(4, 11, FRAME, generator=draw, dtype=torch.float64)
    return frames, torch.tensor([11, 4, 1, 7]), torch.randint(LETTERS - 1, (4, 5), generator=draw)


def cell_of(layer: nn.Module, number: int = 0, reverse: bool = False) -> nn.LSTMCell:
    suffix = f"_l{number}{'_reverse' if reverse else ''}"
    weights = {name: getattr(layer, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    cell = nn.LSTMCell(weights["weight_ih"].shape[1], weights["weight_hh"].shape[1]).double()
    cell.load_state_dict({name: w.detach() for name, w in weights.items()})
    return cell


def by_hand(model: LAS, frames: Tensor, targets: Tensor, form: dict[str, Any]) -> Tensor:
    """frames [T, F] of one recording, targets [L] -> logits [L, V]: the docstring's equations, a step at a time."""
    heard = list(frames)
    for number, layer in enumerate(model.listener):
        if number:
            heard += [torch.zeros_like(heard[0])] * (len(heard) % 2)
            heard = [torch.cat([heard[i], heard[i + 1]]) for i in range(0, len(heard), 2)]
        ways = []
        for reverse in (False, True):
            cell, state, answers = cell_of(layer, reverse=reverse), None, []
            for x in reversed(heard) if reverse else heard:
                state = cell(x[None], state)
                answers.append(state[0][0])
            ways.append(answers[::-1] if reverse else answers)
        heard = [torch.cat(both) for both in zip(*ways, strict=True)]
    memory, attend = torch.stack(heard), model.attention
    assert attend is not None
    cells = [cell_of(model.decoder, number) for number in range(model.decoder.num_layers)]
    states = [(torch.zeros(1, c.hidden_size, dtype=torch.float64),) * 2 for c in cells]

    def context(query: Tensor) -> Tensor:
        if attend.score == "dot":
            scores = memory @ query
        elif attend.score == "general":
            scores = memory @ attend.key.weight.T @ query
        else:
            scores = torch.tanh(memory @ attend.key.weight.T + attend.query(query)) @ attend.vector.weight[0]
        return scores.softmax(0) @ memory

    read, said = torch.zeros(model.readout.out_features, dtype=torch.float64), []
    for letter in [LETTERS - 1, *targets.tolist()[:-1]]:
        x = [model.target_embedding.weight[letter]]
        early = context(states[-1][0][0]) if attend.score == "additive" else None
        if early is not None:
            x.append(early)
        elif form.get("input_feeding", True):
            x.append(read)
        h = torch.cat(x)[None]
        for number, cell in enumerate(cells):
            states[number] = cell(h, states[number])
            h = states[number][0]
        c = context(h[0]) if early is None else early
        read = torch.tanh(model.readout(torch.cat([c, h[0]])))
        said.append(model.output(read))
    return torch.stack(said)


@each_form
@torch.no_grad()
def test_it_is_its_equations(form: dict[str, Any]) -> None:
    """Every recording alone through torch.nn's cells, in float64: equal to 1e-10 to the padded batch."""
    model = made(form)
    frames, lengths, targets = batch()
    logits = model(frames, lengths, targets)
    for row, length in enumerate(lengths.tolist()):
        expected = by_hand(model, frames[row, :length], targets[row], form)
        assert torch.allclose(logits[row], expected, atol=1e-10, rtol=1e-10)


@each_form
@torch.no_grad()
def test_padding_changes_nothing(form: dict[str, Any]) -> None:
    model = made(form)
    frames, lengths, targets = batch()
    wide = torch.cat([frames, torch.zeros(4, 6, FRAME)], 1)
    wide[torch.arange(17) >= lengths[:, None]] = 9.0
    assert torch.allclose(model(wide, lengths, targets), model(frames, lengths, targets), atol=1e-12)
    weights = model.align(wide, lengths, targets)
    assert torch.allclose(weights.sum(-1), torch.ones(4, 5, dtype=torch.float64))
    places = [-(-length // 2 ** form.get("pyramid", 2)) for length in lengths.tolist()]
    for row, count in enumerate(places):
        assert not weights[row, :, count:].any()


@torch.no_grad()
def test_a_transcripts_surprise_is_that_of_its_letters_and_the_end() -> None:
    """Padded transcripts of 0 to 4 letters: the sum of -log p letter by letter, the end included."""
    model = made({})
    frames, lengths, letters = batch()
    counts = torch.tensor([4, 0, 2, 1])
    symbols = (letters[:, :4] + 1) * (torch.arange(4) < counts[:, None])
    found = _spelling.surprise(model, frames, lengths, symbols.int(), counts.int())
    for row, count in enumerate(counts.tolist()):
        targets = torch.cat([letters[row, :count], torch.tensor([LETTERS - 1])])
        log_probs = by_hand(model, frames[row, : lengths[row]], targets, {}).log_softmax(-1)
        expected = -log_probs.gather(1, targets[:, None]).sum()
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-9)


def every(most: int, letters: int = LETTERS - 1) -> list[tuple[int, ...]]:
    """All transcripts of at most so many letters, as symbols."""
    return [t for n in range(most + 1) for t in itertools.product(range(1, letters + 1), repeat=n)]


class Bigrams(nn.Module):
    """A language model over three tokens: what follows depends on the last alone."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.table = 2 * torch.randn(6, 6, generator=draw)

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.table[tokens], state


def score(model: LAS, frames: Tensor, length: int, symbols: tuple[int, ...]) -> float:
    given = torch.tensor([symbols or (0,)])
    return -float(
        _spelling.surprise(model, frames[:, :length], torch.tensor([length]), given, torch.tensor([len(symbols)]))
    )


@torch.no_grad()
def test_the_search_finds_the_best_of_all_transcripts() -> None:
    """A beam that drops nothing, over recordings of 1 to 3 steps, alone, within a lexicon, and with a language model: the best of
    every transcript there is."""
    model = made({"pyramid": 1})
    frames, lengths = batch()[0][:3, :3], torch.tensor([3, 1, 2])
    lexicon = Lexicon.of([[1, 2], [1], [4]], LETTERS, between=3)
    allowed = [(1, 2), (1,), (4,), (1, 3, 1), (1, 3, 4), (4, 3, 1), (4, 3, 4)]
    language = LanguageModel(Bigrams(), torch.arange(LETTERS), 5, 0.7, 0.3)
    table = Bigrams().table.log_softmax(-1)
    for row, length in enumerate(lengths.tolist()):
        own = {t: score(model, frames[row : row + 1], length, t) for t in every(length)}
        path = {t: sum(float(table[a, b]) for a, b in itertools.pairwise((5, *t, 5))) for t in own}
        both = {t: p + 0.7 * path[t] + 0.3 * len(t) for t, p in own.items()}
        held = {t: own[t] for t in allowed if len(t) <= length}
        kinds: list[tuple[dict[tuple[int, ...], float], dict[str, Any]]] = [
            (own, {}), (held, {"lexicon": lexicon}), (both, {"language": language}),
        ]  # fmt: skip
        for scores, given in kinds:
            found = _spelling.search(model, frames, lengths, width=100, n_best=2, **given)
            ranked = sorted(scores, key=lambda t: -scores[t])[:2]
            for n, best in enumerate(ranked):
                size = int(found.lengths[row, n])
                assert tuple(found.symbols[row, n, :size].tolist()) == best, (row, given)
                assert float(found.log_probs[row, n]) == pytest.approx(scores[best], abs=1e-4)


@torch.no_grad()
def test_greedy_is_the_likeliest_letter_each_time() -> None:
    model = made({})
    frames, lengths, _ = batch()
    found = _spelling.search(model, frames, lengths, width=1)
    for row, length in enumerate(lengths.tolist()):
        said: list[int] = []
        while len(said) < length:
            given = torch.tensor([*said, 0])
            best = int(by_hand(model, frames[row, :length], given, {})[-1].argmax())
            if best == LETTERS - 1:
                break
            said.append(best)
        size = int(found.lengths[row, 0])
        assert (found.symbols[row, 0, :size] - 1).tolist() == said


def test_one_batch_is_learned_by_heart() -> None:
    """Transcripts that only the recordings tell: three recordings, each a different transcript of the same beginning."""
    torch.manual_seed(0)
    model = LAS(frame_size=FRAME, num_symbols=LETTERS, listener_size=8, hidden_size=16, dropout=0.0, sampling=0.0)
    frames, lengths = torch.randn(3, 12, FRAME), torch.tensor([12, 9, 7])
    symbols = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 4, 0]])
    counts = torch.tensor([3, 3, 2])
    descend = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        descend.zero_grad()
        _spelling.surprise(model, frames, lengths, symbols, counts).sum().backward()  # type: ignore[no-untyped-call]
        descend.step()
    found = _spelling.search(model.eval(), frames, lengths, width=4)
    assert found.symbols[:, 0].tolist() == symbols.tolist()
    assert float(found.log_probs.min()) > -0.1


def test_in_training_the_speller_is_given_its_own_letters() -> None:
    model = made({}, sampling=0.999999, dropout=0.0)
    frames, lengths, targets = batch()
    right = model(frames, lengths, targets)
    own = torch.cat([right.argmax(-1)[:, :-1], targets[:, :1]], 1)
    expected = model(frames, lengths, own)
    model.train()
    assert torch.allclose(model(frames, lengths, targets), expected)
    assert not torch.allclose(right, expected)


def test_what_is_spelled_is_explained() -> None:
    """Shares of the spectrogram add up to each letter's logit less the end's, from the mean recording to this one."""
    task = AutomaticSpeechRecognition(bands=12, augment=False)
    examples = samples.load("synthetic_speech")[0][:8]
    task.fit(examples)
    torch.manual_seed(1)
    model = LAS(**{k: v for k, v in task.sizes().items() if k != "num_bands"}, listener_size=6, hidden_size=8).eval()
    with torch.no_grad():
        model.output.bias[-1] = -1.0  # an untrained speller may end at once
    found = task._why(model, examples[0])
    batch = task.collate(examples[:1])
    symbols = torch.tensor([task.vocabulary.index[s] for s in found.symbols])[None]
    with torch.no_grad():
        ends = [
            model(frames, batch.lengths.long(), symbols)[0]
            for frames in (batch.frames.float(), torch.zeros(batch.frames.shape))
        ]
    moved = [(e.gather(1, symbols.T)[:, 0] - e[:, -1]) for e in ends]
    assert torch.allclose(found.each.sum(1), moved[0] - moved[1], atol=0.02)
    told = task.explain(model, examples[0])
    assert told["label"] == "".join(found.symbols)
    assert all(0 <= s["at"] <= len(examples[0].samples) / 8000 + 0.03 for s in told["symbols"])
