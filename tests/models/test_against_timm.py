"""The same weights in timm's definitions and in ours give the same logits. Skipped where timm is absent."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed.models.densenet import DenseNet
from samoyed.models.mobilenet_v1 import MobileNetV1
from samoyed.models.mobilenet_v2 import MobileNetV2
from samoyed.models.mobilenet_v3 import MobileNetV3
from samoyed.models.resnet import ResNet
from samoyed.models.vgg import VGG

timm = pytest.importorskip("timm", exc_type=ImportError)

SIDE = 64
CASES: list[tuple[str, type[nn.Module], dict[str, Any]]] = [
    ("resnet18", ResNet, {"depth": 18}),
    ("resnet50", ResNet, {"depth": 50}),
    ("resnetv2_50", ResNet, {"depth": 50, "pre_activation": True}),
    ("densenet121", DenseNet, {"depth": 121}),
    ("mobilenetv1_100", MobileNetV1, {}),
    ("mobilenetv2_100", MobileNetV2, {}),
    ("mobilenetv3_large_100", MobileNetV3, {"size": "large"}),
    ("mobilenetv3_small_100", MobileNetV3, {"size": "small"}),
]


def disturb(model: nn.Module) -> dict[str, Tensor]:
    """Random values for every weight and statistic, so that no tensor may stand in for another; each block's shortcut last."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim == 1:
            tensor.normal_(1.0 if name.endswith("weight") else 0.0, 0.2, generator=generator)
        elif tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    state = {name: t for name, t in model.state_dict().items() if "num_batches" not in name}

    def place(item: tuple[int, str]) -> tuple[int, bool]:
        owner, inside, _ = item[1].partition(".downsample.")
        members = [i for i, name in enumerate(state) if name.startswith(owner + ".")]
        return (max(members) if inside else item[0], bool(inside))

    ordered = [name for _, name in sorted(enumerate(state), key=place)]
    return {name: state[name] for name in ordered}


def carry(theirs: dict[str, Tensor], ours: nn.Module) -> None:
    names = [name for name in ours.state_dict() if "num_batches" not in name]
    assert len(names) == len(theirs)
    for (name, tensor), own in zip(theirs.items(), names, strict=True):
        assert ours.state_dict()[own].numel() == tensor.numel(), (name, own)
        ours.state_dict()[own].copy_(tensor.reshape(ours.state_dict()[own].shape))


@pytest.mark.parametrize(("name", "kind", "settings"), CASES)
def test_the_same_logits(name: str, kind: type[nn.Module], settings: dict[str, Any]) -> None:
    # the paper's rectifier; timm, like the authors' later code, cuts it at 6
    rectifier = {"act_layer": nn.ReLU} if kind is MobileNetV1 else {}
    theirs = timm.create_model(name, num_classes=7, **rectifier).double().eval()
    sized = {"width": 1.0} if "mobilenet" in name else {}
    ours = kind(image_shape=(3, SIDE, SIDE), num_classes=7, stem="large", **sized, **settings).double().eval()
    with torch.no_grad():
        carry(disturb(theirs), ours)
        x = torch.randn(2, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        expected = theirs(x)
        assert torch.allclose(ours(x), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_same_maps_of_vgg(batch_norm: bool) -> None:
    theirs = timm.create_model("vgg11_bn" if batch_norm else "vgg11", num_classes=7).features.double().eval()
    ours = VGG(image_shape=(3, SIDE, SIDE), num_classes=7, batch_norm=batch_norm, width=1.0).features.double().eval()
    with torch.no_grad():
        carry(disturb(theirs), ours)
        x = torch.randn(2, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        assert torch.allclose(ours(x), theirs(x), rtol=1e-9)
