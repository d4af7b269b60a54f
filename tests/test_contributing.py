"""The worked examples of CONTRIBUTING.md do what it says: put in their folders, they are found, trained and answer."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```python\n# (samoyed/\S+\.py)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package with the examples added."""
    folder = tmp_path_factory.mktemp("contributing")
    shutil.copytree(ROOT / "samoyed", folder / "samoyed", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in BLOCKS:
        assert not (folder / name).exists()
        (folder / name).write_text(text, "utf-8")
    return folder


def samoyed(package, *words, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "samoyed", *words, "--json"],
        cwd=package, env={**os.environ, "PYTHONPATH": str(package)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_there_is_one_example_of_each():
    assert [Path(name).parent.name for name, _ in BLOCKS] == ["models", "tasks", "sources"]


def test_the_model_fits_every_task_that_supplies_its_sizes_and_its_gradients_are_right(package):
    assert "maxout" in samoyed(package, "models", "image-classification")["models"]
    assert "maxout" in samoyed(package, "models", "time-series-forecasting")["models"]
    assert samoyed(package, "gradcheck", "maxout")["ok"]
    done = samoyed(package, "train", "image-classification", "model=maxout", "pieces=2", "epochs=5", "-q")
    assert done["metrics"]["test"]["error"]["value"] < 20


def test_the_task_learns(package):
    done = samoyed(package, "train", "image-denoising", "epochs=8", "-q")
    assert done["metrics"]["test"]["rmse"]["value"] < 0.7  # the mean picture is 1 away
    assert (package / done["run"] / "plots" / "restored.png").stat().st_size > 1000
    assert samoyed(package, "evaluate", done["run"])["metrics"]["rmse"] == done["metrics"]["test"]["rmse"]


def test_the_source_is_read_and_names_a_damaged_line(package):
    lines = [json.dumps({"text": f"Line {i} of the notes, which goes on for a while."}) for i in range(60)]
    lines[7] = "{}"
    (package / "notes.jsonl").write_text("\n".join(lines))
    found = samoyed(package, "check", "text-generation", "notes.jsonl")["found"]
    assert any("line 8" in text for _, text in found)


def test_the_examples_keep_the_style(package):
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        command = [sys.executable, "-m", *tool, "--config", str(ROOT / "pyproject.toml"), *(n for n, _ in BLOCKS)]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
