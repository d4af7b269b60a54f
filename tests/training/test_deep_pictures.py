"""The deepest networks, and the small ones for telephones, on a handful of pictures of 64 x 64: every number stays finite."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch.nn import functional

import samoyed
from samoyed import catalog


def striped(count: int, side: int = 64) -> np.ndarray:
    """Stripes in noise, lying and standing by turns: uint8 [count, side, side, 3]."""
    draw = np.random.default_rng(0)
    waves = [np.sin(np.indices((side, side))[i % 2] / draw.uniform(1.5, 3))[..., None] for i in range(count)]
    return np.clip(128 + 80 * np.stack(waves) + draw.normal(0, 20, (count, side, side, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two kinds of stripes, nine pictures of each."""
    for name in ("lying", "standing"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    for i, pixels in enumerate(striped(18)):
        Pillow.fromarray(pixels).save(tmp_path / "photos" / ("lying", "standing")[i % 2] / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet", {"depth": 152, "stem": "large"}),
        ("mobilenet_v1", {}),
        ("mobilenet_v2", {}),
        ("mobilenet_v3", {"size": "small"}),
    ],
)
def test_a_step_of_a_deep_network_stays_finite(name: str, settings: dict[str, Any]) -> None:
    """One step of gradient descent on two pictures, and the loss after it."""
    torch.manual_seed(0)
    form = catalog.model(catalog.task("image-classification"), name)
    model = form.load()(image_shape=(3, 64, 64), num_classes=2, **settings)
    images = torch.from_numpy(striped(2)).permute(0, 3, 1, 2).float() / 64 - 2
    labels = torch.tensor([0, 1])
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert sum(float(gradient.square().sum()) for gradient in gradients) > 0
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    torch.optim.SGD(model.parameters(), 0.01).step()
    with torch.no_grad():
        after = functional.cross_entropy(model(images), labels)
    assert math.isfinite(float(loss.detach()))
    assert math.isfinite(float(after))
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


@pytest.mark.prove
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("resnet", {"depth": 152, "stem": "large"}),
        ("mobilenet_v1", {}),
        ("mobilenet_v2", {}),
        ("mobilenet_v3", {"size": "small"}),
    ],
)
def test_a_deep_network_trains_on_a_handful_of_pictures(
    model: str, settings: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    run = samoyed.train(
        "image-classification",
        photos,
        model=model,
        epochs=4,
        batch_size=6,
        out=tmp_path / "run",
        quiet=True,
        **settings,
    )
    assert run.ended == "finished"
    epochs = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert all(math.isfinite(epoch["loss"]) and math.isfinite(epoch["gradient_norm"]) for epoch in epochs)
    assert min(epoch["loss"] for epoch in epochs[1:]) < epochs[0]["loss"]
