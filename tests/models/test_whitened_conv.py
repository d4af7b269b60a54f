"""The whitened ConvNet against its equations, and its first layer against what whitening means."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import samoyed
from samoyed import samples
from samoyed.models.whitened_conv import WhitenedConv


def images(count: int = 60, side: int = 12) -> Tensor:
    """Pictures whose neighbouring pixels and channels go together."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 3, side, side, generator=draw)
    smooth = functional.avg_pool2d(noise, 3, 1, 1)
    return smooth + smooth.mean(1, keepdim=True)


def test_the_first_maps_are_uncorrelated_and_of_one_size() -> None:
    model, shown = WhitenedConv(image_shape=(3, 12, 12), num_classes=4), images()
    before = functional.conv2d(shown, torch.eye(3 * 4).view(12, 3, 2, 2)).transpose(0, 1).flatten(1)
    off = (before @ before.T / before.shape[1]).fill_diagonal_(0).abs().max()
    assert off > 0.1  # pixels themselves are not
    model.begin(shown)
    maps = (model.whiten(shown) - model.whiten.bias[:, None, None]).detach().transpose(0, 1).flatten(1).double()  # type: ignore[index]
    second = maps[:12] @ maps[:12].T / maps.shape[1]
    assert float(second.diagonal().max()) < 1.001
    assert float(second.diagonal().min()) > 0.9  # all but what the small constant takes
    assert float(second.fill_diagonal_(0).abs().max()) < 1e-4
    assert torch.allclose(maps[12:], -maps[:12])


def test_the_first_kernels_are_the_only_ones_that_stay() -> None:
    model = WhitenedConv(image_shape=(3, 12, 12), num_classes=4)
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fixed == {"whiten.weight"} | {f"stages.{i}.norms.{k}.weight" for i in range(3) for k in range(2)}


def test_it_is_its_equations() -> None:
    torch.manual_seed(0)
    model = WhitenedConv(image_shape=(3, 12, 12), num_classes=4, width=0.1).double().eval()
    shown = images().double()
    model.begin(shown)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.bias)
    w = dict(model.named_parameters()) | dict(model.named_buffers())

    def gelu(x: Tensor) -> Tensor:
        return x * 0.5 * (1 + torch.erf(x / 2**0.5))

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - w[f"{name}.running_mean"][:, None, None]
        return centred / (w[f"{name}.running_var"][:, None, None] + 1e-5).sqrt() + w[f"{name}.bias"][:, None, None]

    x = gelu(functional.conv2d(shown, w["whiten.weight"], w["whiten.bias"]))
    for i in range(3):
        x = functional.conv2d(x, w[f"stages.{i}.first.weight"], padding=1)
        if x.shape[2] >= 4:
            x = functional.max_pool2d(x, 2)
        x = gelu(norm(x, f"stages.{i}.norms.0"))
        x = gelu(norm(functional.conv2d(x, w[f"stages.{i}.second.weight"], padding=1), f"stages.{i}.norms.1"))
    logits = x.flatten(2).max(2).values @ w["output.weight"].T / 9
    assert torch.allclose(model(shown), logits, rtol=1e-10, atol=1e-12)


def test_kernels_begin_as_the_identity() -> None:
    model = WhitenedConv(image_shape=(3, 12, 12), num_classes=4)
    kernel = model.stages[0].first.weight  # type: ignore[union-attr]
    assert isinstance(kernel, Tensor)
    assert torch.equal(kernel[:24, :, 1, 1], torch.eye(24))
    x = torch.randn(2, 24, 5, 5)
    assert torch.allclose(functional.conv2d(x, kernel, padding=1)[:, :24], x)


@pytest.mark.parametrize(("width", "count"), [(0.5, 498_104), (1.0, 1_972_792)])
def test_its_weights_are_counted(width: float, count: int) -> None:
    """Kernels 9 x maps below x maps above, the whitening patches with their biases, two numbers for each norm, the output."""
    model = WhitenedConv(image_shape=(3, 32, 32), num_classes=10, width=width)
    assert sum(p.numel() for p in model.parameters()) == count


def test_a_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 x 4"):
        WhitenedConv(image_shape=(3, 3, 9), num_classes=4)


def test_a_run_begins_with_the_pictures_it_trains_on(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples.load
    monkeypatch.setattr(samples, "load", lambda name: (whole(name)[0][:150], whole(name)[1]))
    run = samoyed.train("image-classification", model="whitened_conv", max_steps=1, out=f"{tmp_path}/run", quiet=True)
    split = run.task.split({"all": samples.load("digits")[0]}, 0)
    fresh = WhitenedConv(image_shape=(1, 8, 8), num_classes=10)
    fresh.begin(run.task.pixels.normalise(run.task.collate(split.train).images))  # type: ignore[attr-defined]
    assert torch.equal(fresh.whiten.weight, run.model.state_dict()["whiten.weight"])
