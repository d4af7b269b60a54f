"""One small run of each task, whose reports all tests read."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import samoyed

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
VOID = {"meta", "link", "br", "hr", "img", "input", "area", "base", "col", "embed", "source", "track", "wbr"}


class Page(HTMLParser):
    """A page's elements, ids and texts; whatever is not closed where it should be is in `wrong`."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.wrong = text, list[str](), list[str]()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.said: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        self.wrong += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.wrong += [f"{name} is twice in {tag}" for name in set(names) if names.count(name) > 1]
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()} closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append((self.open[-1] if self.open else "", data.strip()))

    def texts(self, tag: str) -> list[str]:
        """What elements of this name say."""
        return [text for inside, text in self.said if inside == tag]


@pytest.fixture(scope="session")
def read_page() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(0)
    for place, name in enumerate(("cat", "größe", "<script>alert(1)<", "a & 'b' \"c\"")):
        (folder / "<b>photos & more" / name).mkdir(parents=True)
        for number in range(10):
            pixels = draw.integers(0, 120, (16, 16, 3), dtype=np.uint8)
            pixels[:, 4 * place : 4 * place + 3, place % 3] += 120
            Pillow.fromarray(pixels).save(folder / "<b>photos & more" / name / f"{number}.png")
    lines = [
        f'<li class="x{i % 7}" id="item">to be or not to be & so on</li>\n    indented {i % 3}\n' for i in range(60)
    ]
    (folder / "page.txt").write_text("".join(lines), "utf-8")
    rows = [f"{1990 + i // 12}-{i % 12 + 1:02},{100 + i + 10 * np.sin(i / 2):.3f}" for i in range(140)]
    (folder / "prices.csv").write_text("\n".join(["month,<i>price</i>", *rows]), "utf-8")
    return {IMAGES: folder / "<b>photos & more", TEXT: folder / "page.txt", SERIES: folder / "prices.csv"}


@pytest.fixture(scope="session")
def runs(raw: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    settings: dict[str, dict[str, object]] = {
        IMAGES: {"model": "lenet", "epochs": 3, "batch_size": 8},
        TEXT: {"epochs": 2, "hidden_size": 8, "embedding_size": 4, "sequence_length": 32},
        SERIES: {"max_steps": 9, "hidden_size": 4, "learning_rate": 0.01},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMOYED_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs")
        for task, given in settings.items():
            samoyed.train(task, raw[task], out=folder / task, quiet=True, **given)
        yield {task: folder / task for task in settings}


@pytest.fixture(scope="session")
def pages(runs: dict[str, Path]) -> dict[str, Page]:
    """Each run's report."""
    return {task: Page((path / "report.html").read_text("utf-8")) for task, path in runs.items()}
