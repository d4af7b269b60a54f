"""Every convolutional architecture: the published number of parameters, any size of picture, and a batch learned by heart."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed import catalog, run
from samoyed.errors import UsageError
from samoyed.objectives import classifier_loss

MODELS = (
    "alexnet", "capsnet", "densenet", "inception", "lenet5", "local_net", "maxout_conv",
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "resnet", "vgg",
)  # fmt: skip
LARGE, SMALL, DIGITS = ((3, 224, 224), 1000), ((3, 32, 32), 10), ((1, 28, 28), 10)

PUBLISHED: list[tuple[str, Any, dict[str, Any], int]] = [
    ("alexnet", LARGE, {"columns": 1}, 61_100_840),
    ("alexnet", LARGE, {"columns": 2}, 60_965_224),
    *[
        ("vgg", LARGE, {"depth": depth, "batch_norm": False}, count)
        for depth, count in {11: 132_863_336, 13: 133_047_848, 16: 138_357_544, 19: 143_667_240}.items()
    ],
    ("vgg", LARGE, {"depth": 16}, 138_365_992),
    ("inception", LARGE, {"batch_norm": False, "auxiliary": 0.0}, 6_998_552),
    ("inception", LARGE, {"batch_norm": False}, 13_378_280),
    ("inception", LARGE, {"wide_kernel": 3, "auxiliary": 0.0}, 6_624_904),
    ("inception", LARGE, {"wide_kernel": 3}, 13_004_888),
    *[
        ("resnet", LARGE, {"depth": depth}, count)
        for depth, count in {
            18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808
        }.items()
    ],
    ("resnet", LARGE, {"depth": 50, "pre_activation": True}, 25_549_352),
    *[  # He 2015, table 6, gives these in millions: 0.27, 0.46, 0.66, 0.85, 1.7
        ("resnet", SMALL, {"depth": depth}, count)
        for depth, count in {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}.items()
    ],
    *[
        ("densenet", LARGE, {"depth": depth}, count)
        for depth, count in {121: 7_978_856, 161: 28_681_000, 169: 14_149_480, 201: 20_013_928}.items()
    ],
    ("densenet", SMALL, {"depth": 100}, 769_162),
    ("mobilenet_v1", LARGE, {}, 4_231_976),
    ("mobilenet_v2", LARGE, {}, 3_504_872),
    ("mobilenet_v3", LARGE, {"size": "small"}, 2_542_856),
    ("mobilenet_v3", LARGE, {"size": "large"}, 5_483_032),
    ("lenet5", DIGITS, {}, 60_000),
    ("capsnet", DIGITS, {}, 8_215_568),
    ("capsnet", DIGITS, {"reconstruction": 0.0}, 6_804_224),
]  # fmt: skip


def build(name: str, image_shape: tuple[int, int, int], num_classes: int = 4, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = catalog.models()[name].main.load()(image_shape=image_shape, num_classes=num_classes, **settings)
    return model


def pictures(image_shape: tuple[int, int, int], count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *image_shape, generator=generator), torch.arange(count) % 4


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    loss = classifier_loss(model, x, y).value()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@pytest.mark.parametrize(("name", "sizes", "settings", "count"), PUBLISHED)
def test_the_published_number_of_parameters(name: str, sizes: Any, settings: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        model = build(name, *sizes, **settings)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize("name", MODELS)
def test_it_takes_a_step_on_small_and_large_pictures_grey_and_coloured(name: str) -> None:
    for side in (8, 28, 64):
        for channels in (1, 3):
            model = build(name, (channels, side, side))
            x, y = pictures((channels, side, side), 2)
            descend(model, torch.optim.SGD(model.parameters(), 0.01), x, y)
            with torch.no_grad():
                logits = model.eval()(x)
            assert logits.shape == (2, 4)
            assert logits.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_a_last_batch_of_one_oblong_picture_is_no_trouble(name: str) -> None:
    model = build(name, (1, 9, 14))
    x, y = pictures((1, 9, 14), 1)
    descend(model, torch.optim.SGD(model.parameters(), 0.01), x, y)


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_a_batch_by_heart(name: str) -> None:
    settings = {"dropout": 0.0} if "dropout" in catalog.models()[name].main.settings else {}
    model = build(name, (1, 8, 8), **settings)
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    x, y = pictures((1, 8, 8), 8)
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    for _ in range(12):
        for _ in range(10):
            descend(model, optimizer, x, y)
        with torch.no_grad():
            if (model(x).argmax(1) == y).all():
                return
    pytest.fail("after 120 steps it still confuses 8 pictures")


@pytest.mark.parametrize("pre_activation", [False, True])
def test_a_resnet_of_152_layers_stays_finite(pre_activation: bool) -> None:
    model = build("resnet", (3, 32, 32), depth=152, stem="large", pre_activation=pre_activation)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    for _ in range(2):
        assert descend(model, optimizer, *pictures((3, 32, 32), 4)) < 20


def test_settings_of_the_other_sizes_build_and_answer() -> None:
    for name, settings in (
        ("resnet", {"depth": 18}), ("resnet", {"depth": 50, "pre_activation": True}), ("densenet", {"depth": 121}),
        ("vgg", {"depth": 19, "batch_norm": False}), ("alexnet", {"columns": 2}), ("mobilenet_v3", {"size": "large"}),
        ("inception", {"auxiliary": 0.0, "batch_norm": False}), ("local_net", {"connections": "full"}),
        ("local_net", {"connections": "shared"}), ("capsnet", {"reconstruction": 0.0}),
    ):  # fmt: skip
        with torch.no_grad():
            assert build(name, (1, 12, 12), **settings).eval()(torch.zeros(2, 1, 12, 12)).shape == (2, 4)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "local_net"])
def test_a_picture_too_small_is_one_clear_error_with_the_least_size(name: str) -> None:
    task: Any = SimpleNamespace(sizes=lambda: {"image_shape": (1, 3, 3), "num_classes": 4})
    with pytest.raises(UsageError, match=r"cannot be built for image_shape \(1, 3, 3\).*at least \d x \d"):
        run.build(task, catalog.models()[name].main, {})
