"""What a network is said to see, against sums, brute force and networks whose answer is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import samoyed
from samoyed.explaining import seeing
from samoyed.models.lenet import LeNet
from samoyed.models.mlp import MLP
from samoyed.models.resnet import ResNet
from samoyed.models.whitened_conv import WhitenedConv


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return LeNet(image_shape=(3, 12, 10), num_classes=4).double().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 12, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def of(net: nn.Module, answer: int = 1) -> Callable[[Tensor], Tensor]:
    return lambda images: net(images)[:, answer]


def test_integrated_gradients_are_complete(net: nn.Module, images: Tensor) -> None:
    baseline = torch.zeros_like(images)
    shares = seeing.integrated_gradients(of(net), images, baseline, steps=2000)
    gap = of(net)(images) - of(net)(baseline)
    assert torch.allclose(shares.sum((1, 2, 3)), gap.detach(), atol=2e-3 * float(gap.detach().abs().max()))


def test_of_a_linear_answer_they_are_the_weights(images: Tensor) -> None:
    weights = torch.randn(3, 12, 10, dtype=torch.float64)
    linear = lambda x: (x * weights).sum((1, 2, 3))  # noqa: E731
    assert torch.allclose(seeing.saliency(linear, images), weights.abs().amax(0).expand(2, -1, -1))
    shares = seeing.integrated_gradients(linear, images, torch.ones_like(images), steps=3)
    assert torch.allclose(shares, (images - 1) * weights)


def test_saliency_is_the_slope_by_finite_differences(net: nn.Module, images: Tensor) -> None:
    found = seeing.saliency(of(net), images[:1])[0]
    for row, column in ((0, 0), (5, 5), (11, 9)):
        slopes = []
        for channel in range(3):
            step = torch.zeros_like(images[:1])
            step[0, channel, row, column] = 1e-6
            with torch.no_grad():
                slopes.append(abs(float(of(net)(images[:1] + step) - of(net)(images[:1] - step)) / 2e-6))
        assert float(found[row, column]) == pytest.approx(max(slopes), rel=1e-4, abs=1e-9)


def test_occlusion_is_what_is_lost_behind_each_square(net: nn.Module, images: Tensor) -> None:
    fill = torch.zeros(3, 1, 1, dtype=torch.float64)
    found = seeing.occlusion(of(net), images[0], fill, patch=4, stride=3)
    total, count = torch.zeros(12, 10).double(), torch.zeros(12, 10)
    with torch.no_grad():
        whole = of(net)(images[:1])[0]
        for row in (0, 3, 6, 8):
            for column in (0, 3, 6):
                hidden = images[:1].clone()
                hidden[0, :, row : row + 4, column : column + 4] = 0
                total[row : row + 4, column : column + 4] += whole - of(net)(hidden)[0]
                count[row : row + 4, column : column + 4] += 1
    assert torch.allclose(found, total / count)


def test_grad_cam_finds_the_map_that_is_asked_for(images: Tensor) -> None:
    """An answer that is the mean of one map: the weight of that map is 1 / its pixels, of the others 0."""

    class Means(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            maps: Tensor = self.kernel(x).mean((2, 3))
            return maps

    torch.manual_seed(0)
    net = Means().double()
    found = seeing.grad_cam(net, of(net, 2), images)
    assert found is not None
    assert torch.allclose(found, net.kernel(images).detach()[:, 2].relu() / 120)


@pytest.mark.parametrize(
    ("kind", "layers"),
    [(LeNet, 2), (ResNet, 21), (WhitenedConv, 7), (MLP, 0)],
    ids=["lenet", "resnet", "whitened", "mlp"],
)
def test_every_layer_is_seen_once(kind: Any, layers: int) -> None:
    size = (
        {"input_shape": (3, 12, 10), "output_size": 4}
        if kind is MLP
        else {"image_shape": (3, 12, 10), "num_classes": 4}
    )
    net = kind(**size).eval()
    seen = seeing.layers(net, torch.randn(1, 3, 12, 10))
    assert abs(len(seen) - layers) <= 2
    assert len({name for name, _ in seen}) == len(seen)
    assert not any(module._forward_hooks for module in net.modules())


def test_a_layer_that_minds_nothing_has_no_spread(images: Tensor) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1)
            self.third = nn.Conv2d(2, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            maps: Tensor = self.third(self.second(self.first(x)))
            return maps

    found = seeing.spread(
        Blind().double(), images, {"in the mirror": images.flip(3), "another": images.flip(0)}, torch.tensor([0, 1])
    )
    assert [name for name, _ in found["another"]] == ["first", "third"]
    assert [ratio for _, ratio in found["another"]] == pytest.approx([1.0, 1.0])
    assert found["in the mirror"][1][1] < 1e-10
    with pytest.raises(ValueError, match="two classes"):
        seeing.spread(Blind().double(), images, {}, torch.tensor([1, 1]))


def test_explain_draws_a_page(tmp_path: Path, paint: Callable[..., Path], command: Callable[..., Any]) -> None:
    run = samoyed.train("image-classification", max_steps=2, out=tmp_path / "run", quiet=True)
    picture = paint(tmp_path / "dog.png", size=(30, 20), mode="RGB")
    found = run.explain(picture, tmp_path / "explained")
    page = (tmp_path / "explained" / "explanation.html").read_text("utf-8")
    assert found["said"] in page
    why = run.task.explain(run.model, run.task.read(picture))  # type: ignore[attr-defined]
    assert why["label"] == found["answer"]["label"]
    assert (len(why["heat"]), len(why["heat"][0])) == (8, 8)
    assert json.dumps(why)
    names = {Path(p).stem for p in found["pictures"]}
    assert names == {"feature-maps", "filters", "evidence"}
    assert all(Path(p).stat().st_size > 2_000 for p in found["pictures"])
    said = command("explain", run.path, tmp_path / "nothing.png")
    assert said.code == 1
    assert "nothing.png" in said.err
