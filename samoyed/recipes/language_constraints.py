"""Reading with what is known of the language: noisy lines of scanned digits, searched without and with a language model.

LeCun, Bottou, Bengio & Haffner 1998 read documents by a network for the symbols and a grammar for what may follow what. Here the
grammar is learned: each digit is one or three more than the last, modulo ten, and n-grams are trained on 3,000 such strings by
text-generation. A convolutional recurrent network is trained on 800 lines of scans (Alpaydin & Kaynak 1998) under noise; then the same
network's answers for 300 lines, of scans that it never saw, are searched by prefixes alone, and with the n-grams (shallow fusion).
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, to_png
from samoyed.run import Run, accompany, as_json
from samoyed.samples import digits
from samoyed.training.evaluation import evaluate

expected = "with the language model fewer than half as many characters are wrong"
seconds = 60

SETTINGS: dict[str, Any] = {"height": 24, "hidden_size": 64, "epochs": 12, "execution": "plain"}
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
_COUNTS = {"train": 800, "valid": 100, "test": 300}
_LENGTH, _NOISE = 6, 60


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains both, and reads the test lines with each weight of the language model."""
    draw = np.random.default_rng(0)
    text = out / "language.txt"
    text.write_text("\n".join(strings(3000, draw)) + "\n", "utf-8")
    language = _runs.train(out, "ngram", "text-generation", text, echo, model="ngram")
    reader = _runs.train(out, "crnn", "text-line-recognition", lines(out / "lines", draw), echo, **SETTINGS)
    rates = {weight: measure(reader, language, weight, out / "lines" / "test.tsv") for weight in WEIGHTS}
    return outcome(rates, out)


def outcome(rates: dict[float, dict[str, Any]], out: Path) -> Outcome:
    """What the error rates by weight show."""
    alone, with_ = (rates[weight]["cer"]["value"] for weight in (0.0, 0.5))
    rows = [
        f"weight {weight:<4}  {r['cer']['value']:5.2f} % of characters wrong ({r['cer']['low']:.2f} to {r['cer']['high']:.2f}), "
        f"{r['wer']['value']:5.2f} % of lines"
        for weight, r in rates.items()
    ]
    drawn, axes = figure(5.6, 3.2)
    for name, colour in (("cer", COLOURS[0]), ("wer", COLOURS[1])):
        found = [rates[w][name] for w in WEIGHTS]
        label = "characters" if name == "cer" else "whole lines"
        axes.plot(WEIGHTS, [f["value"] for f in found], marker="o", color=colour, label=label)
        axes.fill_between(
            WEIGHTS, [f["low"] for f in found], [f["high"] for f in found], color=colour, alpha=0.15, lw=0
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("weight of the language model")
    axes.set_ylabel("% wrong")
    axes.legend()
    measured = {f"cer_{w}": _runs.number(r["cer"]["value"]) for w, r in rates.items()}
    picture = to_png(drawn, out / "language_constraints.png")
    return Outcome(alone > 1.0 and with_ < alone / 2, measured, "\n".join(rows), (picture,))


def measure(reader: Run, language: Run, weight: float, data: Path) -> dict[str, Any]:
    """The reader's error rates on `data`, searched with the language model; weight 0 is without."""
    task: Any = reader.task
    task.lm, task.lm_weight, task.speaks, task.beam_width = str(language.path) if weight else None, weight, None, 16
    accompany(task)
    with torch.inference_mode():
        return as_json(evaluate(task, reader.model, task.collate(reader.held_out(data))))


def strings(count: int, draw: np.random.Generator) -> list[str]:
    """Sentences of the grammar."""
    steps = draw.choice([1, 3], (count, _LENGTH))
    steps[:, 0] = draw.integers(0, 10, count)
    return ["".join(map(str, row)) for row in steps.cumsum(1) % 10]


def lines(out: Path, draw: np.random.Generator) -> Path:
    """Writes `out`/train.tsv, valid.tsv and test.tsv with their pictures; no scan is in two of them."""
    pools: dict[str, dict[str, list[NDArray[np.uint8]]]] = {part: defaultdict(list) for part in _COUNTS}
    for i, scan in enumerate(digits.examples()):
        pools["test" if i % 5 == 0 else "valid" if i % 10 == 1 else "train"][str(scan.label)].append(
            scan.pixels[..., 0]
        )
    for part, count in _COUNTS.items():
        folder = out / f"{part}-lines"
        folder.mkdir(parents=True, exist_ok=True)
        rows = ["path\ttext"]
        for number, text in enumerate(strings(count, draw)):
            parts: list[NDArray[Any]] = [np.zeros((8, 2))]
            for digit in text:
                scans = pools[part][digit]
                parts += [scans[draw.integers(len(scans))], np.zeros((8, draw.integers(1, 4)))]
            whole = np.concatenate(parts, 1)
            noisy = (whole + draw.normal(0, _NOISE, whole.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"{number:04}.png")
            rows.append(f"{folder.name}/{number:04}.png\t{text}")
        (out / f"{part}.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return out
