"""What networks are said to see in clips, volumes and recordings, against sums, brute force and networks whose answer is known."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import samoyed
from samoyed import catalog, samples
from samoyed.explaining import seeing
from samoyed.models.conv_1d import Conv1DClassifier
from samoyed.models.conv_3d import Conv3DClassifier
from samoyed.models.frame_conv import FrameConvClassifier
from samoyed.models.lrcn import LRCNClassifier
from samoyed.models.lstm import LSTMSoundClassifier
from samoyed.models.tdnn import TDNNClassifier
from samoyed.reporting.figures import style
from samoyed.run import Run
from samoyed.tasks._seeing_blocks import hiding

BLOCK = {"block_shape": (2, 5, 8, 6), "num_classes": 3}
SOUND = {"frame_size": 7, "num_classes": 3}
DRAW = torch.Generator().manual_seed(0)


def net_of(kind: Any, **given: Any) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = kind(**given).double().eval()
    for module in made.modules():  # statistics that are not the ones a norm begins with
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean = torch.randn(module.num_features, generator=DRAW).double() * 0.2
    return made


def in_blocks(kind: Any) -> tuple[Callable[[Tensor], Tensor], Tensor, nn.Module]:
    net = net_of(kind, **BLOCK)
    return lambda x: net(x)[:, 1], torch.randn(1, *BLOCK["block_shape"], generator=DRAW).double(), net  # type: ignore[misc]


def in_sound(kind: Any) -> tuple[Callable[[Tensor], Tensor], Tensor, nn.Module]:
    net = net_of(kind, **SOUND)
    return (
        lambda x: net(x[:, 0], torch.full((len(x),), x.shape[2]))[:, 1],
        torch.randn(1, 1, 13, 7, generator=DRAW).double(),
        net,
    )


MADE = [*((in_blocks, kind) for kind in (Conv3DClassifier, LRCNClassifier, FrameConvClassifier)),
        *((in_sound, kind) for kind in (TDNNClassifier, Conv1DClassifier, LSTMSoundClassifier))]  # fmt: skip
each = pytest.mark.parametrize(("made", "kind"), MADE, ids=[kind.__name__ for _, kind in MADE])


@each
def test_integrated_gradients_are_complete(made: Any, kind: Any) -> None:
    """They add up to the answer's distance from that for the baseline."""
    of, given, _ = made(kind)
    baseline = torch.zeros_like(given)
    with torch.no_grad():
        gap = float(of(given) - of(baseline))
    steps = 40 if kind is LSTMSoundClassifier else 300  # without kinks few are enough
    found = seeing.integrated_gradients(of, given, baseline, steps)
    assert found.shape == given.shape
    assert abs(float(found.sum()) - gap) < 2e-2 * abs(gap) + 1e-5


@each
def test_saliency_is_the_slope_by_finite_differences(made: Any, kind: Any) -> None:
    of, given, _ = made(kind)
    found = seeing.saliency(of, given)[0]
    assert found.shape == given.shape[2:]
    place = tuple(side // 2 for side in found.shape)
    slopes = []
    for channel in range(given.shape[1]):
        step = torch.zeros_like(given)
        step[(0, channel, *place)] = 1e-6
        with torch.no_grad():
            slopes.append(abs(float(of(given + step) - of(given - step)) / 2e-6))
    assert float(found[place]) == pytest.approx(max(slopes), rel=1e-4, abs=1e-9)


@each
def test_occlusion_is_what_is_lost_behind_each_box(made: Any, kind: Any) -> None:
    of, given, _ = made(kind)
    sides = given.shape[2:]
    patch, stride = [max(1, side // 3) for side in sides], [max(1, side // 4) for side in sides]
    fill = torch.zeros(given.shape[1], *[1] * len(sides), dtype=torch.float64)
    found = seeing.occlusion(of, given[0], fill, patch, stride)
    total, count = torch.zeros(sides).double(), torch.zeros(sides)
    corners = [sorted({*range(0, s - p, t), s - p}) for s, p, t in zip(sides, patch, stride, strict=True)]
    with torch.no_grad():
        whole = of(given)[0]
        for corner in np.ndindex(*map(len, corners)):
            box = tuple(slice(c[i], c[i] + p) for c, i, p in zip(corners, corner, patch, strict=True))
            hidden = given.clone()
            hidden[(slice(None), slice(None), *box)] = 0
            total[box] += whole - of(hidden)[0]
            count[box] += 1
    assert torch.allclose(found, total / count)


def test_grad_cam_of_a_block_finds_the_map_that_is_asked_for() -> None:
    """An answer that is the mean of one map: the weight of that map is 1 / its places, of the others 0."""

    class Means(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Conv3d(2, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            maps: Tensor = self.kernel(x).mean((2, 3, 4))
            return maps

    class ByPicture(Means):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Conv2d(2, 4, 3, padding=1)  # type: ignore[assignment]

        def forward(self, x: Tensor) -> Tensor:
            pictures = self.kernel(x.transpose(1, 2).flatten(0, 1))
            maps: Tensor = pictures.unflatten(0, (len(x), -1)).mean((1, 3, 4))
            return maps

    blocks = torch.randn(2, 2, 5, 8, 6, generator=DRAW).double()
    for kind in (Means, ByPicture):
        net = net_of(kind)
        found = seeing.grad_cam(net, lambda x: net(x)[:, 2], blocks)  # noqa: B023
        assert found is not None
        flat = blocks.transpose(1, 2).flatten(0, 1) if kind is ByPicture else blocks
        maps = net.kernel(flat).detach()  # type: ignore[operator]
        maps = maps.unflatten(0, (2, -1)).transpose(1, 2) if kind is ByPicture else maps
        assert torch.allclose(found, maps[:, 2].relu() / (5 * 8 * 6))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Conv3DClassifier, ["convolutions.0", "convolutions.1", "convolutions.2"]),
        (LRCNClassifier, ["encoder.maps.0", "encoder.maps.4"]),
    ],
)
def test_every_layer_of_a_block_is_seen_once(kind: Any, names: list[str]) -> None:
    _, given, net = in_blocks(kind)
    seen = seeing.layers(net, given)
    assert [name for name, _ in seen] == names
    assert all(maps.ndim == 5 and maps.shape[2] in (5, 2, 1) for _, maps in seen)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [(TDNNClassifier, [(128, 13)] * 4), (Conv1DClassifier, [(96, 13), (128, 7), (160, 4)]), (LSTMSoundClassifier, [(192, 13)])],
)  # fmt: skip
def test_every_layer_over_time_is_seen_once(kind: Any, sizes: list[tuple[int, int]]) -> None:
    _, given, net = in_sound(kind)
    seen = seeing.layers(net, given[:, 0], torch.tensor([13]), read=seeing.moments_of)
    assert [tuple(maps.shape[1:]) for _, maps in seen] == sizes


def test_hidden_frames_are_found() -> None:
    """An answer that is the sum of the third frame alone rests on what is there."""
    shown = torch.ones(1, 1, 8, 8, 8)
    falls = hiding(lambda x: x[:, 0, 2].sum((1, 2)), shown)
    assert (falls.mean((1, 2)) > 0).nonzero()[:, 0].tolist() == [1, 2, 3]  # two frames are hidden at a time
    assert falls.mean((1, 2)).argmax() == 2


# Runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(
            samples, "load", lambda name: (whole(name)[0][: 160 if name == "typefaces" else 40], whole(name)[1])
        )
        folder = tmp_path_factory.mktemp("runs")

        def train(task: str, model: str) -> Run:
            with pytest.MonkeyPatch.context() as quick:
                quick.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
                out = folder / f"{task}-{model}"
                return samoyed.train(task, model=model, out=out, quiet=True, max_steps=2, execution="plain")

        yield train


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("audio-classification", "tdnn"), ("volume-classification", "conv_3d"), ("image-similarity", "lenet"),
        *(
            pytest.param(*pair, marks=pytest.mark.prove)
            for pair in (
                ("audio-classification", "gru"), ("video-classification", "conv_3d"), ("video-classification", "lrcn"),
            )
        ),
    ],
)  # fmt: skip
def test_explain_draws_a_page(task: str, model: str, trained: Callable[..., Run], tmp_path: Path) -> None:
    run = trained(task, model)
    example = samples.load(run.task.sample)[0][5]
    found = run.explain(example, tmp_path)
    names = {Path(p).stem for p in found["pictures"]}
    assert {"evidence", "feature-maps"} <= names
    assert all(Path(p).stat().st_size > 2_000 for p in found["pictures"])
    assert "Integrated gradients" in (tmp_path / "explanation.html").read_text("utf-8")
    why = run.task.explain(run.model, run.task.read(example))  # type: ignore[attr-defined]
    json.dumps(why, allow_nan=False)
    if task == "image-similarity":
        answer = run.task.answers(run.model, [example])[0]
        assert why["label"] == answer["nearest"][0]["identity"]
    else:
        assert why["label"] == found["answer"]["label"]
        assert len(why["parts"]) >= 2
    heat = np.array(why["heat"])
    with style(), torch.no_grad():
        rows = run.task.collate([example])
    if task == "audio-classification":
        assert heat.shape == tuple(rows.frames.shape[1:])
    elif task != "image-similarity":
        depth, _, high, wide = rows.blocks.shape[1:]
        assert heat.shape == (depth, high, wide)
    assert np.abs(heat).max() > 0
