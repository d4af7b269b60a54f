"""What is searched: a range for each setting, from its type in the signature and its default.

| type | searched |
| --- | --- |
| Count, above 8 | a quarter to four times the default, evenly in its logarithm; up to 8, from 1 to the default and two more |
| Share | 0 to 0.6, or to a little above a default that is larger |
| Positive, NonNegative | a quarter to four times the default, evenly in its logarithm |
| bool, Literal of words | every choice |
| Literal of numbers | the choices up to twice the default |
| a list of Counts, all above 8 | half, once and twice the default's |

A setting whose default is none, or is another text or number, is searched only where a range is given: `context=12..48`.
"""

import ast
from dataclasses import dataclass
from typing import Any

from samoyed import catalog, settings
from samoyed.errors import UsageError
from samoyed.plan import as_text

_LEAST_DECAY, _MOST_DECAY = 1e-5, 0.3
_RATE = 10.0  # how far the learning rate may lie from its default, to both sides
_SMALL = 8


@dataclass(frozen=True)
class Range:
    """Where one setting is searched: among `choices`, or from `low` to `high`, whole numbers or not, evenly in the logarithm or not."""

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    logarithmic: bool = False

    def suggest(self, trial: Any) -> Any:
        """A value for an Optuna trial, as the setting takes it."""
        if self.choices:
            return trial.suggest_categorical(self.name, list(self.choices))
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.logarithmic)
        return trial.suggest_float(self.name, self.low, self.high, log=self.logarithmic)

    def holds(self, value: Any) -> bool:
        """Whether the search could come upon a value."""
        return value in self.choices if self.choices else value is not None and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}"


def of(model: catalog.Form, settled: dict[str, dict[str, Any]], given: dict[str, Any], descends: bool) -> list[Range]:
    """The ranges for a model's own settings and, if it descends, the trainer's; what is `given` a value is not searched."""
    found = [ranged(p.name, p.annotation, settled["model"][p.name]) for p in model.settings.values()]
    if descends:
        training = settled["training"]
        rate, decay, size = training["learning_rate"], training["weight_decay"], training["batch_size"]
        sizes = tuple(dict.fromkeys(max(1, round(size * factor)) for factor in (0.5, 1, 2)))
        found += [
            Range("learning_rate", low=rate / _RATE, high=rate * _RATE, logarithmic=True),
            Range("weight_decay", low=_LEAST_DECAY, high=max(_MOST_DECAY, decay), logarithmic=True),
            Range("batch_size", choices=sizes),
        ]
    return [one for one in found if one is not None and one.name not in given]


def ranged(name: str, annotation: ast.expr, default: Any) -> Range | None:
    """The range of one setting around its default; None where its type says too little."""
    kind = ast.unparse(annotation).removesuffix(" | None")
    if default is None:
        return None
    if kind == "bool":
        return Range(name, choices=(False, True))
    if kind.startswith("Literal["):
        assert isinstance(annotation, ast.Subscript)
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        choices = tuple(ast.literal_eval(part) for part in parts)
        if isinstance(default, int):
            choices = tuple(sorted(c for c in choices if c <= 2 * default))
        return Range(name, choices=choices) if len(choices) > 1 else None
    if kind == "Count" and default <= _SMALL:
        return Range(name, low=1, high=default + 2, whole=True)
    if kind == "Count":
        return Range(name, low=max(1, default // 4), high=4 * default, whole=True, logarithmic=True)
    if kind == "Share":
        return Range(name, low=0.0, high=max(0.6, min(0.95, default + 0.2)))
    if kind in ("Positive", "NonNegative") and default > 0:
        return Range(name, low=default / 4, high=4 * default, logarithmic=True)
    if kind == "tuple[Count, ...]" and all(size > _SMALL for size in default):
        scaled = [tuple(max(1, round(size * factor)) for size in default) for factor in (0.5, 1, 2)]
        return Range(name, choices=tuple(map(as_text, scaled)))
    return None


def divided(pairs: dict[str, str], forms: list[catalog.Form]) -> tuple[dict[str, str], list[Range]]:
    """`key=value` settings, and those whose value is a range, `key=low..high`, as ranges. Raises UsageError."""
    plain, ranges = {}, []
    known = {name: p for form in forms for name, p in form.settings.items()}
    for name, text in pairs.items():
        low, dots, high = text.partition("..")
        if not dots or name == "model" or name not in known:
            plain[name] = text
        else:
            ranges.append(_given(known[name], low, high))
    return plain, ranges


def _given(parameter: catalog.Parameter, low: str, high: str) -> Range:
    name = parameter.name
    ends = [settings.check(name, parameter.annotation, end) for end in (low, high)]
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise UsageError(
            f"{name}={low}..{high} is no range", remedy=f"{name} is {settings.meaning(parameter.annotation)}"
        )
    if not ends[0] < ends[1]:
        raise UsageError(
            f"{name}={low}..{high} holds nothing", remedy="write the lower end first, as in dropout=0..0.5"
        )
    whole = all(isinstance(end, int) for end in ends)
    return Range(name, low=ends[0], high=ends[1], whole=whole, logarithmic=ends[0] > 0 and ends[1] >= 10 * ends[0])
