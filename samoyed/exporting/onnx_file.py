"""The ONNX file of a run: standard operators, any batch, checked in onnxruntime against the run before it is handed over."""

import contextlib
import importlib
import importlib.util
import inspect
import io
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samoyed.errors import RunError, UsageError
from samoyed.exporting.graph import Graph
from samoyed.exporting.graphs import graph_of
from samoyed.exporting.script import script
from samoyed.files import write_bytes, write_json, write_text
from samoyed.layers.int8 import released
from samoyed.run import Run

OPSET = 22
AGREES = 1e-5  # largest difference, relative to numbers above 1
_ROWS = (1, 2, 5)


def export(run: Run, folder: Path, int8: bool = False) -> dict[str, Any]:
    """Writes model.onnx, model.json (what goes in and out), run.py and, with `int8`, model.int8.onnx into `folder`.

    Returns what was written, and by how much onnxruntime differs from the run. Raises UsageError where the packages are missing or
    the model cannot be exported, RunError where the file does not answer as the run does.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed", remedy="pip install 'samoyed[onnx]'")
    with released(run.model):  # the graph is float32, and so is what it is held against
        return _written(run, folder, int8)


def _written(run: Run, folder: Path, int8: bool) -> dict[str, Any]:
    graph = graph_of(run)
    data = _exported(run, graph)
    found = difference(graph, data)
    if not found <= AGREES:
        raise RunError(f"the file differs from the run by {found:.1e}", where=run.path, remedy="serve the run instead")
    facts = {"task": run.config["task"], "model": run.config["model"], **graph.facts, "difference": found}
    made = {"file": folder / "model.onnx", "described": folder / "model.json", "script": folder / "run.py"}
    write_bytes(made["file"], data)
    sizes = {"bytes": len(data)}
    if int8:
        small = quantised(data)
        facts["int8_difference"] = difference(graph, small)
        made["int8"], sizes["int8_bytes"] = folder / "model.int8.onnx", len(small)
        write_bytes(made["int8"], small)
    write_json(made["described"], facts)
    write_text(made["script"], script(run.config["task"]))
    kept: dict[str, Any] = {key: facts[key] for key in ("difference", "int8_difference") if key in facts}
    return {**{name: str(path) for name, path in made.items()}, **sizes, **kept}


def _exported(run: Run, graph: Graph) -> bytes:
    """The bytes of the file. Raises UsageError, with PyTorch's reason, where the model has no ONNX form."""
    importlib.import_module(
        "torch._dynamo"
    )  # here an interruption is one; amid the export torch takes it for a missing module
    shapes = tuple(dict.fromkeys(graph.axes.get(name, {}), torch.export.Dim.DYNAMIC) or None for name in graph.names[0])
    dynamic: Any = (shapes[0], shapes[1:]) if _variadic(graph) else shapes
    silent = io.StringIO()
    with (
        warnings.catch_warnings(), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), _quiet(), torch.no_grad(),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                graph.module, graph.inputs, dynamo=True, opset_version=OPSET, dynamic_shapes=dynamic, verbose=False,
                input_names=list(graph.names[0]), output_names=list(graph.names[1]), optimize=True,
            )  # fmt: skip
        except Exception as error:
            why = str(error.__cause__ or error).strip().splitlines()[0][:200]
            if "data-dependent" in why:
                why = "what it computes depends on what it reads, and the graph of a file is fixed"
            name = run.config["model"]
            raise UsageError(
                f"{name} cannot be exported: {why}", remedy="serve the run, or train another model"
            ) from error
    assert program is not None
    made: bytes = program.model_proto.SerializeToString()
    return made


def _variadic(graph: Graph) -> bool:
    given = inspect.signature(graph.module.forward).parameters.values()
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in given)


def difference(graph: Graph, data: bytes) -> float:
    """The largest difference between the file in onnxruntime and the run's own model, over several batches and lengths."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows in _ROWS:
        inputs = [
            _rows(tensor, rows, graph.axes.get(name, {}))
            for name, tensor in zip(graph.names[0], graph.inputs, strict=True)
        ]
        with torch.inference_mode():
            wanted = graph.reference(inputs)
        found = session.run(None, dict(zip(graph.names[0], (t.numpy() for t in inputs), strict=True)))
        for ours, theirs in zip(wanted, found, strict=True):
            off = np.abs(ours.numpy() - theirs) / np.maximum(1.0, np.abs(ours.numpy()))
            worst = max(worst, float(off.max()))
    return worst


def quantised(data: bytes) -> bytes:
    """The file with its matrices in int8, one scale each, and activations quantised as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(data)
    convolves = any(node.op_type == "Conv" for node in model.graph.node)
    kind = QuantType.QUInt8 if convolves else QuantType.QInt8  # onnxruntime convolves unsigned bytes only
    del model.graph.value_info[:]  # the shapes of what is replaced
    with tempfile.TemporaryDirectory() as folder, _quiet():
        before, after = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        onnx.save(model, before)
        quantize_dynamic(before, after, weight_type=kind)
        return after.read_bytes()


def _rows(tensor: torch.Tensor, rows: int, axes: dict[int, str]) -> torch.Tensor:
    """The input with `rows` rows, and with `rows` more steps where time varies."""
    for axis, name in axes.items():
        count = rows if name == "batch" else tensor.shape[axis] + rows
        places = torch.arange(count) % tensor.shape[axis]
        tensor = tensor.index_select(axis, places)
    return tensor


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the libraries' own messages, whose errors are ours to state."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
