"""A few runs on digits, trained once."""

from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import catalog


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs on the sample of digits by name: two models, another seed, and one trained by another batch size."""
    folder = tmp_path_factory.mktemp("compared")
    given: dict[str, dict[str, Any]] = {
        "linear": {"model": "linear", "max_steps": 60, "execution": "plain"},
        "mlp": {"model": "mlp", "max_steps": 60, "execution": "plain", "hidden_sizes": "32"},
        "small": {"model": "mlp", "max_steps": 20, "execution": "plain", "hidden_sizes": "16"},
        "seed": {"model": "linear", "max_steps": 2, "seed": 5},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
        for name, settings in given.items():
            samoyed.train("image-classification", out=folder / name, quiet=True, **settings)
    return {name: folder / name for name in given}
