"""Multi30k, English to French: an attended encoder-decoder and the plain thought vector.

Source of the data: Elliott, Frank, Sima'an & Specia 2016, 29,000 captions of Flickr pictures with translations, tested on the
1,000 of 2016. What is shown is figure 2 of Bahdanau, Cho & Bengio 2014: without attention, all that is known of a sentence is
one vector, and long sentences suffer. Both networks have 256 units and 4,000 subwords a side. Attention sees the 29,000 pairs ten times;
the thought vector learns more slowly, and is given twice as many passes in batches of half the size, four times the steps: within an
hour on one thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting import translation
from samoyed.reporting.figures import to_png
from samoyed.run import Run
from samoyed.samples.downloads import Download, fetch
from samoyed.sources import open_splits
from samoyed.tasks import Picture

expected = "at least 40 BLEU with attention, well below without, and a gap that grows with the length of the sentence"
seconds = 2700

_COMMIT = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"
FILES = tuple(
    Download(name, f"https://raw.githubusercontent.com/multi30k/dataset/{_COMMIT}/data/task1/raw/{name}", digest)
    for name, digest in (
        ("train.en.gz", "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
        ("train.fr.gz", "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
        ("val.en.gz", "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
        ("val.fr.gz", "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
        ("test_2016_flickr.en.gz", "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
        ("test_2016_flickr.fr.gz", "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"),
    )
)
_SETTINGS: dict[str, Any] = {
    "source": "en", "target": "fr", "vocab_limit": 4000, "hidden_size": 256, "embedding_size": 128, "dropout": 0.2,
}  # fmt: skip
_NETWORKS: dict[str, dict[str, Any]] = {
    "attention": {"batch_size": 64, "epochs": 10},
    "thought vector": {"attention": "none", "batch_size": 32, "epochs": 20},
}


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains both on `data`, a folder with the files of Multi30k's task 1, or on what is fetched."""
    where = data or fetch("multi30k", FILES, echo)
    runs = {
        name: _runs.train(out, name.replace(" ", "-"), "translation", where, echo, **_SETTINGS, **own)
        for name, own in _NETWORKS.items()
    }
    return outcome(runs, where, out)


def outcome(runs: dict[str, Run], data: Path, out: Path) -> Outcome:
    """What two finished runs show on the test split."""
    source = open_splits("Pair", data, {"source": "en", "target": "fr"})["test"]
    examples: list[Any] = list(source.examples())
    gaps, picture = compared(runs, examples)
    scores = {name: run.metrics["test"]["bleu"]["value"] for name, run in runs.items()}
    with_, without = scores["attention"], scores["thought vector"]
    rows = _runs.table(list(runs.items()), "bleu")
    return Outcome(
        holds=with_ >= 40 and without < with_ - 5 and gaps[-1] > gaps[0],
        measured={name.replace(" ", "_"): _runs.number(score) for name, score in scores.items()},
        sentence=f"{rows}\nthe gap is {gaps[0]:.1f} points on the shortest sentences and {gaps[-1]:.1f} on the longest",
        pictures=(to_png(picture.figure, out / "multi30k.png"),),
    )


def compared(runs: dict[str, Run], examples: list[Any]) -> tuple[list[float], Picture]:
    """By how many points of BLEU the second run is below the first, from short to long examples, and both drawn."""
    said: dict[str, list[str]] = {}
    for name, run in runs.items():
        task: Any = run.task
        with torch.inference_mode():
            batches = task.batches(task.collate(examples), 128)
            said[name] = [text for batch in batches for text in task.texts(task.search(run.model, batch))]
    lengths, references = [len(e.source.split()) for e in examples], [e.target for e in examples]
    return translation.gaps(said, references, lengths), translation.by_length(said, references, lengths)
