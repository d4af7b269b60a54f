"""What a `key=value` may be: the vocabulary of types in the signatures of tasks, models and the trainer.

A constructor's keyword-only arguments are its settings; their annotations, read from the source without importing it, are
checked here by pydantic. This module imports neither torch nor, until a value is checked, pydantic.
"""

import ast
import math
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from samoyed.errors import UsageError, shown

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Count = Annotated[int, Ge(1), Le(2**53)]
Span = Annotated[int, Ge(1), Le(10_000)]  # steps of time that are held at once
Few = Annotated[int, Ge(1), Le(63)]
Whole = Annotated[int, Ge(0), Le(2**63 - 1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Duration = typing.NewType("Duration", float)
"""Seconds; written as 90, 90s, 30min, 2h or 1h30min."""

_MEANING = {
    "Count": "a whole number of at least 1",
    "Few": "a whole number from 1 to 63",
    "Span": "a whole number of at least 1",
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
    "Span": Span,
    "Few": Few,
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
_WORDS = {
    "task": "name it first",
    "data": "name the file or folder without data=",
    "out": "write --out DIR",
    "quiet": "write --quiet",
    "resume": "write --resume",
}
_SHORT = {"from": "from_run"}  # what can be no name in Python
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
            return tuple.__class_getitem__((resolve(item), ...))
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
    try:
        return _checked(TypeAdapter(wanted), annotation, wanted, value)
    except (ValidationError, ValueError) as error:
        got = shown(value) if value != "" else "(nothing)"
        limits = (
            [e["ctx"]["le"] for e in error.errors() if e["type"] == "less_than_equal"]
            if isinstance(error, ValidationError)
            else []
        )
        most = f" and at most {limits[0]}" if limits else ""
        raise UsageError(f"{name}={got} is not allowed", remedy=f"{name} is {meaning(annotation)}{most}") from error


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


def _is_there(word: str) -> bool:
    try:
        return bool(word) and Path(word).exists()
    except (OSError, ValueError):
        return False


def parse_pairs(pairs: list[str]) -> dict[str, str]:
    """`["model=lenet", "epochs=20"]` as a mapping. Raises UsageError for anything that is not key=value, or is named twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        key = _SHORT.get(key, key)
        if not equals and _is_there(pair):
            raise UsageError(f"{shown(pair)} stands in the wrong place", remedy="DATA comes first, before the settings")
        if not equals or not key.isidentifier():
            raise UsageError(
                f"{shown(pair)!r} is not understood",
                remedy="settings are written key=value without spaces, such as epochs=20",
            )
        if key in _WORDS:
            raise UsageError(f"{key} is no setting", remedy=_WORDS[key])
        if key in found:
            raise UsageError(
                f"{key} is set twice, to {shown(found[key])} and {shown(value.strip())}", remedy="keep one of them"
            )
        found[key] = value.strip()
    return found


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON and YAML can hold them: tuples become lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def _checked(adapter: "TypeAdapter[Any]", annotation: ast.expr, wanted: Any, value: Any) -> Any:
    """`value` converted and checked. Raises ValueError or pydantic's ValidationError."""
    if isinstance(value, str):
        value = _from_text(value, annotation, wanted)
    elif _holds_truth(value) and "bool" not in ast.unparse(annotation):
        raise ValueError("a truth value is no number")
    elif _is_list(annotation) and isinstance(value, int | float):
        value = (value,)  # as the text "64" is a list of one
    found = adapter.validate_python(value)
    if not _finite(found):
        raise ValueError("no setting is infinite")
    if "Duration" in ast.unparse(annotation) and found is not None and found <= 0:
        raise ValueError("no time is too little")
    return found


def _from_text(text: str, annotation: ast.expr, wanted: Any) -> Any:
    """What a text stands for, as far as the type says; pydantic converts numbers and truth values."""
    text = text.strip()
    members = typing.get_args(wanted)
    if type(None) in members and text.lower() in ("none", ""):
        return None
    if "Duration" in ast.unparse(annotation):
        return seconds(text)
    if _is_list(annotation):
        inner = text[1:-1] if (text[:1], text[-1:]) in (("(", ")"), ("[", "]")) else text
        parts = [part.strip() for part in inner.split(",")]
        return tuple(parts[:-1] if parts[-1] == "" else parts)  # a comma may end the list
    if typing.get_origin(wanted) is Literal:
        return next((choice for choice in members if str(choice) == text), text)
    return text


def _is_list(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).startswith("tuple")


def _holds_truth(value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, list | tuple) and any(isinstance(item, bool) for item in value)
    )


def _finite(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
