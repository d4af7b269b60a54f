"""Runs side by side: the figures are those of each run alone, the tests are on the same examples, and others are refused."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samoyed
from samoyed.comparing.alike import same
from samoyed.comparing.paired import mcnemar
from samoyed.comparing.sides import compare
from samoyed.comparing.table import text
from samoyed.errors import RunError, UsageError
from samoyed.examples import Image, Series


def test_figures_are_those_of_each_run_alone(digits: dict[str, Path]) -> None:
    found = compare([digits["linear"], digits["mlp"]]).facts()
    for side in found["runs"]:
        run = samoyed.load(side["run"])
        assert side["metrics"] == run.metrics["test"]
        assert side["parameters"] == run.parameters
        assert side["bytes"] == (run.path / "model.safetensors").stat().st_size
        assert side["per_second"] > 0
    assert found["examples"] == found["runs"][0]["metrics"]["error"]["count"]
    assert found["notes"] == []
    assert found["settings"]["model"] == ["linear", "mlp"]
    assert "epochs" not in found["settings"]


def test_the_test_counts_examples_answered_by_each(digits: dict[str, Path]) -> None:
    """Against the answers of each run, asked one by one."""
    found = compare([digits["linear"], digits["mlp"]]).facts()
    runs = [samoyed.load(digits[name]) for name in ("linear", "mlp")]
    examples = runs[0].held_out()
    right = [
        np.array([a["label"] == e.label for a, e in zip(run.task.answers(run.model, examples), examples, strict=True)])
        for run in runs
    ]
    counts = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    against = found["runs"][1]["against_first"]["error"]
    assert list(against["counts"]) == counts
    assert against["p"] == pytest.approx(mcnemar(*counts))
    assert against["value"] == pytest.approx(100 * (counts[0] - counts[1]) / len(examples))
    assert [alone["count"] for alone in found["right_alone"]] == counts
    alone = [e.origin for e, only in zip(examples, right[1] & ~right[0], strict=True) if only]
    assert found["right_alone"][1]["examples"] == alone[:10]


def test_several_are_held_against_the_first(digits: dict[str, Path]) -> None:
    two = compare([digits["linear"], digits["small"]]).facts()
    three = compare([digits["linear"], digits["mlp"], digits["small"]]).facts()
    assert three["runs"][0]["against_first"] == {}
    for name, one in two["runs"][1]["against_first"].items():
        other = three["runs"][2]["against_first"][name]
        assert other["value"] == one["value"]
        assert other["p"] >= one["p"]  # by Holm


def test_other_examples_are_refused(digits: dict[str, Path]) -> None:
    with pytest.raises(RunError, match=r"was not tested on the examples .*; train them on the same data"):
        compare([digits["linear"], digits["seed"]])


def test_other_data_make_them_comparable(digits: dict[str, Path], tmp_path: Path) -> None:
    from PIL import Image as Pillow

    from samoyed import samples

    for i, image in enumerate(samples.load("digits")[0][:60]):
        (tmp_path / "more" / str(image.label)).mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(image.pixels[:, :, 0]).save(tmp_path / "more" / str(image.label) / f"{i}.png")
    found = compare([digits["linear"], digits["seed"]], tmp_path / "more").facts()
    assert found["examples"] == 60
    assert found["runs"][1]["metrics"]["error"] == samoyed.evaluate(digits["seed"], tmp_path / "more")["error"]


def test_one_run_or_the_same_twice_is_refused(digits: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="one run cannot be compared"):
        compare([digits["linear"]])
    with pytest.raises(UsageError, match="named twice"):
        compare([digits["linear"], digits["linear"] / ".." / "linear"])


def test_other_tasks_are_refused(digits: dict[str, Path], tmp_path: Path) -> None:
    months = "month,price\n" + "\n".join(f"{1990 + i // 12}-{i % 12 + 1:02},{100 + i % 12}" for i in range(140))
    (tmp_path / "prices.csv").write_text(months)
    samoyed.train("time-series-forecasting", tmp_path / "prices.csv", model="naive", out=tmp_path / "run", quiet=True)
    with pytest.raises(UsageError, match=r"of image-classification and .* of time-series-forecasting"):
        compare([digits["linear"], tmp_path / "run"])


def test_examples_are_the_same_by_origin_or_content() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert same(Image(pixels, "a", "x.png"), Image(pixels[:1], "a", "x.png"))
    assert same(Image(pixels, "a", "x.png"), Image(pixels.copy(), "a", "y.png"))
    assert not same(Image(pixels, "a", "x.png"), Image(pixels + 1, "a", "y.png"))
    assert not same(Image(pixels, "a", "x.png"), Image(pixels + 1, "b", "x.png"))
    series = [Series(np.arange(n, 9.0)[:, None], ("v",), tuple(map(str, range(n, 9))), "s.csv") for n in (0, 3)]
    assert same(*series)


def test_series_with_more_or_less_past_are_paired(tmp_path: Path) -> None:
    rows = [f"{1990 + i // 12}-{i % 12 + 1:02},{100 + i % 12 + i / 7}" for i in range(160)]
    (tmp_path / "prices.csv").write_text("month,price\n" + "\n".join(rows))
    for name, settings in {"naive": {"model": "naive"}, "mlp": {"model": "mlp", "context": 36, "max_steps": 4}}.items():
        samoyed.train("time-series-forecasting", tmp_path / "prices.csv", out=tmp_path / name, quiet=True, **settings)
    found = compare([tmp_path / "naive", tmp_path / "mlp"])
    against = found.sides[1].differs
    assert set(against) >= {"rmse", "mae", "seasonal rmse"}
    assert against["seasonal rmse"].value == pytest.approx(0, abs=1e-6)
    assert "paired bootstrap for" in text(found)
    assert found.settings["context"] == ["none", "36"]


def test_the_verb_writes_a_page_and_a_table(digits: dict[str, Path], command: Any, tmp_path: Path) -> None:
    paths = [digits[name] for name in ("linear", "mlp", "small")]
    said = command("compare", *paths, "--out", tmp_path / "page", "--json")
    assert said.code == 0, said.err
    facts = json.loads(said.out)
    page = Path(facts["page"]).read_text("utf-8")
    for path in paths:
        assert str(path) in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert {p.stem for p in (tmp_path / "page" / "plots").glob("*.png")} == {"intervals", "learned"}
    for p in (tmp_path / "page" / "plots").glob("*.png"):
        assert p.stat().st_size > 5_000
    said = command("compare", *paths)
    assert "against 1" in said.out
    assert "McNemar's exact test for error" in said.out
    assert "adjusted by Holm" in said.out
    wrong = command("compare", paths[0], digits["seed"])
    assert wrong.code == 1
    assert wrong.err.startswith("error: ")
    assert wrong.err.count("\n") == 1
