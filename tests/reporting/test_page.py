"""report.html: one file that needs no other, in light and dark, whatever the names in it; and its command repeats the run."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

import samoyed
from samoyed.reporting.figures import figure
from samoyed.reporting.page import write_report
from samoyed.tasks import Picture

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
TASKS = pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])

HEADINGS = {
    IMAGES: [
        "How it learned", "What training sees", "What it confuses", "The surest mistakes", "First-layer filters",
        "Is it as sure as it is right?",
        "What each layer sees", "What each layer does not mind",
    ],
    TEXT: ["How it learned", "What it writes", "Where it is surprised", "Beside n-grams"],
    SERIES: ["How it learned", "Forecast against truth", "Error by distance", "Back-test"],
}  # fmt: skip


@TASKS
def test_the_page_is_well_formed(pages: dict[str, Any], task: str) -> None:
    page = pages[task]
    assert page.wrong == []
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert ("meta", {"charset": "utf-8"}) in page.elements
    assert [tag for tag, _ in page.elements[:2]] == ["html", "head"]
    assert len(page.texts("title")) == len(page.texts("h1")) == 1


@TASKS
def test_the_page_needs_no_other_file(pages: dict[str, Any], task: str) -> None:
    page = pages[task]
    for tag, given in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "img", "audio", "video")
        assert not any(name.startswith("on") for name in given)
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster", "background"):
            assert given.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in page.text
    assert not re.search(r"url\((?!#)", page.text)
    assert "@font-face" not in page.text


@TASKS
def test_ids_are_unique_and_references_lead_to_one(pages: dict[str, Any], task: str) -> None:
    page = pages[task]
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids)) > 0
    used = [given["xlink:href"][1:] for _, given in page.elements if given.get("xlink:href", "").startswith("#")]
    used += [
        name for _, given in page.elements for value in given.values() for name in re.findall(r"url\(#([^)]*)\)", value)
    ]
    assert used
    assert set(used) <= set(ids)


@TASKS
def test_every_section_is_there(pages: dict[str, Any], runs: dict[str, Path], task: str) -> None:
    page, run = pages[task], samoyed.load(runs[task])
    assert page.texts("h2") == [
        "How well it does", "What it learned from", *HEADINGS[task], "What was trained", "Do it again"
    ]  # fmt: skip
    drawings = [given for tag, given in page.elements if tag == "svg"]
    assert [given["aria-label"] for given in drawings] == HEADINGS[task]
    assert {given["role"] for given in drawings} == {"img"}
    assert len(page.texts("figcaption")) == len(HEADINGS[task])
    assert page.texts("pre") == [run.config["command"]]
    assert page.texts("h1") == [f"{task.replace('-', ' ').capitalize()} with {run.config['model']}"]
    assert not any(given.get("class") == "alert" for _, given in page.elements)


@TASKS
def test_every_figure_is_there(pages: dict[str, Any], runs: dict[str, Path], task: str) -> None:
    page, run = pages[task], samoyed.load(runs[task])
    cells = page.texts("td")
    for part in run.metrics.values():
        for name, found in part.items():
            assert f"{found['value']:.4g} ({found['low']:.4g} to {found['high']:.4g})" in cells
            assert name in cells
            assert found["unit"] in page.texts("span")
    assert f"{run.parameters:,}" in page.texts("b")
    name, main = next(iter(run.metrics["test"].items()))
    assert any(text.startswith(f"{main['value']:.4g}") and text.endswith(main["unit"]) for text in page.texts("b"))
    assert f"{name} on the test split, 95 % interval {main['low']:.4g} to {main['high']:.4g}" in page.texts("span")


@TASKS
def test_every_setting_is_there(pages: dict[str, Any], runs: dict[str, Path], task: str) -> None:
    page, run = pages[task], samoyed.load(runs[task])
    shown = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    for values in run.config["settings"].values():
        for name, value in values.items():
            assert (name in shown) == (value is not None)
    assert shown["seed"] == "0"
    assert shown["epochs"] == str(run.config["settings"]["training"]["epochs"])
    assert shown["nesterov"].lower() == "true"


@TASKS
def test_data_and_environment_are_there(
    pages: dict[str, Any], raw: dict[str, Path], runs: dict[str, Path], task: str
) -> None:
    cells = [*pages[task].texts("th"), *pages[task].texts("td")]
    assert str(raw[task]) in cells
    assert {"data", "splits", "rule", "samoyed", "python", "torch", "system", "processor", "threads", "device"} <= set(
        cells
    )
    for value in json.loads((runs[task] / "environment.json").read_text("utf-8")).values():
        assert str(value) in cells


@TASKS
def test_light_and_dark(pages: dict[str, Any], task: str) -> None:
    (sheet,) = [text for inside, text in pages[task].said if inside == "style" and ":root" in text]
    assert "color-scheme: light dark" in sheet
    light = dict(re.findall(r"(--\w+): (#\w+)", sheet.partition("@media (prefers-color-scheme: dark)")[0]))
    dark = dict(re.findall(r"(--\w+): (#\w+)", sheet.partition("@media (prefers-color-scheme: dark)")[2]))
    assert set(light) == set(dark) >= {"--ink", "--paper"}
    assert not set(re.findall(r"var\((--\w+)\)", sheet)) - set(light)
    for theme in (light, dark):  # as WCAG 2 asks of text
        assert contrast(theme["--ink"], theme["--paper"]) >= 7
        assert contrast(theme["--ink"], theme["--card"]) >= 7
        assert contrast(theme["--soft"], theme["--paper"]) >= 4.5
        assert contrast(theme["--soft"], theme["--card"]) >= 4.5
        assert contrast(theme["--mark"], theme["--card"]) >= 3  # large
    assert luminance(light["--paper"]) > 0.8 > 0.2 > luminance(dark["--paper"])
    assert re.search(r"figure svg \{[^}]*color: var\(--ink\)", sheet)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_hostile_names_are_texts(pages: dict[str, Any]) -> None:
    page = pages[IMAGES]
    assert "<script" not in page.text.lower()
    assert "<b>photos" not in page.text
    assert "<i>price" not in pages[SERIES].text
    assert "<li " not in pages[TEXT].text
    said = " ".join(text for _, text in page.said)
    for name in ("<script>alert(1)<", "größe", "a & 'b' \"c\"", "<b>photos & more"):
        assert name in said
    drawn = page.texts("text")
    assert all(drawn.count(name) >= 2 for name in ("<script>alert(1)<", "größe", "a & 'b' \"c\""))  # both axes
    assert "<i>price</i>" in pages[SERIES].texts("text")


@TASKS
def test_pictures_are_files_too(pages: dict[str, Any], runs: dict[str, Path], task: str) -> None:
    files = sorted((runs[task] / "plots").iterdir())
    assert len(files) == len(HEADINGS[task])
    for file in files:
        with Pillow.open(file) as picture:
            assert picture.format == "PNG"
            assert picture.width > 300
            grey = picture.convert("L")
            assert grey.getpixel((0, 0)) == 255  # on white
            assert grey.getextrema()[0] < 100


# What the names in a drawing must not become


@pytest.mark.parametrize(
    "name",
    ['id="a"', 'href="#a"', "url(#a)", "#123456", "<svg", "currentColor", "cost ($) → price ($)", "&amp;", "a  b"],
)
def test_a_drawing_says_what_was_written(tmp_path: Path, read_page: Any, name: str) -> None:
    drawn, axes = figure(3, 2)
    axes.set_title(name, parse_math=False)
    facts: dict[str, Any] = {"title": name, "summary": name, "alert": name, "command": name}
    facts |= {"headline": [(name, name)], "found": [(name, name)], "settings": [(name, name)]}
    facts |= {"results": {name: {name: name}}, "metrics": {name: name}, "environment": {name: name}}
    write_report(tmp_path, facts, [Picture("drawing", name, name, drawn)])
    page = read_page((tmp_path / "report.html").read_text("utf-8"))
    assert page.wrong == []
    assert name in page.texts("text")
    assert [given["aria-label"] for tag, given in page.elements if tag == "svg"] == [name]
    for tag in ("title", "h1", "pre", "dt", "dd", "b", "td", "figcaption"):
        assert name in page.texts(tag), tag
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))


def test_spaces_in_a_drawing_are_kept(pages: dict[str, Any]) -> None:
    """A text's indentation is part of what was written; SVG drops it unless it is told to keep it."""
    sheet = " ".join(text for inside, text in pages[TEXT].said if inside == "style")
    kept = re.search(r"svg[^{}]*\{[^}]*white-space: *pre", sheet) or 'xml:space="preserve"' in pages[TEXT].text
    assert kept


def test_an_alert_is_shown(tmp_path: Path, read_page: Any) -> None:
    facts: dict[str, Any] = {"title": "t", "summary": "s", "alert": "", "command": "c", "headline": [], "found": []}
    facts |= {"settings": [], "results": {}, "metrics": {}, "environment": {}}
    for alert in ("", "This run was stopped."):
        page = read_page(write_report(tmp_path, facts | {"alert": alert}, []).read_text("utf-8"))
        shown = [given for _, given in page.elements if given.get("class") == "alert"]
        assert len(shown) == bool(alert)
        assert (alert in page.texts("p")) == bool(alert)


def test_a_word_that_is_missing_is_an_error(tmp_path: Path) -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        write_report(tmp_path, {"title": "t"}, [])


# Do it again


@TASKS
def test_the_command_repeats_the_run(command: Any, pages: dict[str, Any], runs: dict[str, Path], task: str) -> None:
    (text,) = pages[task].texts("pre")
    program, *words = shlex.split(text)
    assert program == "samoyed"
    said = command(*words, "--json")
    assert said.code == 0, said.err
    again, first = samoyed.load(json.loads(said.out)["run"]), samoyed.load(runs[task])
    assert again.metrics == first.metrics
    assert again.config == first.config | {"command": again.config["command"]}
    kept = ("epoch", "step", "loss", "gradient_norm", "learning_rate", "valid", "best")
    logs = [
        [{key: row[key] for key in kept} for row in map(json.loads, (path / "metrics.jsonl").read_text().splitlines())]
        for path in (again.path, first.path)
    ]
    assert logs[0] == logs[1]
    weights = [(path / "model.safetensors").read_bytes() for path in (again.path, first.path)]
    assert weights[0] == weights[1]
    assert sys.argv[0] == "samoyed"
