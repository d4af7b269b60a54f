"""Strings of handwritten digits: MNIST joined into lines, read whole, without and with a list of the codes that there are.

LeCun, Bottou, Bengio & Haffner 1998 read amounts and postcodes without cutting them into digits first, and let what may stand there
decide between readings. Here a convolutional recurrent network learns from 12,000 lines of three to seven digits, any after any, that
are cut from MNIST's training pictures. It reads 1,000 lines of five digits from MNIST's test pictures, each line one of 1,000
invented postcodes: by the likeliest path, by a search within the list of codes, and by a search that ranks with n-grams which
text-generation learned from that list. Digits lie at varying heights, up to six columns apart or touching.

Departures: the lines are joined by the program, so that writers change within a line; validation lines are made from the last
5,000 training pictures, of which nothing is trained on.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from samoyed.errors import DataError
from samoyed.recipes import _runs
from samoyed.recipes.mnist import FILES
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, to_png
from samoyed.run import Run, accompany, as_json
from samoyed.samples.downloads import fetch
from samoyed.sources import open_splits
from samoyed.training.evaluation import evaluate

expected = "at most 2 % of characters wrong read freely, and less than a quarter of these within the list of codes"
seconds = 570

SETTINGS: dict[str, Any] = {"height": 24, "epochs": 6, "batch_size": 8, "learning_rate": 0.003, "execution": "plain"}
COUNTS = {"train": 12000, "valid": 200, "test": 1000}
_CODES, _DIGITS, _KEPT, _SIDE = 1000, 5, 5000, 28

Pool = dict[str, list[NDArray[np.uint8]]]


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """On `data`, a folder with MNIST's four files, or on what is fetched."""
    draw = np.random.default_rng(0)
    codes = [f"{code:05}" for code in draw.choice(10**_DIGITS, _CODES, replace=False).tolist()]
    lines(pools(data or fetch("mnist", FILES, echo)), codes, out / "lines", draw)
    (out / "codes.txt").write_text("\n".join(c for _ in range(3) for c in draw.permutation(codes)) + "\n", "utf-8")
    language = _runs.train(out, "ngram", "text-generation", out / "codes.txt", echo, model="ngram", order=6)
    reader = _runs.train(out, "crnn", "text-line-recognition", out / "lines", echo, **SETTINGS)
    test = reader.task.collate(reader.held_out(out / "lines" / "test.tsv"))
    return outcome({way: measure(reader, test, way, codes, language) for way in ("path", "list", "n-grams")}, out)


def measure(reader: Run, test: Any, way: str, codes: list[str], language: Run) -> dict[str, Any]:
    """The reader's error rates on the test lines: by the likeliest path, within the list, or with the n-grams."""
    task: Any = reader.task
    task.lexicon, task.words = way == "list", codes
    task.lm, task.lm_weight, task.speaks = str(language.path) if way == "n-grams" else None, 0.5, None
    accompany(task)
    with torch.inference_mode():
        return as_json(evaluate(task, reader.model, test))


def outcome(rates: dict[str, dict[str, Any]], out: Path) -> Outcome:
    """What the error rates of the three ways show."""
    names = {"path": "the likeliest path", "list": "within the list of codes", "n-grams": "with n-grams of the list"}
    rows = [
        f"{names[way]:<26} {r['cer']['value']:5.2f} % of characters wrong ({r['cer']['low']:.2f} to {r['cer']['high']:.2f}), "
        f"{r['wer']['value']:5.2f} % of lines ({r['wer']['low']:.2f} to {r['wer']['high']:.2f})"
        for way, r in rates.items()
    ]
    drawn, axes = figure(6.4, 2.6)
    for shift, name, colour, label in (
        (-0.12, "cer", COLOURS[0], "characters"),
        (0.12, "wer", COLOURS[1], "whole lines"),
    ):
        found = [r[name] for r in rates.values()]
        low, high = ([abs(f["value"] - f[end]) for f in found] for end in ("low", "high"))
        axes.errorbar(
            [f["value"] for f in found], np.arange(len(found)) + shift, xerr=[low, high], fmt="o", color=colour,
            capsize=3, label=label,
        )  # fmt: skip
    axes.set_yticks(range(len(rates)), [names[way] for way in rates])
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("% wrong on lines of MNIST's test digits, with 95 % intervals")
    axes.legend()
    axes.grid(axis="y", visible=False)
    measured = {f"{name}_{way}": _runs.number(r[name]["value"]) for way, r in rates.items() for name in ("cer", "wer")}
    alone, listed = rates["path"]["cer"]["value"], rates["list"]["cer"]["value"]
    return Outcome(
        alone <= 2.0 and listed < alone / 4, measured, "\n".join(rows), (to_png(drawn, out / "mnist_strings.png"),)
    )


def pools(data: Path) -> dict[str, Pool]:
    """The pictures of each digit by split. Raises DataError for what is not MNIST, or like it."""
    opened = open_splits("Image", data)
    if not {"train", "test"} <= set(opened):
        raise DataError("holds no training and test pictures", where=data, remedy="give MNIST's four files")
    found: dict[str, Pool] = {part: defaultdict(list) for part in COUNTS}
    for name in ("train", "test"):
        every: list[Any] = list(opened[name].examples())
        for i, e in enumerate(every):
            if e.pixels.shape[:2] != (_SIDE, _SIDE) or e.label not in list("0123456789"):
                raise DataError(f"is no digit of {_SIDE} x {_SIDE}", where=e.origin, remedy="give MNIST's four files")
            held = name == "train" and i >= max(len(every) - _KEPT, len(every) // 2)
            found["valid" if held else name][str(e.label)].append(e.pixels[..., 0])
    missing = [
        f"{digit} of the {part} split" for part, pool in found.items() for digit in "0123456789" if not pool[digit]
    ]
    if missing:
        raise DataError(f"holds no picture of {missing[0]}", where=data)
    return found


def lines(parts: dict[str, Pool], codes: list[str], out: Path, draw: np.random.Generator) -> Path:
    """Writes `out`/train.tsv, valid.tsv and test.tsv with their pictures; test lines are codes, each picture in one split only."""
    for part, count in COUNTS.items():
        folder = out / f"{part}-lines"
        folder.mkdir(parents=True, exist_ok=True)
        rows = ["path\ttext"]
        for number in range(count):
            drawn = "".join(map(str, draw.integers(0, 10, draw.integers(3, 8))))
            text = codes[draw.integers(len(codes))] if part == "test" else drawn
            pool = parts[part]
            Image.fromarray(joined([pool[d][draw.integers(len(pool[d]))] for d in text], draw)).save(
                folder / f"{number:04}.png"
            )
            rows.append(f"{folder.name}/{number:04}.png\t{text}")
        (out / f"{part}.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return out


def joined(digits: list[NDArray[np.uint8]], draw: np.random.Generator) -> NDArray[np.uint8]:
    """Digits [28, 28] cut to their ink from left to right and put side by side, up to two columns into one another or six apart, and
    up to two rows up or down: [28, W], bright on dark."""
    whole, end = np.zeros((_SIDE, 40 * len(digits)), np.uint8), 4
    for digit in digits:
        columns = np.flatnonzero(digit.any(0))
        ink = np.roll(digit[:, columns[0] : columns[-1] + 1], draw.integers(-2, 3), 0)
        begin = max(0, end + int(draw.integers(-2, 7)))
        end = begin + ink.shape[1]
        whole[:, begin:end] = np.maximum(whole[:, begin:end], ink)
    return whole[:, : end + 4]
