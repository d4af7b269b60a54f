"""Encoder-decoders, beam search and CTC beside Keras, Transformers and pyctcdecode, each in a process of its own.

    python -m benchmarks setup
    python -m benchmarks.sequences --rows train,beam,ctc,prefixes,language --size small --threads 2 --rounds 9

train: forward and backward of one batch of 64 pairs of about 15 tokens (benchmarks/translation.py's), an LSTM encoder-decoder with
general attention whose words are not tied; Keras has the same network from its own layers, compiled on JAX, or run as it is on PyTorch.
beam: 32 sentences, width 5, 24 tokens each; `generate` of Transformers, over the same network written with torch.nn's cells, which
keeps its state between tokens; ours says the end besides, a 25th step.
ctc: the loss of 32 utterances of 300 frames, 40 letters each of 30, and its gradient, as the tasks call it.
prefixes: the same utterances read by a search of 10 prefixes; pyctcdecode with as many processes as threads, and its own pruning of
letters below e^-5 and prefixes below e^-10 of the best, which ours does not need. language: the same, ranked with 3-grams of the
letters; pyctcdecode looks them up in a table, where KenLM would search for them, and asks of a letter only when the next one begins,
so that it is given 50 prefixes too.
A loss or gradient that differs is not timed, nor is a search that finds better answers than ours by 0.1 nats; how many answers are the same,
and how much more probable ours are, is printed. Contenders take turns; a round's ratio is the peer's time over ours; medians and quartiles
are printed.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import peers
from benchmarks.process import FailedError, NotInstalledError, Process
from benchmarks.sequences_ctc import BONUS, PREFIXES, WEIGHT, Work, heard, losing, reading
from benchmarks.translation import SIZES as LARGER
from benchmarks.translation import batch
from samoyed.decoding.search import Scored, beam
from samoyed.models.seq2seq import Seq2Seq

SIZES = {"tiny": (200, 16, 32), **LARGER}  # vocabulary, embedding, hidden
_WIDTH, _TOKENS, _SENTENCES = 5, 24, 32
_PAUSE = 0.1  # seconds, in which the last one's threads stop spinning
_JAX, _TORCH = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}, {"KERAS_BACKEND": "torch"}


def model_of(size: str) -> Seq2Seq:
    """The network of `train` and `beam`."""
    vocabulary, embedding, hidden = SIZES[size]
    torch.manual_seed(0)
    sizes = {"source_vocab_size": vocabulary, "target_vocab_size": vocabulary}
    return Seq2Seq(**sizes, embedding_size=embedding, hidden_size=hidden, dropout=0.0, tied=False)


def matrices(model: Seq2Seq) -> dict[str, Tensor]:
    """The weights that both have as matrices, in a fixed order."""
    return {name: p for name, p in model.named_parameters() if p.dim() == 2}


def saved(file: Path, model: Seq2Seq, size: str) -> Path:
    """Weights and batch as a peer reads them."""
    sources, lengths, targets, mask = batch(SIZES[size][0])
    given = {"sources": sources, "lengths": lengths, "targets": targets, "mask": mask}
    np.savez(file, **{k: v.numpy() for k, v in {**model.state_dict(), **given}.items()})
    return file


def training(size: str, folder: Path) -> tuple[Work, dict[str, Any], Path]:
    """Our step, what it answers, and what a peer is given."""
    model = model_of(size)
    sources, lengths, targets, mask = batch(SIZES[size][0])

    def step() -> tuple[Tensor, tuple[Tensor, ...]]:
        loss = functional.cross_entropy(model(sources, lengths, targets, mask), targets[mask])
        return loss, torch.autograd.grad(loss, list(model.parameters()))

    loss, gradients = step()
    by_name = dict(zip(dict(model.named_parameters()), gradients, strict=True))
    flat = torch.cat([by_name[name].flatten() for name in matrices(model)])
    answer = {"loss": float(loss.detach()), "gradient": flat.numpy()}
    return step, answer, saved(folder / "train.npz", model, size)


def searching(size: str, folder: Path) -> tuple[Work, dict[str, Any], Path]:
    """The same of the search; its answer is the log-probability of each sentence's tokens, without the end."""
    model = model_of(size).eval()
    model.output.bias.data[-1] = -400.0  # so that `generate` does not end
    sources, lengths, *_ = (tensor[:_SENTENCES] for tensor in batch(SIZES[size][0]))
    end = model.boundary

    @torch.inference_mode()
    def step() -> Tensor:
        memory, first = model.encode(sources, lengths)

        def one(tokens: Tensor, state: Any) -> Scored:
            inner, said = state
            logits, inner, weights = model.step(tokens, inner, memory)
            log_probs = logits.log_softmax(-1)
            log_probs[..., end] = torch.where(
                said < _TOKENS, -torch.inf, 0.0
            )  # an untrained network ends where it must
            return Scored(log_probs, (inner, said + 1), weights)

        state = first, torch.zeros(_SENTENCES, 1, dtype=torch.int64)
        return beam(one, state, end, end, torch.full((_SENTENCES,), _TOKENS + 1), width=_WIDTH).tokens[:, 0]

    @torch.inference_mode()
    def score(tokens: Tensor) -> Tensor:
        log_probs = model(sources, lengths, tokens).log_softmax(-1)
        return log_probs.gather(2, tokens[..., None])[..., 0].sum(1)

    return step, {"score": score, "tokens": step()}, saved(folder / "beam.npz", model, size)


def apart(answer: dict[str, Any], reply: dict[str, Any], out: Path) -> tuple[bool, str]:
    """Whether a peer did the same, and in which way in words."""
    if "gradient" in answer:
        theirs = np.load(out)
        off = float(np.linalg.norm(theirs - answer["gradient"]) / np.linalg.norm(answer["gradient"]))
        loss = abs(reply["loss"] / answer["loss"] - 1)
        return max(off, loss) < 1e-3, f"loss off by {loss:.0e}, gradient by {off:.0e}"
    if "tokens" in answer:
        theirs, ours = torch.tensor(reply["tokens"]), answer["tokens"][:, :_TOKENS]
        same, count = int((ours == theirs).all(1).sum()), len(theirs)
    else:
        theirs, ours = reply["read"], answer["read"]
        same, count = sum(a == b for a, b in zip(ours, theirs, strict=True)), len(theirs)
    gap = float((answer["score"](ours) - answer["score"](theirs)).mean())
    return gap > -0.1, f"{same} of {count} answers the same, ours {gap:+.4f} nats more probable in the mean"


_FUSED = {"weight": WEIGHT, "bonus": BONUS}
ROWS: dict[str, list[tuple[str, str, dict[str, str], dict[str, Any]]]] = {
    "train": [("Keras on JAX", "sequences_keras:Training", _JAX, {}), ("Keras on PyTorch", "sequences_keras:Training", _TORCH, {})],
    "beam": [("Transformers' generate", "sequences_peers:Generate", {}, {"width": _WIDTH, "tokens": _TOKENS, "sentences": _SENTENCES})],
    "ctc": [("Keras on JAX", "sequences_keras:CTC", _JAX, {}), ("Keras on PyTorch", "sequences_keras:CTC", _TORCH, {})],
    "prefixes": [("pyctcdecode", "sequences_peers:Prefixes", {}, {"width": PREFIXES})],
    "language": [
        ("pyctcdecode", "sequences_peers:Prefixes", {}, {"width": PREFIXES, "language": _FUSED}),
        ("pyctcdecode of width 50", "sequences_peers:Prefixes", {}, {"width": 5 * PREFIXES, "language": _FUSED}),
    ],
}  # fmt: skip


def ours(row: str, size: str, folder: Path) -> tuple[Work, dict[str, Any], Path, tuple[float, str]]:
    """Our step, what it answers, what a peer is given, and how much a step does."""
    if row in ("train", "beam"):
        step, answer, file = (training if row == "train" else searching)(size, folder)
        tokens = float(batch(SIZES[size][0])[3].sum()) if row == "train" else float(_SENTENCES * _TOKENS)
        return step, answer, file, (tokens, "tokens/s")
    given = heard(size, folder)
    step, answer = losing(given) if row == "ctc" else reading(given, row == "language")
    return step, answer, given.file, (float(given.logits[..., 0].numel()), "frames/s")


def measured(row: str, size: str, rounds: int, threads: int) -> Iterator[str]:
    """A row's lines."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        step, answer, file, (amount, unit) = ours(row, size, folder)
        python, steps = peers.python(peers.location(None)), {"Samoyed": lambda: _clock(step)}
        if "wrong" in answer:
            yield f"  {answer['wrong']} of {len(answer['read'])} readings are not what was said"
        for name, factory, environment, options in ROWS[row]:
            try:
                process = stack.enter_context(Process(python, {**environment, **_threads(threads)}))
                settings = {"file": str(file), "threads": threads, **options}
                built = process.ask("build", factory=f"benchmarks.{factory}", settings=settings)
                reply = process.ask("agree", out=str(folder / "gradient.npy"))
            except (FailedError, NotInstalledError) as error:
                yield f"  {name}: {error}"
                continue
            right, words = apart(answer, reply, folder / "gradient.npy")
            yield f"  {name}, {', '.join(f'{k} {v}' for k, v in built['versions'].items())}: {words}"
            if right:
                steps[name] = lambda process=process: float(process.ask("step")["seconds"])  # type: ignore[misc]
            else:
                yield f"  {name} gives another answer, and is not timed"
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for number in range(rounds + 1):
            for name, work in steps.items():
                sleep(_PAUSE)
                took = work()
                if number:
                    seconds[name].append(took)
    own = seconds.pop("Samoyed")
    rate = amount / statistics.median(own)
    yield f"{row}: Samoyed {_spread([1000 * s for s in own])} ms, {rate:,.0f} {unit}; load {os.getloadavg()[0]:.1f}"
    for name, some in seconds.items():
        ratios, middle = [a / b for a, b in zip(some, own, strict=True)], statistics.median(some)
        yield f"  {name}: {1000 * middle:.1f} ms, {amount / middle:,.0f} {unit}, {_spread(ratios)} times ours"


def _threads(threads: int) -> dict[str, str]:
    """The environment in which libraries take so many threads; XLA's know one, or all."""
    alone = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **alone}


def _clock(step: Work) -> float:
    begin = perf_counter()
    step()
    return perf_counter() - begin


def _spread(values: list[float]) -> str:
    """Median and quartiles."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--size", default="small", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"torch {torch.__version__}, {asked.threads} thread(s), {asked.size}, wall time, {asked.rounds} rounds")
    for row in asked.rows.split(","):
        for line in measured(row, asked.size, asked.rounds, asked.threads):
            print(line, flush=True)


if __name__ == "__main__":
    main()
