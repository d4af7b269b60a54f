"""The folder is the registry: a file in tasks/, models/, sources/ or recipes/ is found by its name.

Files are read, not imported: docstrings, class attributes and constructor signatures come from the syntax tree, so that
`samoyed models` answers without loading torch, and a wrong setting is refused before it is loaded.
"""

import ast
import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from samoyed import settings
from samoyed.errors import UsageError, nearest, shown

_ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Parameter:
    """One keyword-only argument of a constructor: a size supplied by the task if `required`, else a setting."""

    name: str
    annotation: ast.expr
    required: bool
    default: Any
    help: str


@dataclass(frozen=True)
class Form:
    """One public class of a file: its name, docstring, literal class attributes, and constructor's parameters."""

    name: str
    module: str
    doc: str
    attributes: dict[str, Any]
    parameters: tuple[Parameter, ...]
    methods: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[str, ...]:
        """Names of the required parameters."""
        return tuple(p.name for p in self.parameters if p.required)

    @property
    def settings(self) -> dict[str, Parameter]:
        """The parameters a user may set, by name."""
        return {p.name: p for p in self.parameters if not p.required}

    def load(self) -> Any:
        """The class itself: imports its module."""
        return getattr(importlib.import_module(self.module), self.name)


@dataclass(frozen=True)
class Entry:
    """One file of a registry folder."""

    name: str
    path: Path
    module: str
    doc: str
    attributes: dict[str, Any]
    forms: tuple[Form, ...]
    functions: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]

    @property
    def main(self) -> Form:
        """The class that bears the file's name: ImageClassification in image_classification.py."""
        plain = self.name.replace("_", "")
        return next(form for form in self.forms if form.name.lower() == plain)


def tasks() -> dict[str, Entry]:
    """Every task by its command-line name: tasks/image_classification.py is `image-classification`."""
    return {name.replace("_", "-"): entry for name, entry in _folder("tasks").items()}


def models() -> dict[str, Entry]:
    """Every architecture by its file's name."""
    return dict(_folder("models"))


def recipes() -> dict[str, Entry]:
    """Every recipe by its command-line name; a file in recipes/ that states what is `expected` is one."""
    return {
        name.replace("_", "-"): entry for name, entry in _folder("recipes").items() if "expected" in entry.attributes
    }


def sources() -> dict[str, Entry]:
    """Every raw format by its file's name."""
    return dict(_folder("sources"))


def task(name: str) -> Form:
    """The class of the task called `name`. Raises UsageError with the nearest names."""
    known = tasks()
    key = str(name).lower().replace("_", "-")
    if key not in known:
        raise UsageError(f"there is no task called {shown(name)!r}", remedy=nearest(str(name), known))
    return known[key].main


def models_for(task_form: Form) -> dict[str, Form]:
    """The models that fit a task, its default first.

    A model fits if the task supplies every size that its constructor requires, and one of those is an output size; a task that
    `descends` takes none that is fitted to classes.
    """
    outputs = set(task_form.attributes["outputs"])
    supplied = outputs | set(task_form.attributes["inputs"])
    fitting: dict[str, Form] = {}
    for name, entry in models().items():
        for form in entry.forms:
            needed = set(form.sizes)
            fitted = "fit" in form.methods and task_form.attributes.get("descends", False)
            if needed <= supplied and needed & outputs and not fitted:
                fitting[name] = form
                break
    default = task_form.attributes["model"]
    return {default: fitting[default], **{k: v for k, v in fitting.items() if k != default}}


def model(task_form: Form, name: str) -> Form:
    """The model called `name` in the form that fits the task. Raises UsageError with the nearest names."""
    fitting = models_for(task_form)
    key = name.lower().replace("-", "_")
    if key in fitting:
        return fitting[key]
    if key in models():
        raise UsageError(f"the model {name!r} does not fit this task", remedy=f"choose one of: {', '.join(fitting)}")
    raise UsageError(f"there is no model called {shown(name)!r}", remedy=nearest(name, fitting))


def trainer() -> Form:
    """The trainer's signature: the settings that every descent shares."""
    return _read(_ROOT / "training" / "trainer.py").main


def settle(task_form: Form, model_form: Form, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Checks `given` and fills in defaults: {"task": {...}, "model": {...}, "training": {...}}.

    A default comes from the signature, then from the task's `defaults`, then from the model's. Raises UsageError for a key
    that none of the three signatures has, or a value of the wrong type or range.
    """
    owners = {"task": task_form, "model": model_form, "training": trainer()}
    values: dict[str, dict[str, Any]] = {}
    suggested = {**task_form.attributes.get("defaults", {}), **model_form.attributes.get("defaults", {})}
    for owner, form in owners.items():
        values[owner] = {
            name: settings.check(name, p.annotation, given[name]) if name in given else suggested.get(name, p.default)
            for name, p in form.settings.items()
        }
    known = {name for form in owners.values() for name in form.settings} | {"model"}
    for key in given:
        if key not in known:
            having = [name for name, form in models_for(task_form).items() if key in form.settings]
            remedy = f"it is one of {', '.join(having)}: add model={having[0]}" if having else nearest(key, known)
            raise UsageError(f"there is no setting called {shown(key)!r} here", remedy=remedy)
    return values


@cache
def _folder(name: str) -> dict[str, Entry]:
    paths = sorted((_ROOT / name).glob("[!_]*.py"))
    return {path.stem: _read(path) for path in paths}


@cache
def _read(path: Path) -> Entry:
    tree = ast.parse(path.read_text("utf-8"))
    module = ".".join(path.relative_to(_ROOT.parent).with_suffix("").parts)
    imports = _imports(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return Entry(
        name=path.stem,
        path=path,
        module=module,
        doc=ast.get_docstring(tree) or "",
        attributes=_literals(tree.body),
        forms=tuple(_form(node, module, imports) for node in classes),
        functions=tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef)),
    )


def _form(node: ast.ClassDef, module: str, imports: dict[str, str]) -> Form:
    doc = ast.get_docstring(node) or ""
    attributes = _literals(node.body)
    own = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    methods = tuple(n.name for n in node.body if isinstance(n, ast.FunctionDef))
    if own is not None:
        return Form(node.name, module, doc, attributes, _parameters(own, doc), methods)
    for base in node.bases:  # a constructor that is inherited from another file of the project
        if isinstance(base, ast.Name) and base.id in imports:
            path = _ROOT.parent / Path(*imports[base.id].split(".")).with_suffix(".py")
            for form in _read(path).forms if path.is_file() else ():
                if form.name == base.id:
                    both = (*form.methods, *methods)
                    return Form(node.name, module, doc, {**form.attributes, **attributes}, form.parameters, both)
    return Form(node.name, module, doc, attributes, (), methods)


def _parameters(init: ast.FunctionDef, doc: str) -> tuple[Parameter, ...]:
    help_of = dict(re.findall(r"^    (\w+): (.+?)(?=^    \w+: |^\S|^$|\Z)", doc, re.MULTILINE | re.DOTALL))
    found = []
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        assert argument.annotation is not None, f"{argument.arg} has no type"
        text = " ".join(help_of.get(argument.arg, "").split())
        value = None if default is None else ast.literal_eval(default)
        found.append(Parameter(argument.arg, argument.annotation, default is None, value, text))
    return tuple(found)


def _literals(body: list[ast.stmt]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        target = targets[0] if targets else None
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                if isinstance(value, ast.Name):  # `example = Image`: kept as the name
                    found[target.id] = value.id
    return found


def _imports(tree: ast.Module) -> dict[str, str]:
    nodes = (
        node for node in tree.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("samoyed")
    )
    return {alias.name: node.module or "" for node in nodes for alias in node.names}
