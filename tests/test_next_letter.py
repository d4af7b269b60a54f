"""The README's smallest example, as it stands there: after namaska comes r."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samoyed.tasks.text_generation import TextGeneration

README = Path(__file__).parents[1] / "README.md"


def test_after_namaska_comes_r(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextGeneration, "pictures", lambda *given: [])
    lines = README.read_text("utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if "greetings.txt" in line)
    shell, train, generate = lines[at : at + 3]
    written = re.fullmatch(r'for i in \$\(seq (\d+)\); do echo "(.*)"; done > greetings.txt', shell)
    assert written is not None
    times, line = written.groups()
    (tmp_path / "greetings.txt").write_text(f"{line}\n" * int(times), "utf-8")
    places = {"greetings.txt": tmp_path / "greetings.txt", "runs/greetings": tmp_path / "run"}
    words = [places.get(word, word) for word in shlex.split(train)[1:]]
    assert command(*words, "--quiet").code == 0
    asked, _, expected = generate.partition("#")
    words = [places.get(word, word) for word in shlex.split(asked)[1:]]
    assert command(*words).out.strip() == expected.strip() == "namaskar"
    answer = json.loads(command("predict", tmp_path / "run", "namaska", "--json").out)["answers"][0]
    assert next(iter(answer["next"])) == "r"
    assert answer["next"]["r"] > 0.9
