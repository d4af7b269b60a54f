"""N-grams, a feedforward network and recurrent ones side by side on the same text, as nats per token and bits per character.

Bengio et al. 2003 had a network that learns vectors of words beat n-grams, which count; Mikolov et al. 2010 recurrent ones beat both.
All read the same splits; each network reads the text twelve times, the best pass on validation is kept. Without DATA the text is that
of Python's standard library. The order of the n-grams is chosen on validation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "the LSTM has fewer bits per character on the test text than the feedforward network and the best n-grams"
seconds = 900
_ORDERS = (3, 5, 7)

NETWORKS: dict[str, dict[str, Any]] = {
    "feedforward": {},  # with 1,024 hidden units instead of 256 it learns the training text by heart
    "rnn": {"hidden_size": 512},
    "lstm": {"hidden_size": 512, "dropout": 0.2},
}


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains on `data`, a text or a folder of them, or on the sample."""
    counted = [_runs.train(out, f"ngram-{n}", "text-generation", data, echo, model="ngram", order=n) for n in _ORDERS]
    best = min(range(len(_ORDERS)), key=lambda i: counted[i].metrics["valid"]["loss"]["value"])
    rows = [(f"n-grams of {_ORDERS[best]}, modified Kneser-Ney", counted[best])]
    for name, settings in NETWORKS.items():
        rows.append((name, _runs.train(out, name, "text-generation", data, echo, model=name, epochs=12, **settings)))
    bits = {run.config["model"]: run.metrics["test"]["bits"]["value"] for _, run in rows}
    return Outcome(
        holds=bits["lstm"] < min(bits["feedforward"], bits["ngram"]),
        measured={name: _runs.number(value) for name, value in bits.items()},
        sentence="\n\n".join(_runs.table(rows, metric) for metric in ("loss", "bits")),
        pictures=(_runs.bars(rows, "bits", out / "language_models.png"),),
    )
