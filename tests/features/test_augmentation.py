"""Deformed pictures against NumPy and SciPy, and the draws that decide them."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from samoyed import batching
from samoyed.examples import Image
from samoyed.features.augmentation import KINDS, Augmentation, _mirrored, _smoothing, chosen
from samoyed.tasks.image_classification import ImageClassification, Images

ALL = tuple(kind for kind in KINDS if kind != "mixup")


def pictures(count: int = 40, channels: int = 3, height: int = 12, width: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, channels, height, width), generator=batching.generator(7), dtype=torch.uint8)


def draw(*counters: int) -> torch.Generator:
    return batching.generator(0, *counters)


def test_crops_and_flips_copy_a_window_of_the_mirrored_picture() -> None:
    images = pictures()
    reach = (2, 2)  # an eighth of 12 and 16
    mirrored = torch.arange(len(images)) % 2 == 0
    made = Augmentation(["crop", "flip"]).deform(images, draw(1), mirrored)
    seen = set()
    for row in range(len(images)):
        padded = np.pad(images[row].numpy(), ((0, 0), (reach[0],) * 2, (reach[1],) * 2), "reflect")
        found = [
            (down, right)
            for down in range(2 * reach[0] + 1)
            for right in range(2 * reach[1] + 1)
            if np.array_equal(
                padded[:, down : down + 12, right : right + 16][:, :, :: -1 if mirrored[row] else 1], made[row].numpy()
            )
        ]
        assert len(found) == 1, row
        seen.add(found[0])
    assert len(seen) > 10


@pytest.mark.parametrize("side", [1, 2, 5])
def test_the_mirror_is_numpys(side: int) -> None:
    wanted = np.pad(np.arange(side), 9, "reflect" if side > 1 else "edge")
    assert _mirrored(torch.arange(-9, side + 9), side).tolist() == wanted.tolist()


def test_a_warp_is_scipys_interpolation() -> None:
    """A shear that is known, read back from the pictures: x'(p) = x(A p) by bilinear interpolation, borders mirrored."""
    ramp = torch.arange(16).expand(1, 1, 12, 16).mul(10).to(torch.uint8)
    made = Augmentation(["affine"], 1.0).deform(ramp.expand(30, 1, 12, 16), draw(3))
    turn, shear, across, down = 2 * torch.rand(4, 30, generator=draw(3), dtype=torch.float32).numpy() - 1
    for row in range(30):
        angle = np.deg2rad(15) * turn[row]
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array(
            [[1 + 0.1 * across[row], 0.15 * shear[row]], [0, 1 + 0.1 * down[row]]]
        )
        y, x = np.mgrid[:12, :16]
        points = np.stack([x - 7.5, y - 5.5])  # about the centre
        there = np.einsum("ij,jhw->ihw", matrix, points)
        wanted = ndimage.map_coordinates(
            ramp[0, 0].double().numpy(), [there[1] + 5.5, there[0] + 7.5], order=1, mode="reflect"
        )
        inside = (np.abs(there[0]) <= 7.5) & (np.abs(there[1]) <= 5.5)
        off = np.abs(made[row, 0].numpy() - wanted)
        assert off[inside].max() <= 0.51  # rounded to whole values


def test_elastic_fields_are_smooth_noise_of_the_stated_size() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (400, 28))
    smoothed = noise @ _smoothing(28).T.double().numpy()
    ratio = smoothed / ndimage.gaussian_filter1d(noise, 4.0, axis=1, mode="constant", truncate=8)
    assert np.ptp(ratio) < 1e-3 * ratio.mean()
    assert smoothed[:, 8:20].std() == pytest.approx(3**-0.5, rel=0.1)
    grid = torch.arange(28).expand(200, 1, 28, 28).mul(9).to(torch.uint8)
    moved = (Augmentation(["elastic"]).deform(grid, draw(5)).float() - grid) / 9
    assert float(moved[:, :, 8:20, 8:20].std()) == pytest.approx(0.05 * 28, rel=0.15)  # a twentieth of the side


def test_colours_change_and_the_order_of_greys_stays() -> None:
    images = pictures()
    made = Augmentation(["colour"]).deform(images, draw(1))
    assert made.shape == images.shape
    assert not torch.equal(made, images)
    ramp = torch.arange(0, 192, 4).view(1, 1, 4, 12).expand(9, 1, 4, 12).to(torch.uint8)
    assert bool((Augmentation(["colour"]).deform(ramp, draw(2)).flatten(1).int().diff(dim=1) >= 0).all())
    weak = Augmentation(["colour"], 1e-6).deform(images, draw(1))
    assert torch.equal(weak, images)


def test_a_square_takes_the_mean_colour() -> None:
    images = torch.full((200, 3, 32, 32), 9, dtype=torch.uint8)
    made = Augmentation(["cutout"], 1.0, (1.0, 2.0, 3.4)).deform(images, draw(1))
    hidden = (made != 9).all(1)
    assert made.permute(0, 2, 3, 1)[hidden].unique(dim=0).tolist() == [[1, 2, 3]]
    assert int(hidden.sum((1, 2)).max()) == 16 * 16
    assert 0.5 * 256 < float(hidden.sum((1, 2)).float().mean()) < 256  # cut off at the border


def test_blends_are_of_two_pictures_in_the_shares_of_their_labels() -> None:
    values = torch.arange(50)
    images = (5 * values).to(torch.uint8).view(50, 1, 1, 1).expand(50, 1, 4, 4)
    made, targets = Augmentation(["mixup"]).mix(images, values, 50, draw(1))
    assert targets.sum(1).tolist() == pytest.approx([1.0] * 50)
    assert bool((targets[values, values] >= 0.5).all())
    assert torch.allclose(made[:, 0, 0, 0].float(), targets @ (5.0 * values), atol=0.51)
    again = Augmentation(["mixup"]).mix(images, torch.eye(50)[values], 50, draw(1))
    assert torch.equal(again[0], made)
    assert torch.equal(again[1], targets)


@pytest.mark.parametrize("kind", ALL)
def test_draws_depend_on_the_generator_alone(kind: str) -> None:
    made = Augmentation([kind])
    first = made.deform(pictures(), draw(1))
    torch.manual_seed(99)
    assert torch.equal(first, made.deform(pictures(), draw(1)))
    assert not torch.equal(first, made.deform(pictures(), draw(2)))
    assert (first.dtype, first.shape) == (torch.uint8, pictures().shape)


def test_nothing_is_done_to_a_picture_in_place() -> None:
    images = pictures()
    Augmentation(ALL).deform(images, draw(1))
    assert torch.equal(images, pictures())


@pytest.mark.parametrize(
    ("words", "channels", "classes", "kinds"),
    [
        (["auto"], 3, ["cat", "dog"], ("crop", "flip")),
        (["auto"], 1, ["cat", "dog"], ()),
        (["auto"], 3, ["0", "10"], ("crop",)),
        (["auto"], 3, ["b", "d", "p", "q"], ("crop",)),
        (["light", "mixup"], 1, ["cat", "dog"], ("crop", "flip", "mixup")),
        (["strong"], 3, ["6", "9"], ("crop", "affine", "colour", "cutout")),
        (["flip"], 1, ["6", "9"], ("flip",)),
        (["none"], 3, ["cat", "dog"], ()),
    ],
)
def test_digits_and_letters_are_never_mirrored_unasked(
    words: list[str], channels: int, classes: list[str], kinds: tuple[str, ...]
) -> None:
    assert chosen(words, channels, classes) == kinds


def task_of(*augment: str, count: int = 23) -> tuple[ImageClassification, Images]:
    task = ImageClassification(augment=augment)  # type: ignore[arg-type]
    some = pictures(count).permute(0, 2, 3, 1).contiguous().numpy()
    examples = [Image(pixels, "cat" if i % 2 else "dog", str(i)) for i, pixels in enumerate(some)]
    task.fit(examples)
    return task, task.collate(examples)


def test_every_other_epoch_shows_a_picture_in_the_mirror() -> None:
    task, rows = task_of("flip")
    shown = []
    for epoch in (1, 2, 3):
        batches = list(task.batches(rows, 7, seed=3, epoch=epoch))
        back = batching.order(23, 3, epoch).argsort()
        shown.append(torch.cat([b.images for b in batches])[back])
        assert torch.equal(torch.cat([b.labels for b in batches])[back], rows.labels)
    for row in range(23):
        forms = [torch.equal(form[row], rows.images[row]) for form in shown]
        assert forms in ([True, False, True], [False, True, False])
        assert torch.equal(shown[1][row], shown[0][row].flip(2))
    assert len({torch.equal(a, b) for a, b in zip(shown[0], rows.images, strict=True)}) == 2


def test_pictures_that_are_measured_are_left_alone() -> None:
    task, rows = task_of(*KINDS)
    for batch, images in zip(task.batches(rows, 7), rows.images.split(7), strict=True):
        assert torch.equal(batch.images, images)


def test_batches_are_a_function_of_seed_epoch_and_place() -> None:
    task, rows = task_of(*KINDS)
    first = [list(task.batches(rows, 7, seed=1, epoch=epoch)) for epoch in (1, 2)]
    torch.manual_seed(5)
    for epoch, batches in zip((1, 2), first, strict=True):
        for batch, again in zip(batches, task.batches(rows, 7, seed=1, epoch=epoch), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    assert not torch.equal(first[0][0].images, first[1][0].images)
    other = next(iter(task.batches(rows, 7, seed=2, epoch=1)))
    assert not torch.equal(other.images, first[0][0].images)


@pytest.mark.parametrize(("how", "count"), [("one", 1), ("mirror", 2), ("shifted", 6)])
def test_an_answer_is_the_mean_of_its_views(how: str, count: int) -> None:
    task, rows = task_of("none")
    task.test_views = how  # type: ignore[assignment]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 16, 2), nn.Tanh())
    shown = task.pixels.normalise(rows.images).numpy()
    seen = [shown, shown[:, :, :, ::-1]]
    for view in seen[:2]:
        padded = np.pad(view, ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
        seen += [padded[:, :, :12, :16], padded[:, :, 2:, 2:]]
    answers = [model(torch.from_numpy(view.copy())) for view in seen[:count]]
    assert torch.allclose(task.logits(model, rows.images), sum(answers) / count, atol=1e-6)


def test_answers_are_of_the_mirror_too_where_training_pictures_are() -> None:
    class Left(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :2, 0, 0]

    for augment, mirrored in (("flip", True), ("crop", False)):
        task, rows = task_of(augment)
        answers = task.logits(Left(), rows.images)
        assert torch.equal(answers, task.logits(Left(), rows.images.flip(3))) == mirrored
    fitted = Left()
    fitted.fit = None  # type: ignore[assignment]
    task, rows = task_of("flip")
    assert not torch.equal(task.logits(fitted, rows.images), task.logits(fitted, rows.images.flip(3)))
