"""LeNet, trained: Samoyed's own trainer against PyTorch loops, Keras on two backends, and skorch.

Samoyed computes in float32 throughout, channels last, which is the fastest of the executions in float32 that its trainer
tries in trainings of more than a minute; the tuned loop is given the same layout. Shorter trainings take the plain execution,
which is measured too. A round is one epoch over pictures that are in memory, from given weights and a fresh optimiser,
validation excluded.

Departures from what each peer's users might write: Keras is given Adam, which AdamW without decay equals and which is the
faster of the two there, with PyTorch's epsilon; progress bars and validation are off everywhere.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.lenet.sizes import Sizes
from benchmarks.rows import Contestant, Row

_BATCH = 128
_STEPS = 200
_SETTINGS: Mapping[str, Any] = {
    "num_classes": 10,
    "examples": _BATCH * _STEPS,
    "batch_size": _BATCH,
    "learning_rate": 0.001,
    "agree_steps": 5,
    "seed": 0,
}
_OURS, _TUNED = "benchmarks.lenet.ours:Ours", "benchmarks.lenet.loops:Tuned"
_KERAS = "benchmarks.lenet.keras_fit:Fit"
_CONTESTANTS = (
    Contestant("Samoyed", _OURS, options={"execution": {"channels_last": True}}),
    Contestant("Samoyed, plain", _OURS, "its own plain execution"),
    Contestant("PyTorch, plain loop", "benchmarks.lenet.loops:Plain", "PyTorch", 1.0),
    Contestant("PyTorch, tuned loop", _TUNED, "PyTorch", 1.0, options={"channels_last": True}),
    Contestant("Keras on PyTorch", _KERAS, "Keras on PyTorch", 1.5, True, {}, {"KERAS_BACKEND": "torch"}),
    Contestant("Keras on JAX", _KERAS, "Keras on JAX", 1.5, True, {}, {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}),
    Contestant("skorch", "benchmarks.lenet.skorch_fit:Fit", "skorch", None, True),
)


def _row(name: str, shape: tuple[int, int, int], pictures: str) -> Row:
    return Row(
        name=name,
        title=f"training LeNet on {pictures}, batch {_BATCH}, fp32, AdamW",
        unit="examples",
        steps=_STEPS,
        examples=_BATCH * _STEPS,
        settings={**_SETTINGS, "image_shape": shape},
        work=Sizes(shape, int(_SETTINGS["num_classes"])).work(_BATCH),
        contestants=_CONTESTANTS,
    )


ROWS = (
    _row("lenet-28", (1, 28, 28), "28 x 28 grey pictures"),
    _row("lenet-32", (3, 32, 32), "32 x 32 colour pictures"),
)
