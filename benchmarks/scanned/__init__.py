"""Pictures read as sequences, trained: row by row, and pixel by pixel as sequential MNIST is.

Samoyed's trainer on its recurrent kernels against PyTorch loops over torch.nn.GRU and torch.nn.LSTM, and Keras on two backends.
Everybody computes in float32; Samoyed takes its plain execution. A round is over pictures in memory, from given weights and a
fresh optimiser, validation excluded. As every contestant must give the same losses, accuracy is equal by construction.

Departures: the pictures are noisy patterns of MNIST's size. Keras runs in the rows of the GRU alone: its LSTM has one bias where
PyTorch's and ours have two, which Adam moves twice as far. By pixels it runs on JAX alone: on PyTorch its loop over 784 steps takes
minutes for the few steps of the comparison.
"""

from benchmarks.rows import Contestant, Row
from benchmarks.scanned.sizes import Sizes

_BATCH, _UNITS, _SIDE, _CLASSES = 128, 128, 28, 10
_OURS, _LOOPS, _KERAS = "benchmarks.scanned.ours:Ours", "benchmarks.scanned.loops", "benchmarks.scanned.keras_fit:Fit"


def _row(cell: str, scan: str, steps: int) -> Row:
    contestants = [
        Contestant("Samoyed", _OURS),
        Contestant("PyTorch, plain loop", f"{_LOOPS}:Plain", "PyTorch", 1.0),
        Contestant("PyTorch, tuned loop", f"{_LOOPS}:Tuned", "PyTorch", 1.0),
    ]
    if cell == "gru":
        backends = (("torch", "Keras on PyTorch"), ("jax", "Keras on JAX"))
        for backend, name in backends if scan == "rows" else backends[1:]:
            environment = {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
            contestants.append(Contestant(name, _KERAS, name, 1.0, True, {}, environment))
    sizes = Sizes(cell, scan, (1, _SIDE, _SIDE), _UNITS, _CLASSES)
    return Row(
        name=f"{scan}-{cell}",
        title=f"training a {cell.upper()} of {_UNITS} units on {_SIDE} x {_SIDE} pictures by {scan}, batch {_BATCH}, fp32, AdamW",
        unit="examples",
        steps=steps,
        examples=_BATCH * steps,
        settings={
            "cell": cell,
            "scan": scan,
            "hidden_size": _UNITS,
            "image_shape": (1, _SIDE, _SIDE),
            "num_classes": _CLASSES,
            "examples": _BATCH * steps,
            "batch_size": _BATCH,
            "learning_rate": 0.001,
            "agree_steps": 3,
            "seed": 0,
        },
        work=sizes.work(_BATCH),
        contestants=tuple(contestants),
    )


ROWS = tuple(_row(cell, scan, steps) for scan, steps in (("rows", 60), ("pixels", 6)) for cell in ("gru", "lstm"))
