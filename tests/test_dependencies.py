"""Dependencies point down, nothing can execute what is in a run, and files stay short: held by the syntax tree."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import samoyed

ROOT = Path(samoyed.__file__).parent
FILES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}
LAYERS = {  # a folder, and what of the project its files may import at the head or inside a function
    "layers": ("files", "layers", "settings"),
    "models": ("layers", "models", "settings"),
    "sources": ("catalog", "crew", "errors", "examples", "files", "settings", "sources", "spool"),
    "features": ("crew", "errors", "features", "files", "settings", "spool", "stored"),
    "decoding": ("batching", "decoding", "layers"),
    "samples": ("errors", "examples", "files", "samples", "sources"),
    "tasks": (
        *(
            "batching",
            "decoding",
            "errors",
            "examples",
            "explaining",
            "features",
            "files",
            "layers",
            "objectives",
            "reporting",
            "settings",
        ),
        *("sources", "splitting", "stored", "tasks"),
    ),
}
OUTSIDE = {
    "layers": {"torch", "triton"},
    "models": {"torch", "numpy", "scipy", "sklearn"},
    "decoding": {"torch", "numpy"},
}
FORBIDDEN = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "runpy"}
EXECUTING = {"eval", "exec", "compile", "__import__"}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, with the line; of `from samoyed import x`, samoyed.x."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module == "samoyed":
                yield from ((f"samoyed.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module or "", node.lineno


def test_the_rules_are_about_files_that_exist() -> None:
    for folder in LAYERS:
        assert any(name.startswith(f"{folder}/") for name in FILES), folder
    assert {"samoyed.settings", "torch"} <= {module for module, _ in imported(FILES["models/mlp.py"])}


@pytest.mark.parametrize("name", [name for name in FILES if name.split("/")[0] in LAYERS])
def test_dependencies_point_down(name: str) -> None:
    folder = name.split("/")[0]
    for module, line in imported(FILES[name]):
        top, _, rest = module.partition(".")
        if top == "samoyed":
            assert rest.split(".")[0] in LAYERS[folder], f"{name}:{line} imports {module}"
        elif folder in OUTSIDE and top not in sys.stdlib_module_names:
            assert top in OUTSIDE[folder], f"{name}:{line} imports {module}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_can_execute_what_it_reads(name: str) -> None:
    path = FILES[name]
    for module, line in imported(path):
        assert module.split(".")[0] not in FORBIDDEN, f"{name}:{line}"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in EXECUTING, f"{name}:{node.lineno}: {called}"
        assert called not in ("torch.load", "torch.save", "torch.jit.load", "torch.package", "os.system"), name
        assert not called.startswith("yaml.") or called in ("yaml.safe_load", "yaml.safe_dump"), f"{name}:{node.lineno}"
        for keyword in node.keywords:
            assert (keyword.arg, ast.unparse(keyword.value)) != ("allow_pickle", "True"), f"{name}:{node.lineno}"
            assert (keyword.arg, ast.unparse(keyword.value)) != ("shell", "True"), f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_and_say_what_they_are(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    assert len(text.splitlines()) <= 300
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "no docstring"


def test_only_the_shell_imports_typer() -> None:
    users = {name for name, path in FILES.items() for module, _ in imported(path) if module.split(".")[0] == "typer"}
    assert {name for name in users if not name.startswith("cli/")} == {"ending.py"}


def test_a_wrong_import_would_be_found(tmp_path: Path) -> None:
    written = tmp_path / "x.py"
    written.write_text(
        "import torch\n\ndef f():\n    from samoyed import training\n    from samoyed.tasks import Task\n"
    )
    assert list(imported(written)) == [("torch", 1), ("samoyed.training", 4), ("samoyed.tasks", 5)]


@pytest.mark.parametrize("module", ["samoyed", "samoyed.cli", "samoyed.catalog", "samoyed.plan"])
def test_the_front_door_is_light(module: str) -> None:
    heavy = ("torch", "numpy", "matplotlib", "sklearn", "scipy", "PIL", "safetensors", "pandas")
    code = f"import json, sys, {module}; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == []


_ANSWERS_AND_STEPS = """
import json, sys
import torch
from samoyed import catalog, run
from samoyed.layers import recurrence
from samoyed.layers.ctc import ctc_loss
from samoyed.training import optimizers
for entry in [*catalog.tasks().values(), *catalog.models().values()]:
    for form in entry.forms:
        form.load()
with torch.inference_mode():
    for layer in (recurrence.LSTM(3, 4, bidirectional=True), recurrence.LSTM(3, 4, layer_norm=True), recurrence.GRU(3, 4)):
        layer(torch.ones(20, 2, 3))
logits, counts = torch.ones(2, 5, 3, requires_grad=True), torch.tensor([2, 1])
ctc_loss(logits, torch.tensor([[1, 2], [1, 0]]), torch.tensor([5, 4]), counts).sum().backward()
for kind in (optimizers.SGD, optimizers.Adam, optimizers.AdamW):
    layer = recurrence.GRU(3, 4)
    optimizer = kind(layer.parameters(), 0.1, fused=True)
    layer(torch.ones(20, 2, 3))[0].sum().backward()
    optimizer.step()
    optimizer.zero_grad()
print(json.dumps([m for m in ("matplotlib", "torch._dynamo", "sklearn", "scipy", "pandas") if m in sys.modules]))
"""


def test_answers_and_steps_wait_for_no_drawing_and_no_compiler() -> None:
    said = subprocess.run([sys.executable, "-c", _ANSWERS_AND_STEPS], capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == []
