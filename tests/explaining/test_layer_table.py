"""The table against LeNet-5 counted by hand, published numbers of multiplications, and the same rows on the command line."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

from samoyed.explaining.layer_table import Connections, connections, facts, layer_table, text
from samoyed.models.inception import Inception
from samoyed.models.lenet import LeNet
from samoyed.models.local_net import LocalNet
from samoyed.models.mobilenet_v2 import MobileNetV2
from samoyed.models.resnet import ResNet


def test_lenet_counted_by_hand():
    rows = {row.name: row for row in layer_table(LeNet(image_shape=(1, 28, 28), num_classes=10), (1, 28, 28))}
    counted = {
        "features.0": ((6, 28, 28), 6 * (25 + 1), 6 * 28 * 28 * 25),
        "features.2": ((6, 14, 14), 0, 0),
        "features.3": ((16, 10, 10), 16 * (6 * 25 + 1), 16 * 10 * 10 * 6 * 25),
        "features.5": ((16, 5, 5), 0, 0),
        "classifier.1": ((120,), 120 * (400 + 1), 120 * 400),
        "classifier.4": ((84,), 84 * (120 + 1), 84 * 120),
        "output": ((10,), 10 * (84 + 1), 10 * 84),
    }
    for name, expected in counted.items():
        assert rows[name][2:5] == expected
    assert sum(row.parameters for row in rows.values()) == 61_706
    assert sum(row.multiply_adds for row in rows.values()) == 416_520
    full, local, shared = 6 * 784 * 16 * 100, 1600 * 150, 16 * 150
    assert rows["features.3"].connections == Connections(full * 196 // 784, local, shared)


def test_sharing_makes_a_million_million_weights_a_hundred_per_map():
    assert connections((1, 1000, 1000), (1, 1000, 1000), (10, 10)) == (10**12, 10**8, 10**2)
    assert connections((1, 1000, 1000), (100, 1000, 1000), (10, 10)) == (10**14, 10**10, 10**4)


@pytest.mark.parametrize(
    ("kind", "settings", "millions"),
    [(ResNet, {"depth": 18}, 1814), (ResNet, {"depth": 50}, 4089), (MobileNetV2, {}, 301)],
)
def test_published_multiplications_are_counted_without_computing(kind, settings, millions):
    with torch.device("meta"):
        model = kind(image_shape=(3, 224, 224), num_classes=1000, **settings)
    found = facts(model, (3, 224, 224))
    assert found["multiply_adds"] // 10**6 in (millions - 1, millions)
    assert found["unused"] == 0


def test_an_untied_layer_says_what_sharing_would_save():
    rows = layer_table(LocalNet(image_shape=(1, 16, 16), num_classes=10, maps=1), (1, 16, 16))
    assert rows[0].connections == Connections(full=256 * 64, local=9 * 64, shared=9)
    assert rows[0].multiply_adds == rows[0].connections.local


def test_layers_for_training_only_are_counted_apart():
    with torch.device("meta"):
        model = Inception(image_shape=(3, 224, 224), num_classes=1000, batch_norm=False)
    found = facts(model, (3, 224, 224))
    assert (found["parameters"], found["unused"]) == (13_378_280, 13_378_280 - 6_998_552)
    assert "in training only" in text(found)


def test_weights_used_twice_count_once_and_work_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.own = nn.Parameter(torch.eye(3))

        def forward(self, x):
            return self.layer(self.layer(x)) @ self.own

    found = facts(Twice(), (3,))
    assert (found["parameters"], found["unused"], found["multiply_adds"]) == (12 + 9, 0, 27)
    assert [row["name"] for row in found["layers"]] == ["layer", "layer", "itself"]


def test_the_model_is_left_as_it_was():
    model = ResNet(image_shape=(1, 8, 8), num_classes=3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    layer_table(model, (1, 8, 8))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_describe_prints_it(command):
    said = command("describe", "resnet", "depth=18", "--input", "3x224x224", "--classes", "1000", "--json")
    assert json.loads(said.out)["parameters"] == 11_689_512
    said = command("describe", "lenet", "--input", "1x28x28")
    assert (said.code, "61,706" in said.out, "16 x 10 x 10" in said.out) == (0, True, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("lenet", "--input", "28"), "is no picture"),
        (("lenet", "--input", "axb"), "is no shape"),
        (("lenet", "--input", "1x0x9"), "is no shape"),
        (("lenet", "--input", "1x2x2"), "at least 4 x 4"),
        (("lenet", "--input", "00000001x8x8"), "is no shape"),
        (("capsnet", "--input", "1x3x3"), "at least 5 x 5"),
        (("alexnet", "stem=large", "--input", "3x40x40"), "at least 63 x 63"),
        (("lenet", "depht=3", "--input", "1x8x8"), "no setting called 'depht'"),
        (("lenet", "width=2"), "--input"),
        (("seq2seq", "--input", "1x8x8"), "takes no picture"),
        (("image-classification", "--input", "1x8x8"), "takes no picture"),
    ],
)
def test_what_cannot_be_described_is_said(command, words, says):
    said = command("describe", *words)
    assert said.code == 2
    assert says in said.err


def test_plain_describe_does_not_load_torch():
    code = (
        "import sys; sys.argv=['samoyed', 'describe', 'resnet']\n"
        "from samoyed import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
