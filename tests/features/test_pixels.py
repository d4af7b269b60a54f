"""Pictures of any size become one array, as a slow and plain reference says."""

import json

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from samoyed.errors import UsageError
from samoyed.features import pixels
from samoyed.features.pixels import Pixels


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    """A slope that differs by axis and channel, so that a wrong crop, axis or channel shows."""
    y, x, c = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), np.arange(channels), indexing="ij")
    return np.rint(40 + 90 * y + 60 * x + 20 * c).astype(np.uint8)


def reference(picture: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Scale until it covers, then cut the centre out; as float, [C, H, W]."""
    if picture.shape[2] != channels:
        weights = np.array([0.299, 0.587, 0.114])
        picture = np.repeat(picture, 3, 2) if channels == 3 else (picture @ weights)[:, :, None]
    factor = max(height / picture.shape[0], width / picture.shape[1])
    rows = (np.arange(height) + 0.5) / factor + (picture.shape[0] - height / factor) / 2 - 0.5
    columns = (np.arange(width) + 0.5) / factor + (picture.shape[1] - width / factor) / 2 - 0.5
    found = np.empty((channels, height, width))
    for channel in range(channels):
        plane = picture[:, :, channel].astype(float)
        down = np.array([np.interp(rows, np.arange(plane.shape[0]), column) for column in plane.T]).T
        found[channel] = [np.interp(columns, np.arange(plane.shape[1]), row) for row in down]
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 30, 1), (30, 20, 3), (8, 50, 3), (16, 16, 1), (7, 9, 3)])
def test_stack_covers_and_keeps_the_centre(shape: tuple[int, int, int], channels: int) -> None:
    picture = smooth(*shape)
    found = Pixels(channels, 16, 16, [0.0], [1.0]).stack([picture])
    assert found.dtype == torch.uint8
    assert found.shape == (1, channels, 16, 16)
    np.testing.assert_allclose(found[0].numpy(), reference(picture, 16, 16, channels), atol=4)


def test_pictures_of_the_right_size_are_not_touched() -> None:
    picture = noise(8, 9, 3)
    found = Pixels(3, 8, 9, [0.0], [1.0]).stack([picture, picture[::-1]])
    np.testing.assert_array_equal(found.numpy(), np.stack([picture, picture[::-1]]).transpose(0, 3, 1, 2))


def test_grey_and_colour_together() -> None:
    grey, colour = noise(8, 8, 1), noise(8, 8, 3)
    both = Pixels(3, 8, 8, [0.0], [1.0]).stack([grey, colour])
    np.testing.assert_array_equal(both[0].numpy(), np.repeat(grey.transpose(2, 0, 1), 3, 0))
    one = Pixels(1, 8, 8, [0.0], [1.0]).stack([colour])
    np.testing.assert_array_equal(one[0, 0].numpy(), np.asarray(Pillow.fromarray(colour).convert("L")))


def test_a_thread_of_a_picture_costs_no_memory() -> None:
    found = Pixels(1, 512, 512, [0.0], [1.0]).stack([noise(4000, 1, 1)])  # covering it would take 512 x 2,048,000
    assert found.shape == (1, 1, 512, 512)


@pytest.mark.parametrize(
    ("shapes", "image_size", "expected"),
    [
        ([(28, 28, 1)] * 3, None, (1, 28, 28)),
        ([(20, 30, 3)] * 3, None, (3, 20, 30)),
        ([(65, 65, 3)] * 3, None, (3, 64, 64)),
        ([(20, 30, 1), (40, 50, 3), (31, 90, 1)], None, (3, 31, 31)),
        ([(200, 300, 1), (400, 500, 1)], None, (1, 64, 64)),
        ([(28, 28, 1)] * 3, 12, (1, 12, 12)),
        ([(1, 1, 1)], None, (1, 1, 1)),
    ],
)
def test_the_size_that_is_learned(
    shapes: list[tuple[int, int, int]], image_size: int | None, expected: tuple[int, int, int]
) -> None:
    made = Pixels.learn([noise(*shape) for shape in shapes], image_size)
    assert (made.channels, made.height, made.width) == expected


def test_normalised_pictures_have_mean_0_and_deviation_1() -> None:
    pictures = [noise(9, 9, 3, seed) // (1 + seed % 3) for seed in range(50)]
    made = Pixels.learn(pictures, None)
    stack = made.stack(pictures)
    found = made.normalise(stack)
    np.testing.assert_allclose(found.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((0, 2, 3), correction=0), 1, atol=1e-4)
    raw = np.stack(pictures).transpose(0, 3, 1, 2) / 255
    expected = (raw - raw.mean((0, 2, 3), keepdims=True)) / raw.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    assert stack.dtype == torch.uint8  # the input is left alone


def test_a_size_that_fits_no_machine_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"the data take 100,000.0 GB more than memory holds, and the disk at .*; set a smaller size"
    ):
        Pixels.learn([noise(8, 8, 1)] * 2, 9_999_999)


def test_many_pictures_are_learned_from_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [noise(8, 8, 3, seed) for seed in range(20)]
    whole = Pixels.learn(pictures, None).state()
    monkeypatch.setattr(pixels, "_VALUES_AT_ONCE", 600)
    for key, value in Pixels.learn(pictures, None).state().items():
        np.testing.assert_allclose(value, whole[key], rtol=1e-12)


def test_black_pictures_do_not_divide_by_nothing() -> None:
    made = Pixels.learn([np.zeros((4, 4, 1), np.uint8)] * 3, None)
    assert bool(made.normalise(made.stack([np.zeros((4, 4, 1), np.uint8)])).isfinite().all())


def test_the_state_is_json_and_gives_the_same() -> None:
    made = Pixels.learn([noise(9, 9, 3)], None)
    again = Pixels(**json.loads(json.dumps(made.state())))
    images = made.stack([noise(12, 9, 3)])
    assert torch.equal(made.normalise(images), again.normalise(again.stack([noise(12, 9, 3)])))
