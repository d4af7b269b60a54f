"""What tasks share that write sequences down: batches of like lengths, whose padding changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch

from samoyed.examples import Utterance
from samoyed.models.bilstm_ctc import BiLSTMCTC
from samoyed.models.las import LAS
from samoyed.models.resnet_ctc import ResNetCTC
from samoyed.models.tdnn import TDNN
from samoyed.reporting.transcripts import _peaks
from samoyed.tasks._transcribing import Sequences
from samoyed.tasks.automatic_speech_recognition import AutomaticSpeechRecognition

BANDS, SYMBOLS = 4, 5
SIZES: dict[type, dict[str, Any]] = {
    BiLSTMCTC: {"frame_size": 2 * BANDS, "num_symbols": SYMBOLS, "hidden_size": 3},
    TDNN: {"frame_size": 2 * BANDS, "num_symbols": SYMBOLS, "hidden_size": 6},
    ResNetCTC: {"frame_size": 2 * BANDS, "num_bands": BANDS, "num_symbols": SYMBOLS, "width": 2, "depths": (1, 1)},
    LAS: {"frame_size": 2 * BANDS, "num_symbols": SYMBOLS, "listener_size": 3, "embedding_size": 2, "hidden_size": 5},
}


def sequences(count: int, longest: int = 40, room: int = 0) -> Sequences:
    """Frames of many lengths and labels of 1 to 4 symbols, padded to the longest and `room` further."""
    draw = torch.Generator().manual_seed(count)
    lengths = torch.randint(9, longest, (count,), generator=draw, dtype=torch.int32)
    many = torch.randint(1, 5, (count,), generator=draw, dtype=torch.int32)
    frames = torch.randn(count, longest + room, 2 * BANDS, generator=draw).half()
    frames *= (torch.arange(longest + room) < lengths[:, None])[..., None]
    symbols = torch.randint(1, SYMBOLS, (count, 4 + room), generator=draw, dtype=torch.int32)
    symbols *= torch.arange(4 + room) < many[:, None]
    return Sequences(frames, lengths, symbols, many, torch.zeros(count, 1, dtype=torch.uint8))


@pytest.mark.parametrize("kind", SIZES)
def test_the_objective_knows_no_padding(kind: type) -> None:
    """One batch, the same padded much further, and its sequences one by one: the same loss and gradient."""
    torch.manual_seed(1)
    model, task, batch = kind(**SIZES[kind]).eval(), AutomaticSpeechRecognition(), sequences(6)
    wide = Sequences(
        torch.nn.functional.pad(batch.frames, (0, 0, 0, 30)), batch.lengths,
        torch.nn.functional.pad(batch.symbols, (0, 7)), *batch[3:],
    )  # fmt: skip
    singles = [Sequences(*(tensor[i : i + 1] for tensor in wide)) for i in range(6)]

    def descent(parts: list[Sequences]) -> tuple[torch.Tensor, torch.Tensor]:
        total = torch.stack([task.objective(model, part).total for part in parts]).sum()
        return total.detach(), torch.cat([g.flatten() for g in torch.autograd.grad(total, list(model.parameters()))])

    loss, gradient = descent([batch])
    for parts in ([wide], singles):
        other, theirs = descent(parts)
        assert float(other) == pytest.approx(float(loss), rel=1e-5)
        assert float((theirs - gradient).norm() / gradient.norm()) < 1e-4


def test_batches_hold_like_lengths_and_everything_once() -> None:
    task, data = AutomaticSpeechRecognition(), sequences(200, 400)
    numbered = data._replace(references=torch.arange(200)[:, None])

    def order(**settings: int) -> list[int]:
        return [i for b in task.batches(numbered, 8, **settings) for i in b.references[:, 0].tolist()]

    padded = sum(len(b.lengths) * int(b.lengths.max()) for b in task.batches(numbered, 8, seed=3, epoch=1))
    assert padded < 1.1 * int(data.lengths.sum())
    assert sorted(order(seed=3, epoch=1)) == order() == list(range(200))
    assert order(seed=3, epoch=1) == order(seed=3, epoch=1) != order(seed=3, epoch=2)


def test_each_symbol_is_named_where_it_is_most_probable() -> None:
    path, sure = [1, 1, 0, 1, 2, 2, 2, 0], [0.6, 0.8, 0.9, 0.7, 0.5, 0.7, 0.6, 0.9]
    probs = torch.full((8, 3), 0.1)
    probs[torch.arange(8), torch.tensor(path)] = torch.tensor(sure)
    assert _peaks(probs) == [(1, 1), (1, 3), (2, 5)]
    assert _peaks(probs[2:3]) == []


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("beam_width", [1, 4])
def test_recordings_are_written_down_together_as_alone(kind: type, beam_width: int) -> None:
    """Nine recordings of a tenth of a second to two, in batches of like lengths, by networks whose weights are drawn."""
    pytest.importorskip("kaldi_native_fbank")
    draw = np.random.default_rng(3)
    given = [
        Utterance(draw.normal(0, 0.1 * (n + 1), 800 * size).astype(np.float32), 8000, "abcd", f"{n}")
        for n, size in enumerate((1, 20, 7, 7, 3, 13, 2, 20, 5))
    ]
    task = AutomaticSpeechRecognition(bands=BANDS, stack=2, beam_width=beam_width)
    task.fit([Utterance(e.samples, e.rate, "abcdabcdabcd", e.origin) for e in given])
    torch.manual_seed(2)
    model = kind(**{**SIZES[kind], "num_symbols": task.sizes()["num_symbols"]}).eval()
    for parameter in model.parameters():
        parameter.data *= 2  # or nothing but blanks is likely
    together = task.answers(model, given)
    assert [found["input"] for found in together] == [e.origin for e in given]
    assert len({str(found["readings"]) for found in together}) > 6
    for example, found in zip(given, together, strict=True):
        alone = task.answer(model, example)
        assert found["text"] == alone["text"]
        assert found["readings"] == pytest.approx(alone["readings"], abs=2e-3)
        assert found["seconds"] == alone["seconds"]
