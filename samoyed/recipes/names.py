"""Which of 18 languages a surname comes from, by its letters: a bidirectional LSTM, and what twins between the splits are worth.

The names of PyTorch's tutorial hold many twins: of 20,050 lines 17,450 differ, and of Arabic's 2,000 a hundred. Published figures
divide the lines at random, so that most of what is tested was learned by heart; Samoyed keeps equal names in one split. Both are
measured, with the same network: two layers of 128 units in both directions, the largest of each unit over the letters, 12 epochs.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from samoyed.errors import UsageError
from samoyed.examples import LabelledText
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.sources import open_splits

expected = "at least 80 % right where lines are divided at random; fewer where equal names stay in one split"
seconds = 180


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Two trainings on `data`, a file of names per language."""
    if data is None:
        raise UsageError(
            "the names are not fetched", remedy="samoyed reproduce names FOLDER, with a .txt file per language"
        )
    (source,) = open_splits("LabelledText", data, {"text": None, "label": None}).values()
    examples = [e for e in source.examples() if isinstance(e, LabelledText)]
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0)).tolist()
    cut = len(examples) // 5
    folder = out / "lines"
    for name, rows in (("test", order[:cut]), ("train", order[cut:])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        by_class: dict[str, list[str]] = {}
        for row in rows:
            by_class.setdefault(str(examples[row].label), []).append(examples[row].text.strip())
        for label, lines in by_class.items():
            (folder / name / f"{label}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"model": "lstm", "tokens": "characters", "min_count": 1, "num_layers": 2, "pooling": "max"}
    settings |= {"epochs": 12, "batch_size": 64}
    found = [
        ("equal names in one split", _runs.train(out, "apart", "text-classification", data, echo, **settings)),
        ("lines at random", _runs.train(out, "random", "text-classification", folder, echo, **settings)),
    ]
    apart, random = (made.metrics["test"]["error"]["value"] for _, made in found)
    balanced = [made.metrics["test"]["balanced error"]["value"] for _, made in found]
    return Outcome(
        holds=random <= 20 < apart,
        measured={"apart": apart, "random": random, "balanced_apart": balanced[0], "balanced_random": balanced[1]},
        sentence=_runs.table(found, "error") + f"\nbalanced error {balanced[0]:.1f} and {balanced[1]:.1f} %",
        pictures=(_runs.bars(found, "error", out / "names.png"),),
    )
