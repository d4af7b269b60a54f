"""What a `key=value` may be: the vocabulary of types in the signatures of tasks, models and the trainer.

A constructor's keyword-only arguments are its settings; their annotations, read from the source without importing it, are
checked here by pydantic. This module imports neither torch nor, until a value is checked, pydantic.
"""

import ast
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt
from samoyed.errors import UsageError

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Duration = typing.NewType("Duration", float)
"""Seconds; written as 90, 90s, 30min, 2h or 1h30min."""

_MEANING = {
    "Count": "a whole number of at least 1",
    "Whole": "a whole number of at least 0",
    "Positive": "a number above 0",
    "NonNegative": "a number of at least 0",
    "Share": "a number from 0 up to, not including, 1",
    "Duration": "a time such as 90s, 30min or 1h30min",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
}
_TYPES: dict[str, Any] = {
    "Count": Count,
    "Whole": Whole,
    "Positive": Positive,
    "NonNegative": NonNegative,
    "Share": Share,
    "Duration": Duration,
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
}
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def resolve(annotation: ast.expr) -> Any:
    """The type an annotation's syntax tree stands for. Only the vocabulary above is understood; nothing is evaluated."""
    match annotation:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return resolve(left) | resolve(right)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            options = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return Literal[tuple(ast.literal_eval(option) for option in options)]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=e)])) if e is ...:
            return tuple[resolve(item), ...]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=items):
            parts = items.elts if isinstance(items, ast.Tuple) else [items]
            return tuple.__class_getitem__(tuple(resolve(part) for part in parts))
    raise TypeError(f"a setting cannot have the type {ast.unparse(annotation)}")


def meaning(annotation: ast.expr) -> str:
    """The type in words, for help and errors.

    >>> meaning(ast.parse("Count | None", mode="eval").body)
    'a whole number of at least 1, or none'
    """
    match annotation:
        case ast.Name(id=name):
            return _MEANING.get(name, name)
        case ast.Constant(value=None):
            return "none"
        case ast.BinOp(left=left, right=right):
            return f"{meaning(left)}, or {meaning(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            options = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return "one of " + ", ".join(str(ast.literal_eval(option)) for option in options)
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=e)])) if e is ...:
            return f"a list, comma-separated, each {meaning(item)}"
    return ast.unparse(annotation)


def check(name: str, annotation: ast.expr, value: Any) -> Any:
    """`value` as the annotation's type; text is converted ("12" is a Count, "64,32" a list, "none" None).

    Raises UsageError that names the setting, what it got and what it may be.
    """
    from pydantic import TypeAdapter, ValidationError

    wanted = resolve(annotation)
    optional = type(None) in typing.get_args(wanted)
    try:
        if isinstance(value, str):
            value = _from_text(value, annotation, optional)
        elif isinstance(value, bool) and "bool" not in ast.unparse(annotation):
            raise ValueError("a truth value is no number")
        return TypeAdapter(wanted).validate_python(value)
    except (ValidationError, ValueError) as error:
        raise UsageError(f"{name}={value} is not allowed", remedy=f"{name} is {meaning(annotation)}") from error


def seconds(text: str) -> float:
    """A duration in words as seconds.

    >>> seconds("30min"), seconds("1h30min"), seconds("90")
    (1800.0, 5400.0, 90.0)
    """
    compact = text.replace(" ", "").lower()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    if not re.fullmatch(r"(\d+(\.\d+)?(h|min|m|s))+", compact):
        raise ValueError(f"{text} is no duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(h|min|m|s)", compact))


def parse_pairs(pairs: list[str]) -> dict[str, str]:
    """`["model=lenet", "epochs=20"]` as a mapping. Raises UsageError for anything that is not key=value, or is named twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        if not equals or not key.isidentifier():
            raise UsageError(f"{pair!r} is not understood", remedy="settings are written key=value, for example epochs=20")
        if key in found:
            raise UsageError(f"{key} is set twice: {found[key]} and {value.strip()}")
        found[key] = value.strip()
    return found


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON and YAML can hold them: tuples become lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def _from_text(text: str, annotation: ast.expr, optional: bool) -> Any:
    source = ast.unparse(annotation)
    if optional and text.lower() in ("none", ""):
        return None
    if "Duration" in source:
        return seconds(text)
    if source.startswith("tuple"):
        inner = text.strip("()[] ")
        return tuple(part.strip() for part in inner.split(",") if part.strip())
    return text
