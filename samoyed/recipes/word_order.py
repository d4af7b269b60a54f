"""Order flips the label: "from good to bad" against "from bad to good", which hold the same words.

Sentences of the form "SUBJECT went from A to B", A and B one praise and one blame, labelled by how it ended. Both orders of a pair
are in the same split, and no pair of words of the test is in training. A bag of words gives both orders one answer and must be
wrong of exactly half; an LSTM reads them in their order (LeCun, Bengio & Hinton 2015).
"""

import csv
import itertools
from collections.abc import Callable
from pathlib import Path

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "bag of words 50 % wrong, LSTM at most 2 %, on pairs of words not seen together"
seconds = 30

_PRAISE = ("good", "great", "fine", "lovely", "bright", "brilliant", "strong", "calm", "warm", "clever")
_BLAME = ("bad", "poor", "dull", "ugly", "dark", "dreadful", "weak", "tense", "cold", "silly")
_SUBJECTS = ("the film", "our trip", "his play", "the weather", "her mood", "the second half")


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Writes the sentences, trains both, and tests them on the pairs held out."""
    folder = out / "sentences"
    folder.mkdir(parents=True, exist_ok=True)
    pairs = list(itertools.product(range(len(_PRAISE)), range(len(_BLAME))))
    for name, places in (("train", range(1, 5)), ("test", range(1))):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("text", "label"))
            for (i, j), subject in itertools.product(pairs, _SUBJECTS):
                if (i + j) % 5 in places:
                    rows.writerow((f"{subject} went from {_PRAISE[i]} to {_BLAME[j]}", "worse"))
                    rows.writerow((f"{subject} went from {_BLAME[j]} to {_PRAISE[i]}", "better"))
    found = [
        ("bag of words", _runs.train(out, "bag", "text-classification", folder, echo, model="bag_of_words")),
        ("LSTM", _runs.train(out, "lstm", "text-classification", folder, echo, model="lstm", epochs=6, hidden_size=32)),
    ]
    bag, lstm = (made.metrics["test"]["error"]["value"] for _, made in found)
    return Outcome(
        holds=bag == 50 and lstm <= 2,
        measured={"bag of words": _runs.number(bag), "lstm": _runs.number(lstm)},
        sentence=_runs.table(found, "error"),
        pictures=(_runs.bars(found, "error", out / "word_order.png"),),
    )
