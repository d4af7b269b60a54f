"""report.html: one self-contained file that says what was trained on what, how well, and shows it."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from samoyed.files import write_text
from samoyed.reporting.figures import to_png, to_svg
from samoyed.tasks import Picture

_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_PICTURE_ID = re.compile(
    r'(?<=\s)id="image[^"]*"'
)  # made from its pixels, so that equal pictures share it; nothing refers to it
_REFERENCE = re.compile(r'(?<=\s)id="|(?<=[:"\s])url\(#|href="#')


def write_report(folder: Path, facts: dict[str, Any], pictures: list[Picture]) -> Path:
    """Writes plots/*.png and report.html into `folder`, and returns the page's path. `facts` are the template's words."""
    page = folder / "report.html"
    write_text(page, _environment().get_template("report.html.j2").render(pictures=_drawn(folder, pictures), **facts))
    return page


def write_explanation(folder: Path, run: str, said: str, pictures: list[Picture], about: str | None = None) -> Path:
    """Writes plots/*.png and explanation.html into `folder`, and returns the page's path; `about` stands under what is `said`."""
    page = folder / "explanation.html"
    template = _environment().get_template("explanation.html.j2")
    write_text(
        page,
        template.render(
            pictures=_drawn(folder, pictures), said=said, about=about or f"How {run} comes to this answer."
        ),
    )
    return page


def write_comparison(folder: Path, facts: dict[str, Any], pictures: list[Picture]) -> Path:
    """Writes plots/*.png and comparison.html into `folder`, and returns the page's path. `facts` are the template's words."""
    page = folder / "comparison.html"
    template = _environment().get_template("comparison.html.j2")
    write_text(page, template.render(pictures=_drawn(folder, pictures), **facts))
    return page


def write_tuning(folder: Path, facts: dict[str, Any], pictures: list[Picture]) -> Path:
    """Writes plots/*.png and tuning.html into `folder`, and returns the page's path. `facts` are the template's words."""
    page = folder / "tuning.html"
    write_text(page, _environment().get_template("tuning.html.j2").render(pictures=_drawn(folder, pictures), **facts))
    return page


def _drawn(folder: Path, pictures: list[Picture]) -> list[dict[str, Any]]:
    """The pictures for a template; each is written as PNG too."""
    drawn = []
    for picture in pictures:
        to_png(picture.figure, folder / "plots" / f"{picture.name}.png")
        svg = _own_ids(to_svg(picture.figure), picture.name)
        svg = svg.replace("<svg ", f'<svg role="img" aria-label="{Markup.escape(picture.title)}" ', 1)
        drawn.append({"title": picture.title, "caption": picture.caption, "svg": Markup(svg)})
    return drawn


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("samoyed", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _own_ids(svg: str, name: str) -> str:
    """Makes the ids of one drawing its own, since several share the page; only inside tags, since texts may say anything."""

    def own(tag: re.Match[str]) -> str:
        text = _PICTURE_ID.sub("", tag[0]) if tag[0].startswith("<image ") else tag[0]
        return _REFERENCE.sub(rf"\g<0>{name}-", text)

    return _TAG.sub(own, svg)
