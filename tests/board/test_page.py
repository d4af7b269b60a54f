"""The board in a real browser: curves that grow, runs side by side, on a phone and a desk, by keyboard, in light and dark."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import line  # type: ignore[import-not-found]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser: Any, url: str, width: int = 390, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and the hosts and errors that it met."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(20_000)
    met: list[str] = []
    page.on("pageerror", lambda error: met.append(str(error)))
    page.on("console", lambda said: met.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith((url, "data:")) else met.append(request.url))
    page.goto(url)
    page.wait_for_selector("#list li")
    return page, met


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_curves_grow_while_a_run_learns(browser: Any, shown: Any, live: Path, width: int, scheme: str) -> None:
    for epoch in range(2, 12):
        with (live / "metrics.jsonl").open("a") as log:
            log.write(line(epoch, 2.0 / epoch))
    page, met = opened(browser, shown.url, width, scheme)
    page.click("button:has-text('live')")
    page.wait_for_selector("#shown-title:has-text('live')")
    points = "svg.curves polyline >> nth=0"
    assert len(page.get_attribute(points, "points").split()) == 11
    with (live / "metrics.jsonl").open("a") as log:
        log.write(line(12, 0.1))
    page.wait_for_function(
        "() => document.querySelector('svg.curves polyline').getAttribute('points').split(' ').length === 12"
    )
    page.wait_for_selector("#list li.open:has-text('epoch 12')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if folder := os.environ.get("SAMOYED_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/board-{width}.png", full_page=True)
    assert met == []
    page.close()


def test_runs_are_chosen_and_compared_by_keyboard(browser: Any, shown: Any, live: Path) -> None:
    page, met = opened(browser, shown.url, 1000)
    page.focus("#find")
    page.keyboard.type("finished")
    page.wait_for_function("() => document.querySelectorAll('#list li').length === 2")
    for _ in range(2):
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.type === 'checkbox' && !document.activeElement.checked"):
                break
        page.keyboard.press("Space")
    page.wait_for_selector("#shown-title:has-text('2 runs')")
    assert page.locator(".key li").count() == 2
    assert page.locator("svg.curves >> nth=0 >> polyline").count() == 2
    page.focus("svg.curves >> nth=0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".charts output >> nth=0").startswith("epoch 1:")
    if folder := os.environ.get("SAMOYED_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/board-two.png", full_page=True)
    page.focus("#compare")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('2 runs of image classification')")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).margin") != ""
    assert page.locator("figure svg").count() == 2
    assert met == []
    page.close()


def test_what_cannot_be_compared_is_said(browser: Any, shown: Any, live: Path) -> None:
    page, _ = opened(browser, shown.url)
    page.check("input[aria-label='Choose live']")
    page.check("input[aria-label='Choose image-classification/1']")
    page.click("#compare")
    page.wait_for_selector("#wrong:not([hidden])")
    assert "is not a finished run" in page.inner_text("#wrong")
    page.close()


def test_nothing_in_a_report_runs(browser: Any, shown: Any, live: Path) -> None:
    (live / "report.html").write_text(
        "<title>quiet</title><style>h1 { color: rgb(1, 2, 3) }</style><h1>A report</h1>"
        "<script>document.title = 'loud'</script><img src='https://example.org/x.png' onerror=\"document.title='loud'\">"
    )
    page, _ = opened(browser, shown.url)
    page.click("button:has-text('live')")
    page.click("a:has-text('report')")
    page.wait_for_selector("h1:has-text('A report')")
    page.wait_for_timeout(200)
    assert page.title() == "quiet"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    page.close()
