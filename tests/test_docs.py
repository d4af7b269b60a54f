"""What the documents say: pages follow from the source, links lead somewhere, commands can be carried out."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from docs import build
from samoyed import catalog, cli, plan, settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
VERBS = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}


def commands(text: str) -> list[list[str]]:
    """Every `samoyed ...` line of a shell block and every `samoyed ...` between backquotes, in words."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("samoyed ")]
    lines += re.findall(r"`(samoyed [^`\n]+)`", text)
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("path", build.pages(), ids=lambda path: path.name)
def test_pages_are_as_the_source_says(path: Path) -> None:
    assert path.read_text("utf-8") == build.pages()[path], "run `python -m docs.build`"


@pytest.mark.parametrize("name", TEXTS)
def test_links_and_pictures_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", TEXTS[name], flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http:", "https:", "#")):
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("name", TEXTS)
def test_no_page_is_unfinished(name: str) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX|TBD)\b|^[A-Z_]{5,}$", TEXTS[name], re.M)
    assert not re.search(r"(?<![\w.])/(work|tmp|home|root)/", TEXTS[name]), "a path of one machine"


@pytest.mark.parametrize("name", TEXTS)
def test_commands_can_be_carried_out(name: str) -> None:
    """Every verb exists; every `train` has a task, a model and settings that are known."""
    for words in commands(TEXTS[name]):
        if words[0].startswith("-") or words[0].isupper():
            continue
        assert words[0] in VERBS, words
        given = [word for word in words[1:] if re.fullmatch(r"(?!from=)[a-z_]+=\S+", word)]
        if name == "CONTRIBUTING.md":  # whose examples bring their own models and tasks, and have a test of their own
            continue
        if words[0] == "train" and words[1:2] and words[1] in catalog.tasks():
            plan.make(words[1], None, None, None, settings.parse_pairs(given))
        elif words[0] == "train":
            assert words[1:2] in ([], ["TASK"]) or words[1].isupper() or words[1] in TEXTS[name], words
        if words[0] == "reproduce" and len(words) > 1 and words[1].islower():
            assert {words[1].replace("-", "_"), words[1]} & set(catalog.recipes()), words


def test_every_dependency_is_named_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    names = {re.match(r"[\w.-]+", need)[0] for need in needed}  # type: ignore[index]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    }
    listed = TEXTS["docs/dependencies.md"]
    for name in names - {"samoyed"}:
        assert re.search(rf"\b{re.escape(name)}\b", listed), f"{name} is not in docs/dependencies.md"
        assert name.lower().replace("_", "-") in pinned, f"{name} is not in constraints.txt"


def test_every_task_is_a_system_with_a_page() -> None:
    for name in catalog.tasks():
        assert f"tasks/{name}.md" in TEXTS["docs/systems.md"]
        assert f"docs/tasks/{name}.md" in TEXTS["README.md"]
