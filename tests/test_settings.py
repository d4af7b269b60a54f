"""Every type a setting may have: what is taken, what is refused, and in which words."""

import ast
from typing import Any

import pytest

from samoyed.errors import UsageError
from samoyed.settings import check, meaning, parse_pairs, plain, resolve, seconds


def annotation(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def accepted(kind: str, value: Any) -> Any:
    return check("it", annotation(kind), value)


def refused(kind: str, value: Any) -> str:
    with pytest.raises(UsageError) as raised:
        check("it", annotation(kind), value)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("it=")
    assert raised.value.exit_code == 2
    return text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("Count", "12", 12),
        ("Count", " 12 ", 12),
        ("Count", "12.0", 12),
        ("Count", "1", 1),
        ("Whole", "0", 0),
        ("Whole", str(2**63 - 1), 2**63 - 1),
        ("Positive", "1e-3", 0.001),
        ("Positive", "3", 3.0),
        ("NonNegative", "0", 0.0),
        ("Share", "0", 0.0),
        ("Share", "0.999", 0.999),
        ("int", "-4", -4),
        ("float", "-0.5", -0.5),
        ("bool", "true", True),
        ("bool", "False", False),
        ("str", "close", "close"),
        ("str | None", "close", "close"),
        ("str | None", "none", None),
        ("Count | None", "None", None),
        ("Count | None", "7", 7),
        ("Positive | None", "", None),
        ("Literal['a', 'b']", "b", "b"),
        ("Literal[1, 2]", "2", 2),
        ("Literal['a'] | None", "none", None),
        ("tuple[Count, ...]", "64,32", (64, 32)),
        ("tuple[Count, ...]", "(64, 32)", (64, 32)),
        ("tuple[Count, ...]", "[64, 32,]", (64, 32)),
        ("tuple[Count, ...]", "64", (64,)),
        ("tuple[Count, ...]", "", ()),
        ("tuple[Share, ...]", "0.1,0.2", (0.1, 0.2)),
        ("tuple[Count, ...] | None", "none", None),
        ("tuple[Count, ...] | None", "5,6", (5, 6)),
        ("Duration", "90", 90.0),
        ("Duration", "90s", 90.0),
        ("Duration", "1.5h", 5400.0),
        ("Duration", "1h30min", 5400.0),
        ("Duration | None", "none", None),
    ],
)
def test_text_and_python_values_mean_the_same(kind: str, text: str, value: Any) -> None:
    found = accepted(kind, text)
    assert found == value
    assert type(found) is type(value)
    again = accepted(kind, value)
    assert again == value
    assert type(again) is type(value)


def test_python_has_its_own_ways_to_write_lists() -> None:
    assert accepted("tuple[Count, ...]", [64, 32]) == (64, 32)
    assert accepted("tuple[Count, ...]", 64) == (64,)
    assert accepted("Count", 12.0) == 12


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "Count",
            [
                "0",
                "-1",
                "1.5",
                "ten",
                "",
                "none",
                "1e3",
                "1,2",
                0,
                1.5,
                True,
                None,
                [1],
                "9" * 400,
                2**60,
                "nan",
                "١٢x",
            ],
        ),
        ("Whole", ["-1", -1, False, str(2**63), 2**70]),
        ("Positive", ["0", "-1", "nan", "inf", "1e999", 0, float("nan"), float("inf"), True, "0,1", "1%"]),
        ("NonNegative", ["-0.1", "inf", float("inf"), "nan"]),
        ("Share", ["1", "1.0", "-0.1", "50%", 1, 2, "inf"]),
        ("int", ["1.5", "x", True]),
        ("float", ["x", "inf", "nan", True, float("-inf")]),
        ("bool", ["maybe", "", 2, "none", 0.5]),
        ("str", [5, None, ["a"]]),
        ("Literal['a', 'b']", ["c", "", "A ", 1, None]),
        ("Literal[1, 2]", ["3", 3, "x"]),
        ("tuple[Count, ...]", ["64,,32", "64;32", "64 32", "0", "64,x", ",", [True], [0], "none", None, "(64", [1.5]]),
        ("tuple[Share, ...]", ["0.5,inf", [float("nan")], "1"]),
        ("Duration", ["0", "-5", "5 days", "", "soon", "1h30", "h", -5, 0, float("inf"), True, "9" * 400, None]),
        ("Count | None", ["0", "x", True]),
    ],
)
def test_what_is_refused(kind: str, values: list[Any]) -> None:
    for value in values:
        text = refused(kind, value)
        assert f"; it is {meaning(annotation(kind))}" in text, value


def test_the_words_of_a_refusal() -> None:
    assert refused("Count", "ten") == "it=ten is not allowed; it is a whole number of at least 1"
    assert refused("Count", "") == "it=(nothing) is not allowed; it is a whole number of at least 1"
    assert refused("Literal['adam', 'sgd']", "admm") == "it=admm is not allowed; it is one of adam, sgd"
    assert refused("Duration", "soon") == "it=soon is not allowed; it is a time such as 90s, 30min or 1h30min"
    assert refused("Count | None", "x") == "it=x is not allowed; it is a whole number of at least 1, or none"
    assert (
        refused("tuple[Count, ...]", "x")
        == "it=x is not allowed; it is a list, comma-separated, each a whole number of at least 1"
    )
    assert refused("Whole", 2**63).endswith("; it is a whole number of at least 0 and at most 9223372036854775807")
    assert refused("Share", "two\nlines").startswith("it=two\\nlines is")
    assert len(refused("Share", "x" * 10_000)) < 200


@pytest.mark.parametrize("kind", ["list[int]", "dict", "Any", "np.ndarray", "Count & int", "f()", "tuple[dict, ...]"])
def test_other_types_cannot_be_settings(kind: str) -> None:
    with pytest.raises(TypeError, match="a setting cannot have the type"):
        resolve(annotation(kind))


def test_nothing_is_evaluated() -> None:
    for kind in ("__import__('os').system('true')", "Literal[__import__('os')]"):
        with pytest.raises((TypeError, ValueError)):
            resolve(annotation(kind))


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("0.5", 0.5), ("2 h", 7200), ("1H 30MIN", 5400), ("5m", 300), ("1h1min1s", 3661)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


def test_pairs() -> None:
    assert parse_pairs(["model=lenet", "--batch-size=3", " note = a=b "]) == {
        "model": "lenet",
        "batch_size": "3",
        "note": "a=b",
    }
    assert parse_pairs([]) == {}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["epochs"], "'epochs' is not understood; settings are written key=value without spaces, such as epochs=20"),
        (["="], "'=' is not understood"),
        (["=20"], "'=20' is not understood"),
        (["my key=1"], "'my key=1' is not understood"),
        (["a\nb"], "'a\\\\nb' is not understood"),
        (["epochs=1", "epochs=2"], "epochs is set twice, to 1 and 2; keep one of them"),
        (["batch-size=1", "batch_size=1"], "batch_size is set twice"),
        (["out=here"], "out is no setting; write --out DIR"),
        (["data=photos"], "data is no setting; name the file or folder without data="),
        (["quiet=true"], "quiet is no setting; write --quiet"),
        (["task=x"], "task is no setting; name it first"),
    ],
)
def test_pairs_that_are_none(pairs: list[str], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_pairs(pairs)
    assert str(raised.value).startswith(said)


def test_plain_values_are_json() -> None:
    assert plain({"a": (1, 2), "b": None, "c": 0.5}) == {"a": [1, 2], "b": None, "c": 0.5}
