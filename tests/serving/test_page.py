"""The page in a real browser: a digit drawn with the mouse, a text, a series, on a phone and a desk, in light and dark."""

import io
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed import samples
from samoyed.run import Run
from samoyed.serving.answering import Answering

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    launched = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield launched
    launched.close()


def opened(browser: Any, url: str, width: int = 390, scheme: str = "light") -> tuple[Any, list[str]]:
    """The page, and the hosts and errors that it met."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.set_default_timeout(10_000)
    met: list[str] = []
    page.on("pageerror", lambda error: met.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((url, "blob:", "data:")) else met.append(request.url)
    )
    page.goto(url)
    page.wait_for_selector("main:not([hidden])")
    return page, met


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1200, "dark")])
def test_a_digit_is_drawn_with_the_mouse(
    run_of: Callable[[str], Run], serving: Any, browser: Any, width: int, scheme: str
) -> None:
    with serving(run_of("image-classification")) as served:
        page, met = opened(browser, served.url, width, scheme)
        page.click("#input button[type=submit]")
        assert "no picture yet" in page.inner_text("#answer [role=alert]")
        box = page.locator("#draw").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.5 * box["height"] - 0.35 * box["height"])
        page.mouse.down()
        for i in range(1, 41):  # a nought
            import math

            turn = 2 * math.pi * i / 40
            x, y = 0.5 + 0.24 * math.sin(turn), 0.5 - 0.35 * math.cos(turn)
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.up()
        page.click("#input button[type=submit]")
        page.wait_for_selector("#label")
        assert page.inner_text("#label") == "0"
        assert page.locator(".bars .bar").count() == 10
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert met == []
        page.close()


def test_it_is_used_by_keyboard(run_of: Callable[[str], Run], serving: Any, browser: Any) -> None:
    with serving(run_of("image-classification")) as served:
        page, met = opened(browser, served.url)
        page.focus("#draw")
        for key in (" ", *["ArrowDown"] * 12):
            page.keyboard.press(key)
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.type") == "submit":
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("#label")
        assert met == []
        page.close()


def test_a_text_is_written_on(run_of: Callable[[str], Run], serving: Any, browser: Any) -> None:
    with serving(run_of("text-generation")) as served:
        page, met = opened(browser, served.url)
        page.fill("textarea", "abca")
        page.fill("input[name=length]", "50")
        page.click("#input button[type=submit]")
        page.wait_for_selector("#text")
        assert len(page.inner_text("#text")) == 54
        assert met == []
        page.close()


def test_a_series_is_drawn_with_its_past(run_of: Callable[[str], Run], serving: Any, browser: Any) -> None:
    series = samples.load("airline_passengers")[0][0]
    table = "month,passengers\n" + "\n".join(
        f"{t},{v:g}" for t, v in zip(series.times, series.values[:, 0], strict=True)
    )
    with serving(run_of("time-series-forecasting")) as served:
        page, met = opened(browser, served.url)
        page.fill("textarea", table)
        page.click("#input button[type=submit]")
        page.wait_for_selector("svg.chart .future")
        past = page.get_attribute("svg.chart .past", "points").split()
        assert len(past) == 72
        page.fill("textarea", "1 2 3")
        page.click("#input button[type=submit]")
        page.wait_for_selector("#answer [role=alert]")
        assert met == []
        page.close()


def test_a_token_is_asked_for(run_of: Callable[[str], Run], serving: Any, browser: Any) -> None:
    token = "a-token-of-some-length"
    with serving(run_of("text-generation"), token) as served:
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.goto(served.url)
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        assert page.locator("main").is_hidden()
        page.fill("#token", token)
        page.keyboard.press("Enter")
        page.wait_for_selector("main:not([hidden])")
        page.close()
        page, _ = opened(browser, f"{served.url}/#token={token}")
        assert token not in page.url
        page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_a_clip_is_dropped_and_its_tags_are_drawn(
    run_of: Callable[[str], Run], serving: Any, browser: Any, width: int, scheme: str
) -> None:
    frames = [Pillow.fromarray(frame[..., 0]) for frame in samples.load("changing_motion")[0][3].frames]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=100)
    with serving(run_of("video-tagging")) as served:
        page, met = opened(browser, served.url, width, scheme)
        page.click("#input button[type=submit]")
        assert "no file yet" in page.inner_text("#answer [role=alert]")
        given = page.evaluate_handle(
            "(bytes) => { const all = new DataTransfer(); all.items.add(new File([new Uint8Array(bytes)], 'x.gif')); return all; }",
            list(data.getvalue()),
        )
        page.dispatch_event(".drop", "drop", {"dataTransfer": given})
        assert page.inner_text(".drop p") == "x.gif"
        page.click("#input button[type=submit]")
        page.wait_for_selector("canvas.strip")
        assert page.locator("svg.lane").count() == 5
        assert len(page.get_attribute("svg.lane polygon", "points").split()) == 2 + 2 * 24
        assert "NaN" not in page.inner_text("#answer")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert met == []
        page.close()


@pytest.fixture(scope="module")
def listening(chromium: Any) -> Iterator[Any]:
    """A browser whose microphone hears beeps."""
    hears = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    launched = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *hears])
    yield launched
    launched.close()


@pytest.mark.parametrize(
    ("task", "width", "scheme"),
    [("audio-classification", 390, "light"), ("automatic-speech-recognition", 1200, "dark")],
)
def test_what_is_said_is_recorded(
    run_of: Callable[[str], Run],
    serving: Any,
    listening: Any,
    task: str,
    width: int,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("kaldi_native_fbank")
    sent: list[bytes] = []
    real = Answering.read

    def read(self: Answering, body: bytes, kind: str) -> Any:
        sent.append(body)
        return real(self, body, kind)

    monkeypatch.setattr(Answering, "read", read)
    with serving(run_of(task)) as served:
        page, met = opened(listening, served.url, width, scheme)
        page.click("#input button[type=submit]")
        assert "no recording yet" in page.inner_text("#answer [role=alert]")
        page.focus("#record")
        page.keyboard.press("Enter")
        page.wait_for_selector("#record:text-is('Stop')")
        page.wait_for_timeout(1200)
        page.keyboard.press("Enter")
        page.wait_for_selector("#said:has-text('Recorded')")
        assert page.evaluate("document.querySelector('#heard').src").startswith("blob:")
        sent.clear()
        page.click("#input button[type=submit]")
        page.wait_for_selector("#label, #text")
        with wave.open(io.BytesIO(sent[0])) as sound:
            assert sound.getnchannels() == 1
            assert 0.5 < sound.getnframes() / sound.getframerate() < 5
            samples_ = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        assert np.abs(samples_).max() > 1000  # the beeps
        assert page.locator("#answer [role=alert]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert met == []
        page.close()


def test_a_recording_is_chosen_and_one_that_is_none_is_refused(
    run_of: Callable[[str], Run], serving: Any, browser: Any, tmp_path: Path
) -> None:
    pytest.importorskip("kaldi_native_fbank")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((8000 * np.sin(np.arange(4000) / 3)).astype("<i2").tobytes())
    (tmp_path / "none.wav").write_bytes(b"no sound")
    with serving(run_of("audio-classification")) as served:
        page, met = opened(browser, served.url)
        page.set_input_files("#file", tmp_path / "tone.wav")
        page.click("#input button[type=submit]")
        page.wait_for_selector("#label")
        page.set_input_files("#file", tmp_path / "none.wav")
        page.click("#input button[type=submit]")
        page.wait_for_selector("#answer [role=alert]")
        page.click("#record")  # this browser has no microphone
        page.wait_for_selector("#said:has-text('choose a file instead')")
        assert met == []
        page.close()
