"""Keras's part of `benchmarks.cifar`, in the peers' environment: ResNet-18 with a 3x3 stem, trained batch by batch within a time limit.

python -m benchmarks.cifar_keras DATA.npz LIMIT
"""

import json
import sys
import time
from typing import Any

import keras  # type: ignore[import-not-found]
import numpy as np

_BATCH, _PEAK, _RISE, _DECAY = 128, 0.1, 0.1, 5e-4  # as those of benchmarks.cifar
_EPSILON, _MOMENTUM = 1e-5, 0.9  # of batch normalisation, as PyTorch has them


def network(classes: int) -> Any:
    """[B, 32, 32, 3] -> logits [B, classes]: 2 blocks each of 64, 128, 256 and 512 maps (He et al. 2015)."""
    layers = keras.layers

    def conv(x: Any, maps: int, kernel: int, stride: int) -> Any:
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2)(x)
        how = {"use_bias": False, "kernel_initializer": keras.initializers.HeNormal()}
        x = layers.Conv2D(maps, kernel, stride, kernel_regularizer=keras.regularizers.L2(_DECAY / 2), **how)(x)
        return layers.BatchNormalization(epsilon=_EPSILON, momentum=_MOMENTUM)(x)

    given = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv(given, 64, 3, 1))
    for stage, maps in enumerate((64, 128, 256, 512)):
        for i in range(2):
            stride = 2 if stage and not i else 1
            inner = layers.ReLU()(conv(x, maps, 3, stride))
            kept = conv(x, maps, 1, stride) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([conv(inner, maps, 3, 1), kept]))
    pooled = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(classes, kernel_regularizer=keras.regularizers.L2(_DECAY / 2))(pooled)
    return keras.Model(given, logits)


def augmented(images: Any, draw: np.random.Generator) -> Any:
    """uint8 [B, 32, 32, 3] -> the same, shifted by up to 4 pixels over mirrored borders, and mirrored or not."""
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    rows = np.arange(32) + draw.integers(0, 9, (len(images), 1))
    columns = np.arange(32) + draw.integers(0, 9, (len(images), 1))
    found = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None]]
    return np.where(draw.random((len(images), 1, 1, 1)) < 0.5, found[:, :, ::-1], found)


def main() -> None:
    """Trains, and prints a JSON line for each measurement."""
    data, limit = np.load(sys.argv[1]), float(sys.argv[2])
    mean, deviation = (255 * data[name].astype(np.float32) for name in ("mean", "deviation"))
    images, labels = data["train_images"].transpose(0, 2, 3, 1), data["train_labels"]
    test, truth = data["test_images"].transpose(0, 2, 3, 1), data["test_labels"]
    draw = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = network(int(labels.max()) + 1)
    optimizer = keras.optimizers.SGD(_PEAK, momentum=0.9, nesterov=True)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def normal(some: Any) -> Any:
        return ((some - mean) / deviation).astype(np.float32)

    def measure() -> float:
        wrong = 0
        for begin in range(0, len(test), 250):
            some = normal(test[begin : begin + 250])
            logits = model.predict_on_batch(some) + model.predict_on_batch(np.ascontiguousarray(some[:, :, ::-1]))
            wrong += int((logits.argmax(1) != truth[begin : begin + 250]).sum())
        return 100 * wrong / len(test)

    initial = model.get_weights()
    model.train_on_batch(normal(images[:_BATCH]), labels[:_BATCH])  # compiles
    model.set_weights(initial)
    for variable in optimizer.variables:
        if "momentum" in variable.path:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    began, share = time.monotonic(), 0.0
    while share < 1:
        order = draw.permutation(len(images))
        for begin in range(0, len(order) - _BATCH + 1, _BATCH):  # a last, smaller batch would be compiled by itself
            optimizer.learning_rate = max(0.0, _PEAK * min(share / _RISE, (1 - share) / (1 - _RISE)))
            places = order[begin : begin + _BATCH]
            model.train_on_batch(normal(augmented(images[places], draw)), labels[places])
            share = min(1.0, (time.monotonic() - began) / limit)
            if share >= 1:
                break
        spent, stopped = time.monotonic() - began, time.monotonic()
        print(json.dumps({"seconds": spent, "error": measure()}), flush=True)
        began += time.monotonic() - stopped


if __name__ == "__main__":
    main()
