"""Keras's part in benchmarks/sequences.py, in the peers' environment. Each has `agree`, which answers, and `step`, which is timed."""

from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Training:
    """The encoder-decoder from Keras's own layers: a bidirectional LSTM, an LSTM, dot attention over projected keys."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import keras  # type: ignore[import-not-found]

        self.backend = keras.backend.backend()
        self.versions = {"keras": keras.__version__, self.backend: version(self.backend)}
        if self.backend == "torch":
            import torch

            torch.set_num_threads(settings["threads"])
        given = dict(np.load(settings["file"]))
        self.given, layers, ops = given, keras.layers, keras.ops
        vocabulary, embedding = given["source_embedding.weight"].shape
        hidden = given["decoder.weight_hh_l0"].shape[1]
        mask = np.arange(given["sources"].shape[1]) < given["lengths"][:, None]
        before = np.concatenate([np.full((len(mask), 1), vocabulary - 1), given["targets"][:, :-1]], 1)
        self.inputs = [given["sources"].astype("int32"), mask, before.astype("int32")]
        self.targets = given["targets"].astype("int32")
        self.real = given["mask"].astype("float32")
        source = keras.Input(self.inputs[0].shape[1:], dtype="int32")
        there = keras.Input(self.inputs[1].shape[1:], dtype="bool")
        target = keras.Input(self.inputs[2].shape[1:], dtype="int32")
        self.encoder = layers.Bidirectional(layers.LSTM(hidden // 2, return_sequences=True, return_state=True))
        self.decoder = layers.LSTM(hidden, return_sequences=True)
        self.embeddings = [layers.Embedding(vocabulary, embedding) for _ in range(2)]
        self.bridges = [layers.Dense(hidden, activation="tanh") for _ in range(2)]
        self.key = layers.Dense(hidden, use_bias=False)
        self.readout = layers.Dense(given["readout.weight"].shape[0], activation="tanh")
        self.output = layers.Dense(vocabulary)
        memory, h, c, back_h, back_c = self.encoder(self.embeddings[0](source), mask=there)
        joined = [layers.Concatenate()(pair) for pair in ((h, back_h), (c, back_c))]
        state = [bridge(last) for bridge, last in zip(self.bridges, joined, strict=True)]
        said = self.decoder(self.embeddings[1](target), initial_state=state)
        context = layers.Attention()([said, memory, self.key(memory)], mask=[None, there])
        logits = self.output(self.readout(layers.Concatenate()([context, said])))
        self.model = keras.Model([source, there, target], logits)
        self._put(given)

        def loss_of(logits: Any) -> Any:
            each = ops.sparse_categorical_crossentropy(self.targets, logits, from_logits=True)
            return ops.sum(each * self.real) / self.real.sum()

        self.loss_of = loss_of
        self.run = self._jax() if self.backend == "jax" else self._torch()

    def _put(self, given: dict[str, Array]) -> None:
        """Our weights; both biases of a cell as their sum."""
        for layer, cell, suffix in (
            (self.encoder.forward_layer, "encoder", "_l0"),
            (self.encoder.backward_layer, "encoder", "_l0_reverse"),
            (self.decoder, "decoder", "_l0"),
        ):
            w = {n: given[f"{cell}.{n}{suffix}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            layer.set_weights([w["weight_ih"].T, w["weight_hh"].T, w["bias_ih"] + w["bias_hh"]])
        for layer, name in zip(self.embeddings, ("source_embedding", "target_embedding"), strict=True):
            layer.set_weights([given[f"{name}.weight"]])
        self.key.set_weights([given["attention.key.weight"].T])
        dense = [
            (self.readout, "readout"),
            (self.output, "output"),
            *zip(self.bridges, ("bridge.0", "bridge.1"), strict=True),
        ]
        for layer, name in dense:
            layer.set_weights([given[f"{name}.weight"].T, given[f"{name}.bias"]])

    def _jax(self) -> Any:
        import jax  # type: ignore[import-not-found]

        others = [variable.value for variable in self.model.non_trainable_variables]

        def of(weights: Any) -> Any:
            return self.loss_of(self.model.stateless_call(weights, others, self.inputs, training=True)[0])

        compiled = jax.jit(jax.value_and_grad(of))
        weights = [variable.value for variable in self.model.trainable_variables]
        return lambda: jax.block_until_ready(compiled(weights))

    def _torch(self) -> Any:
        import torch

        weights = [variable.value for variable in self.model.trainable_variables]
        self.targets, self.real = torch.from_numpy(self.targets), torch.from_numpy(self.real)
        inputs = [torch.from_numpy(part) for part in self.inputs]

        def step() -> Any:
            loss = self.loss_of(self.model(inputs, training=True))
            return loss, torch.autograd.grad(loss, weights)

        return step

    def agree(self, out: str) -> dict[str, Any]:
        loss, gradients = self.run()
        by_path = {id(v): g for v, g in zip(self.model.trainable_variables, gradients, strict=True)}

        def of(variable: Any, turned: bool = True) -> Array:
            found = by_path[id(variable)]
            array = np.asarray(found.detach() if hasattr(found, "detach") else found)
            return (array.T if turned else array).reshape(-1)

        encoders = [self.encoder.forward_layer.cell, self.encoder.backward_layer.cell]
        cells = [v for cell in encoders for v in (cell.kernel, cell.recurrent_kernel)]
        flat = [
            of(self.embeddings[0].embeddings, False),
            *(of(v) for v in cells),
            *(of(bridge.kernel) for bridge in self.bridges),
            of(self.embeddings[1].embeddings, False),
            *(of(v) for v in (self.decoder.cell.kernel, self.decoder.cell.recurrent_kernel)),
            *(of(layer.kernel) for layer in (self.key, self.readout, self.output)),
        ]
        np.save(out, np.concatenate(flat))
        return {"loss": float(loss.detach() if hasattr(loss, "detach") else loss)}

    def step(self) -> dict[str, Any]:
        begin = perf_counter()
        self.run()
        return {"seconds": perf_counter() - begin}


class CTC:
    """`keras.ops.ctc_loss` and its gradient."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import keras

        self.backend = keras.backend.backend()
        self.versions = {"keras": keras.__version__, self.backend: version(self.backend)}
        given = np.load(settings["file"])
        logits, symbols = given["logits"], given["symbols"].astype("int32")
        steps, letters = (np.full(len(symbols), n, "int32") for n in (logits.shape[1], symbols.shape[1]))

        def loss(logits: Any, convert: Any) -> Any:
            each = keras.ops.ctc_loss(*map(convert, (symbols,)), logits, *map(convert, (letters, steps)), mask_index=0)
            return keras.ops.sum(each)

        if self.backend == "jax":
            import jax

            compiled = jax.jit(jax.value_and_grad(lambda x: loss(x, lambda a: a)))
            on_device = jax.numpy.asarray(logits)
            self.run = lambda: jax.block_until_ready(compiled(on_device))
        else:
            import torch

            torch.set_num_threads(settings["threads"])
            tensor = torch.from_numpy(logits).requires_grad_()

            def run() -> Any:
                found = loss(tensor, torch.from_numpy)
                return found, torch.autograd.grad(found, tensor)[0]

            self.run = run

    def agree(self, out: str) -> dict[str, Any]:
        loss, gradient = (x.detach() if hasattr(x, "detach") else x for x in self.run())
        np.save(out, np.asarray(gradient).reshape(-1))
        return {"loss": float(loss)}

    def step(self) -> dict[str, Any]:
        begin = perf_counter()
        self.run()
        return {"seconds": perf_counter() - begin}
