"""The attended encoder-decoder against a plain PyTorch one, and its beam search against a loop over hypotheses.

    python -m benchmarks.translation --rows train,beam --sizes small,large --threads 2 --rounds 9

Training: forward and backward of one batch of 64 pairs whose lengths are drawn around 15 tokens. The peers have the same weights
and must give the same loss and gradients: `loop` takes a Python step per target word through LSTMCell, attention and the output
layer, over packed torch.nn.LSTM encoders; `loop, one output` is the same with the output layer once over all steps.
Search: 32 sentences, 3 rounds, 25 tokens said for each, width 5; `per hypothesis` is the same search and the same model, a sentence and a hypothesis at a time.
Contenders take turns in one process; a round's ratio is the peer's time over ours, and medians are reported.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from samoyed.decoding.search import Scored, beam
from samoyed.models.seq2seq import Seq2Seq

SIZES = {"small": (4000, 128, 256), "large": (8000, 256, 512)}  # vocabulary, embedding, hidden
_BATCH, _SENTENCES, _WIDTH, _LONGEST = 64, 32, 5, 25


class Plain(nn.Module):
    """What one would write first: a bidirectional nn.LSTM, packed, and a step per target word; the weights are ours."""

    def __init__(self, ours: Seq2Seq, one_output: bool) -> None:
        super().__init__()
        self.ours, self.one_output = ours, one_output
        hidden = ours.decoder.hidden_size
        embedding = ours.target_embedding.embedding_dim
        self.encoder = nn.LSTM(embedding, hidden // 2, batch_first=True, bidirectional=True)
        self.encoder.load_state_dict(ours.encoder.state_dict())
        self.cell = nn.LSTMCell(embedding, hidden)
        weights = ours.decoder.state_dict()
        self.cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in weights.items()})

    def forward(self, sources: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """sources [B, S], lengths [B], targets [B, T] -> logits [B, T, V]."""
        model = self.ours
        packed = pack_padded_sequence(model.source_embedding(sources), lengths, batch_first=True, enforce_sorted=False)
        memory, (h, c) = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory, batch_first=True)
        keys = model.attention.key(memory)  # type: ignore[union-attr]
        mask = torch.arange(memory.shape[1]) < lengths[:, None]
        state = tuple(torch.tanh(f(torch.cat([*part], 1))) for f, part in zip(model.bridge, (h, c), strict=True))
        word, said = torch.full((len(sources),), model.boundary), []
        for time in range(targets.shape[1]):
            state = self.cell(model.target_embedding(word), state)
            scores = (keys @ state[0][:, :, None])[..., 0].masked_fill(~mask, -torch.inf)
            context = (scores.softmax(1)[:, None] @ memory)[:, 0]
            read = torch.tanh(model.readout(torch.cat([context, state[0]], 1)))
            said.append(read if self.one_output else model.output(read))
            word = targets[:, time]
        whole = torch.stack(said, 1)
        return model.output(whole) if self.one_output else whole


def batch(vocabulary: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """sources, their lengths, targets, and which of those are real: neighbours in length, as in training."""
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(13, 17, (_BATCH,), generator=draw)
    target_lengths = lengths + torch.randint(0, 5, (_BATCH,), generator=draw)
    sources = torch.randint(vocabulary - 1, (_BATCH, int(lengths.max())), generator=draw)
    targets = torch.randint(vocabulary - 1, (_BATCH, int(target_lengths.max())), generator=draw)
    return sources, lengths, targets, torch.arange(targets.shape[1]) < target_lengths[:, None]


def training(size: str) -> tuple[dict[str, Callable[[], tuple[Tensor, list[Tensor]]]], int]:
    """A step of each contender, ours first: (loss, gradients); and the target tokens of a step."""
    vocabulary, embedding, hidden = SIZES[size]
    torch.manual_seed(0)
    sizes = {"source_vocab_size": vocabulary, "target_vocab_size": vocabulary}
    model = Seq2Seq(**sizes, embedding_size=embedding, hidden_size=hidden, dropout=0.0)
    sources, lengths, targets, mask = batch(vocabulary)
    shared = [p for n, p in model.named_parameters() if not n.startswith(("encoder", "decoder"))]

    def ours() -> tuple[Tensor, list[Tensor]]:
        loss = functional.cross_entropy(model(sources, lengths, targets, mask), targets[mask])
        return loss, list(
            torch.autograd.grad(loss, [*shared, *model.encoder.parameters(), *model.decoder.parameters()])
        )

    def peer(plain: Plain) -> Callable[[], tuple[Tensor, list[Tensor]]]:
        padded = targets.masked_fill(~mask, -100)

        def step() -> tuple[Tensor, list[Tensor]]:
            loss = functional.cross_entropy(plain(sources, lengths, targets).flatten(0, 1), padded.flatten())
            own = [*plain.encoder.parameters(), *plain.cell.parameters()]
            return loss, list(torch.autograd.grad(loss, [*shared, *own]))

        return step

    found = {"samoyed": ours, "loop": peer(Plain(model, False)), "loop, one output": peer(Plain(model, True))}
    return found, int(mask.sum())


def search(size: str) -> dict[str, Callable[[], list[float]]]:
    """The search of each contender, ours first: the log-probability of each sentence's best answer."""
    vocabulary, embedding, hidden = SIZES[size]
    torch.manual_seed(1)
    sizes = {"source_vocab_size": vocabulary, "target_vocab_size": vocabulary}
    model = Seq2Seq(**sizes, embedding_size=embedding, hidden_size=hidden, dropout=0.0).eval()
    model.output.bias.data[-1] = -400.0  # less than 25 words of an untrained network: it ends where it must
    sources, lengths, *_ = (tensor[:_SENTENCES] for tensor in batch(vocabulary))
    end = vocabulary - 1

    def many() -> list[float]:
        with torch.inference_mode():
            memory, state = model.encode(sources, lengths)

            def step(tokens: Tensor, state: Any) -> Scored:
                logits, state, weights = model.step(tokens, state, memory)
                return Scored(logits.log_softmax(-1), state, weights)

            found = beam(step, state, end, end, torch.full((_SENTENCES,), _LONGEST), width=_WIDTH)
        return [float(score) for score in found.log_probs[:, 0]]

    def one() -> list[float]:
        with torch.inference_mode():
            return [_by_hypothesis(model, sources[i, : lengths[i]], end) for i in range(_SENTENCES)]

    return {"samoyed": many, "per hypothesis": one}


def _by_hypothesis(model: Seq2Seq, source: Tensor, end: int) -> float:
    """The same search over one sentence: each hypothesis takes its own step; the greedy one is kept among them."""
    memory, first = model.encode(source[None], torch.tensor([len(source)]))
    alive: list[tuple[float, int, Any, bool]] = [(0.0, end, first, True)]
    best = -float("inf")
    for time in range(_LONGEST):
        grown: list[tuple[float, int, Any, bool]] = []
        for score, last, state, leads in alive:
            logits, after, _ = model.step(torch.tensor([[last]]), state, memory)
            log_probs = logits[0, 0].log_softmax(-1)
            best = max(best, score + float(log_probs[end]))
            if time == _LONGEST - 1:
                continue
            top, tokens = log_probs.topk(_WIDTH + 1)
            for rank, (log_prob, token) in enumerate(zip(top.tolist(), tokens.tolist(), strict=True)):
                if token != end:
                    grown.append((score + log_prob, token, after, leads and rank == 0))
        grown.sort(key=lambda h: -h[0])
        kept = grown[:_WIDTH]
        leader = next((h for h in grown if h[3]), None)
        alive = kept if leader is None or leader in kept else [*kept[:-1], leader]
        if not alive or best >= max(h[0] for h in alive):
            return best
    return best


def lines(rows: list[str], sizes: list[str], rounds: int, threads: int) -> Iterator[str]:
    """The table, row by row."""
    torch.set_num_threads(threads)
    yield f"torch {torch.__version__}, {threads} thread(s), wall time, {rounds} rounds"
    for size in sizes:
        if "train" in rows:
            steps, tokens = training(size)
            _same_gradients(size, {name: step() for name, step in steps.items()})
            yield _row(f"train {size}", steps, rounds, lambda s, n=tokens: f"{n / s:,.0f} target tokens/s")
        if "beam" in rows:
            searches = search(size)
            scores = [find() for find in searches.values()]
            if max(abs(a - b) for a, b in zip(*scores, strict=True)) > 1e-3:
                raise SystemExit(f"{size}: the searches find different answers")
            yield _row(f"beam {size}", searches, 3, lambda s: f"{_SENTENCES / s:,.1f} sentences/s")


def _same_gradients(size: str, results: dict[str, tuple[Tensor, list[Tensor]]]) -> None:
    loss, gradients = results["samoyed"]
    for name, (other, theirs) in results.items():
        off = max(float((a - b).norm() / b.norm()) for a, b in zip(gradients, theirs, strict=True))
        if abs(float((loss - other).detach())) > 1e-4 or off > 1e-3:
            raise SystemExit(f"{size}: {name} gives another loss or gradient, off by {off}")


def _row(name: str, steps: dict[str, Callable[[], Any]], rounds: int, rate: Callable[[float], str]) -> str:
    seconds: dict[str, list[float]] = {key: [] for key in steps}
    for number in range(rounds + 1):
        for key, step in steps.items():
            begin = perf_counter()
            step()
            if number:
                seconds[key].append(perf_counter() - begin)
    own = seconds.pop("samoyed")
    said = []
    for key, some in seconds.items():
        ratios = [a / b for a, b in zip(some, own, strict=True)]
        said.append(f"{key} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    middle = statistics.median(own)
    return f"{name:<12} {1000 * middle:8.1f} ms  {rate(middle):<28} {', '.join(said)}  load {os.getloadavg()[0]:.1f}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="train,beam")
    parser.add_argument("--sizes", default=",".join(SIZES), help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    for line in lines(asked.rows.split(","), asked.sizes.split(","), asked.rounds, asked.threads):
        print(line, flush=True)


if __name__ == "__main__":
    main()
