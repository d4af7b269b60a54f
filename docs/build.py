"""Writes the pages that follow from the source: one per task, the tables of models and recipes.

python -m docs.build             rewrite the pages
python -m docs.build --check     exit 1 and name the pages that are not as the source says
python -m docs.build --pictures  also run the quick recipes and the samples, and take their pictures; or only those that are named
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from samoyed import catalog, describe

DOCS = Path(__file__).parent
_NOTE = "<!-- Written by `python -m docs.build` from the source; edit the docstrings there. -->\n\n"
_SLOW = 60  # recipes that take longer than this many seconds, or need data, have no picture made here
_REPORTS = {
    "handwriting-synthesis": ("drawings", "bias", "expected", "window", "curves"),
    "image-classification": ("confusion", "mistakes", "filters", "calibration", "curves"),
    "image-similarity": ("roc", "likeness", "neighbours", "map", "curves"),
    "sequence-tagging": ("tagged", "confusion", "classes", "curves"),
    "text-classification": ("confusion", "classes", "weights", "mistakes", "keywords", "calibration", "curves"),
    "text-generation": ("samples", "surprise", "ngrams", "curves"),
    "automatic-speech-recognition": ("transcripts", "heard", "curves"),
    "phone-recognition": ("heard", "confusion", "classes", "curves"),
    "audio-classification": ("spectrograms", "confusion", "mistakes", "calibration", "curves"),
    "image-captioning": ("attention", "captions", "curves"),
    "video-classification": ("seen", "confusion", "curves"),
    "video-tagging": ("timeline", "tags", "labels", "curves"),
    "volume-classification": ("seen", "confusion", "mistakes", "curves"),
    "text-line-recognition": ("transcripts", "heard", "curves"),
    "translation": ("examples", "alignment", "length", "phrases", "curves"),
    "time-series-forecasting": ("forecast", "horizon", "origins", "curves"),
}


def pages() -> dict[Path, str]:
    """Every page that is made, by its path."""
    made = {DOCS / "tasks" / f"{name}.md": task_page(name, entry) for name, entry in catalog.tasks().items()}
    made[DOCS / "models.md"] = models_page()
    made[DOCS / "recipes.md"] = recipes_page()
    return {path: _NOTE + text for path, text in made.items()}


def task_page(name: str, entry: catalog.Entry) -> str:
    """A task: its docstring, models, settings, and what its report shows."""
    found = describe.facts(entry)
    about, _, examples = found["about"].partition("\n\nExamples:\n")
    parts = [f"# {name}", about]
    parts.append("```sh\n" + "\n".join(line.strip() for line in examples.splitlines()) + "\n```")
    parts.append(f"Without data it runs on its sample, {found['sample']}.")
    parts.append("## Models\n\n" + _table(("model", "what it is"), _summaries(found["models"])))
    for owner, rows in found["settings"].items():
        parts.append(f"## Settings of the {owner}\n\n" + _settings(rows))
    pictures = [p for p in _REPORTS.get(name, ()) if (DOCS / "pictures" / name / f"{p}.png").exists()]
    if pictures:
        shown = "\n\n".join(f"![{picture}](../pictures/{name}/{picture}.png)" for picture in pictures)
        parts.append(f"## What the report shows\n\nFrom a run on the sample:\n\n{shown}")
    return "\n\n".join(parts) + "\n"


def models_page() -> str:
    """Every model: its docstring and hyperparameters."""
    parts = [
        "# Models",
        "`samoyed models TASK` lists those that fit a task, `samoyed describe MODEL` prints what stands here.",
    ]
    for name, entry in catalog.models().items():
        found = describe.facts(entry)
        parts.append(f"## {name}\n\n{entry.doc.strip()}\n\nTasks: {', '.join(found['tasks'])}.")
        parts += [f"### {form}\n\n" + _settings(rows) for form, rows in found["settings"].items() if rows]
    return "\n\n".join(parts) + "\n"


def recipes_page() -> str:
    """Every recipe: what it shows, what is expected, its picture."""
    parts = ["# Recipes", "Each is a published result or an experiment of the review, run by `samoyed reproduce NAME`."]
    for name, entry in catalog.recipes().items():
        text = f"## {name}\n\n{entry.doc.strip()}\n\nExpected: {entry.attributes['expected']}. About {entry.attributes['seconds']} s."
        shown = sorted((DOCS / "pictures" / "recipes" / name).glob("*.png"))
        parts.append("\n\n".join([text, *(f"![{p.stem}](pictures/recipes/{name}/{p.name})" for p in shown)]))
    return "\n\n".join(parts) + "\n"


def draw(names: list[str]) -> None:
    """Runs the quick recipes and each task's sample, or those of the names, and keeps their pictures."""
    import samoyed
    from samoyed.recipes import running

    for name, entry in catalog.recipes().items():
        if entry.attributes["seconds"] > _SLOW or (names and name not in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = running.run(name, None, Path(folder) / name, echo=lambda line: print(line, file=sys.stderr))
            for picture in found["pictures"]:
                _keep(Path(picture), DOCS / "pictures" / "recipes" / name)
    for name, wanted in _REPORTS.items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = samoyed.train(name, out=Path(folder) / "run", **_SETTINGS.get(name, {}))
            for picture in wanted:
                _keep(run.path / "plots" / f"{picture}.png", DOCS / "pictures" / name)


_SETTINGS: dict[str, dict[str, Any]] = {
    "text-generation": {"max_time": "4min"},
    "translation": {"hidden_size": 128, "embedding_size": 64},
}


def _keep(picture: Path, folder: Path) -> None:
    """Copies a picture in at most 256 colours, which halves it and cannot be seen."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(folder / picture.name, optimize=True)


def _summaries(names: list[str]) -> list[tuple[str, ...]]:
    known = catalog.models()
    return [(f"[{name}](../models.md#{name})", known[name].summary) for name in names]


def _settings(rows: dict[str, dict[str, str]]) -> str:
    if not rows:
        return "None."
    lines = [(f"`{name}`", f"`{row['default']}`", row["type"], row["help"]) for name, row in rows.items()]
    return _table(("setting", "default", "type", "meaning"), lines)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [head, ("---",) * len(head), *rows]]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the pages that follow from the source.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a page is not as the source says"
    )
    parser.add_argument(
        "--pictures",
        nargs="*",
        metavar="NAME",
        help="run the quick recipes and the samples, or those named, for their pictures",
    )
    given = parser.parse_args()
    if given.pictures is not None:
        draw(given.pictures)
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{'stale' if given.check else 'written'}: {path.relative_to(DOCS.parent)}")
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], "utf-8")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
