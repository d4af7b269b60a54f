"""Keras: a GRU whose reset gate comes after the product, as PyTorch's and ours, compiled and fitted."""

from typing import Any

import keras  # type: ignore[import-not-found]
import numpy as np

from benchmarks.lenet import keras_fit
from benchmarks.lenet.data import Floats
from benchmarks.scanned.sizes import Sizes

# indices of the weights in PyTorch's order and layout
_INPUT, _STATE, _INPUT_BIAS, _STATE_BIAS, _OUTPUT, _OUTPUT_BIAS = range(6)


class Fit(keras_fit.Fit):
    """Keras keeps the gates as z, r, n, where PyTorch has r, z, n, and both biases in one array [2, 3 H]."""

    def network(self) -> tuple[Any, list[Floats]]:
        sizes = Sizes.of(self.settings)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input(self.images.shape[1:]),
                layers.Reshape((sizes.steps, sizes.inputs)),
                layers.GRU(sizes.hidden_size, reset_after=True),
                layers.Dense(sizes.num_classes),
            ]
        )
        found = sizes.weights(self.settings["seed"])
        kernel, state = (_gates(found[i]).T for i in (_INPUT, _STATE))
        biases = np.stack([_gates(found[_INPUT_BIAS]), _gates(found[_STATE_BIAS])])
        arrays = [kernel, state, biases, found[_OUTPUT].T, found[_OUTPUT_BIAS]]
        return model, [np.ascontiguousarray(array) for array in arrays]

    def out_of_keras(self, array: Floats, index: int) -> Floats:
        """The weights of `network`, in their order, in PyTorch's layout; both biases one after the other."""
        if index in (0, 1):
            return _gates(array.T)
        return np.concatenate([_gates(bias) for bias in array]) if index == 2 else array.T


def _gates(array: Floats) -> Floats:
    """[3 H, ...] with its first two gates exchanged, which is its own inverse."""
    first, second, third = np.split(array, 3)
    return np.concatenate([second, first, third])
