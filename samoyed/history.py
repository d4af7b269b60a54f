"""The epochs of a run as metrics.jsonl has them, of a run in progress too. No weights are loaded, and nothing is imported for it."""

import json
import math
from pathlib import Path
from typing import Any

_NUMBERS = ("epoch", "step", "seconds", "step_ms", "per_second", "learning_rate", "loss", "gradient_norm")


def epochs(run: Path) -> list[dict[str, Any]]:
    """Each epoch's figures, in order: the numbers of a line, its `valid` {metric: value}, and whether it was the `best` so far.

    A line that is no such record, as the one that is being written, is left out; where there is no file there are none.
    """
    try:
        text = (run / "metrics.jsonl").read_text("utf-8", "replace")
    except OSError:
        return []
    return [epoch for line in text.split("\n") if (epoch := parsed(line)) is not None]


def parsed(line: str) -> dict[str, Any] | None:
    """One line of metrics.jsonl; None where it is no record of an epoch."""
    try:
        found = json.loads(line)
        valid = found["valid"]
        whole = all(_is_number(found[name]) for name in _NUMBERS) and all(map(_is_number, valid.values()))
        if not whole or not isinstance(found["best"], bool):
            return None
        return {name: found[name] for name in (*_NUMBERS, "best")} | {"valid": dict(valid)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
