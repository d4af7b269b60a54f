"""Samoyed as its users run it: the image-classification task and the catalogue's recurrent models."""

from typing import Any

from torch import nn

from benchmarks.lenet import ours
from benchmarks.lenet.data import Floats
from benchmarks.scanned.sizes import Sizes
from samoyed.models.gru import GRUImageClassifier
from samoyed.models.lstm import LSTMImageClassifier

_CELLS = {"gru": GRUImageClassifier, "lstm": LSTMImageClassifier}


class Ours(ours.Ours):
    """Trains through a session of the trainer, in its plain execution."""

    def network(self, sizes: dict[str, Any]) -> tuple[nn.Module, list[Floats]]:
        given = self.settings
        shape = {name: sizes[name] for name in ("image_shape", "num_classes")}
        model = _CELLS[given["cell"]](**shape, scan=given["scan"], hidden_size=given["hidden_size"])
        return model, Sizes.of(given).weights(given["seed"])
