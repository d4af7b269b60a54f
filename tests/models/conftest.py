"""What the tests of models share: weights as NumPy float64, and the logistic function."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def weights() -> Callable[[nn.Module], dict[str, Array]]:
    """weights(model): its state as NumPy arrays in float64, after every bias was made random (zeros would hide them)."""

    def read(model: nn.Module) -> dict[str, Array]:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.normal_(std=0.5)
        return {name: tensor.double().numpy().copy() for name, tensor in model.state_dict().items()}

    return read
