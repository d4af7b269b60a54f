"""Keras: Sequential, compile, fit, on the backend that KERAS_BACKEND names."""

import time
from collections.abc import Sequence
from typing import Any

import keras  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

from benchmarks.lenet import data
from benchmarks.lenet.data import Floats
from benchmarks.lenet.sizes import Sizes
from benchmarks.worker import Timing

_CHANNELS_LAST = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}  # PyTorch's axes of a weight in Keras's order
_BACK = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


class Fit:
    """Channels last, as Keras has them by default; data are NumPy arrays, normalised; what fit compiles is its own choice."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.backend = keras.backend.backend()
        self.versions = {"keras": keras.__version__, self.backend: _version(self.backend)}
        found = data.pictures(settings)
        self.images, self.labels = np.ascontiguousarray(found.normalised().transpose(0, 2, 3, 1)), found.labels
        self.model, self.initial = self.network()
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.optimizer = keras.optimizers.Adam(settings["learning_rate"], epsilon=1e-8)
        self.model.compile(optimizer=self.optimizer, loss=self.loss)

    def network(self) -> tuple[Any, list[Floats]]:
        """What is trained, and the weights that it begins with."""
        shape, classes = tuple(self.settings["image_shape"]), self.settings["num_classes"]
        self.maps = (16, *Sizes(shape, classes).sides)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((*shape[1:], shape[0])),
                layers.Conv2D(6, 5, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(16, 5, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(120, activation="relu"),
                layers.Dense(84, activation="relu"),
                layers.Dense(classes),
            ]
        )
        return model, [self.in_keras(array, i) for i, array in enumerate(data.weights(self.settings))]

    def agree(self, out: str) -> dict[str, Any]:
        self._start()
        few = self.settings["batch_size"]
        images, labels = self.images[:few], self.labels[:few]
        loss, gradients = (_by_jax if self.backend == "jax" else _by_torch)(self.model, self.loss, images, labels)
        np.save(out, np.concatenate([self.out_of_keras(g, i).reshape(-1) for i, g in enumerate(gradients)]))
        history = self.model.fit(
            images, labels, batch_size=few, epochs=self.settings["agree_steps"], shuffle=False, verbose=0
        )
        return {"parameters": self.model.count_params(), "loss": loss, "losses": history.history["loss"]}

    def first(self) -> dict[str, Any]:
        """Of a model compiled anew, since agreeing has already compiled it."""
        self.model.compile(optimizer=self.optimizer, loss=self.loss)
        self._start()
        few = self.settings["batch_size"]
        began = time.perf_counter()
        self.model.fit(self.images[:few], self.labels[:few], batch_size=few, verbose=0)
        return {"seconds": time.perf_counter() - began}

    def round(self) -> dict[str, Any]:
        self._start()
        began, cpu = time.perf_counter(), time.process_time()
        history = self.model.fit(self.images, self.labels, batch_size=self.settings["batch_size"], verbose=0)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        return Timing(seconds, used, float(history.history["loss"][-1]))._asdict()

    def _start(self) -> None:
        """The given weights, and an optimiser that has forgotten."""
        self.model.set_weights(self.initial)
        self.optimizer.build(self.model.trainable_variables)
        for variable in self.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def in_keras(self, array: Floats, index: int) -> Floats:
        """A weight in PyTorch's layout -> in Keras's; the first full layer sees its inputs as rows, columns, maps."""
        if index == 4:
            array = array.reshape(len(array), *self.maps).transpose(0, 2, 3, 1).reshape(len(array), -1)
        return np.ascontiguousarray(array.transpose(_CHANNELS_LAST[array.ndim]))

    def out_of_keras(self, array: Floats, index: int) -> Floats:
        """The inverse of `in_keras`."""
        array = array.transpose(_BACK[array.ndim])
        if index == 4:
            maps, height, width = self.maps
            array = array.reshape(len(array), height, width, maps).transpose(0, 3, 1, 2).reshape(len(array), -1)
        return array


def _by_torch(model: Any, loss: Any, images: Floats, labels: NDArray[np.int64]) -> tuple[float, Sequence[Floats]]:
    model.zero_grad()
    found = loss(labels, model(images, training=True))
    found.backward()
    gradients = [variable.value.grad.numpy() for variable in model.trainable_variables]
    model.zero_grad()
    return float(found.detach()), gradients


def _by_jax(model: Any, loss: Any, images: Floats, labels: NDArray[np.int64]) -> tuple[float, Sequence[Floats]]:
    import jax  # type: ignore[import-not-found]

    others = [variable.value for variable in model.non_trainable_variables]

    def of(weights: Any) -> Any:
        logits, _ = model.stateless_call(weights, others, images, training=True)
        return loss(labels, logits)

    found, gradients = jax.value_and_grad(of)([variable.value for variable in model.trainable_variables])
    return float(found), [np.asarray(gradient) for gradient in gradients]


def _version(module: str) -> str:
    from importlib.metadata import version

    return version(module)
