"""Pictures of every kind become uint8 [H, W, 1 or 3], or say in words why not; the cache gives back what was put in."""

import io
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed.sources import _pictures
from samoyed.sources._pictures import Unreadable, decode, decode_all

Paint = Callable[..., Path]


def saved(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int = 10, width: int = 14, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png(width: int, height: int, depth: int = 8, data: bytes = b"") -> bytes:
    """A PNG by hand, so that its header may claim anything."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels(kind: str) -> None:
    pixels = noise()
    np.testing.assert_array_equal(decode(saved(Pillow.fromarray(pixels), kind), None), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_give_nearly_the_pixels(kind: str) -> None:
    pixels = np.full((10, 14, 3), (200, 100, 50), np.uint8)
    found = decode(saved(Pillow.fromarray(pixels), kind), None).astype(int)
    assert np.abs(found - pixels).max() <= 4


def test_grey_is_one_channel() -> None:
    pixels = noise(channels=1)
    np.testing.assert_array_equal(decode(saved(Pillow.fromarray(pixels[:, :, 0]), "PNG"), None), pixels)


def test_one_bit_is_black_and_white() -> None:
    bits = noise(channels=1)[:, :, 0] > 127
    found = decode(saved(Pillow.fromarray(bits), "PNG"), None)
    np.testing.assert_array_equal(found[:, :, 0], bits * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_grey_keeps_its_upper_byte(kind: str) -> None:
    deep = np.array(
        [[0, 255, 256, 65535]], np.uint16
    )  # a dark picture is not told from a light one by its largest value
    np.testing.assert_array_equal(decode(saved(Pillow.fromarray(deep), kind), None)[:, :, 0], [[0, 0, 1, 255]])
    np.testing.assert_array_equal(decode(saved(Pillow.fromarray(deep[:, :2]), kind), None)[:, :, 0], [[0, 0]])


def test_deep_grey_of_a_plain_map_keeps_its_upper_byte() -> None:
    assert decode(b"P5 2 1 65535\n" + bytes([1, 0, 200, 255]), None)[:, :, 0].tolist() == [[1, 200]]


def test_floating_point_is_refused() -> None:
    with pytest.raises(Unreadable, match="no fixed range: save it with 8 or 16 bits"):
        decode(saved(Pillow.fromarray(np.ones((3, 3), np.float32)), "TIFF"), None)


def test_transparency_is_laid_on_white() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = 0, 128, 255
    colour = decode(saved(Pillow.fromarray(pixels), "PNG"), None)
    assert colour[0, :, 0].tolist() == pytest.approx([255, 127, 0], abs=1)
    grey = decode(saved(Pillow.fromarray(pixels).convert("LA"), "PNG"), None)
    assert grey.shape == (1, 3, 1)
    np.testing.assert_array_equal(grey[:, :, 0], colour[:, :, 0])


def test_palette_with_transparency_is_laid_on_white() -> None:
    picture = Pillow.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    for kind, transparency in (("PNG", 0), ("PNG", b"\x00\xff"), ("GIF", 0)):
        found = decode(saved(picture, kind, transparency=transparency), None)
        assert found[0].tolist() == [[255, 255, 255], [0, 0, 255]]


def test_print_colours_become_screen_colours() -> None:
    picture = Pillow.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode(saved(picture, "JPEG"), None)[4, 4]
    assert red[0] > 200
    assert red[1] < 60
    assert red[2] < 60


@pytest.mark.parametrize(("tag", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_orientation_is_obeyed(tag: int, turn: int) -> None:
    pixels = noise(6, 9)
    exif = Pillow.Exif()
    exif[0x0112] = tag
    found = decode(saved(Pillow.fromarray(pixels), "PNG", exif=exif), None)
    np.testing.assert_array_equal(found, np.rot90(pixels, turn))


def test_a_broken_tag_does_not_cost_the_picture() -> None:
    data = saved(Pillow.new("RGB", (8, 8), (9, 9, 9)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode(data, None).shape == (8, 8, 3)


def test_an_animation_gives_its_first_picture() -> None:
    first, second = Pillow.new("RGB", (5, 4), "red"), Pillow.new("RGB", (5, 4), "blue")
    found = decode(saved(first, "GIF", save_all=True, append_images=[second]), None)
    assert found.shape == (4, 5, 3)
    assert found[0, 0].tolist() == [255, 0, 0]


def test_large_pictures_are_scaled_down_and_small_ones_left() -> None:
    for kind in ("PNG", "JPEG"):
        data = saved(Pillow.new("RGB", (400, 100), "green"), kind)
        assert decode(data, 40).shape == (10, 40, 3)
        assert decode(data, 4000).shape == (100, 400, 3)
    assert decode(saved(Pillow.new("L", (3000, 1)), "PNG"), 30).shape == (1, 30, 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no picture at all", "no picture of a known format"),
        (b"\x89PNG\r\n\x1a\n", "damaged|no picture"),
        (saved(Pillow.fromarray(noise(60, 60)), "PNG")[:-2000], "damaged"),
        (saved(Pillow.fromarray(noise(60, 60)), "JPEG")[:900], "damaged"),
        (saved(Pillow.fromarray(noise(60, 60)), "TIFF")[:4000], "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known format"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why) as raised:
        decode(data, None)
    assert len(str(raised.value).splitlines()) == 1


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(Unreadable, match="empty file"):
        decode(tmp_path / "empty.png", None)
    with pytest.raises(Unreadable, match="cannot be read: no such file"):
        decode(tmp_path / "gone.png", None)


@pytest.mark.parametrize("size", [(8_200, 8_200), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    data = png(*size, data=bytes(10_000_000))
    started = time.monotonic()
    with pytest.raises(Unreadable, match="too large"):
        decode(data, 64)
    assert time.monotonic() - started < 1


def test_the_limit_is_a_limit_and_not_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pictures, "MOST_MEMORY", 600)
    assert decode(png(10, 10, data=bytes(110)), None).shape == (10, 10, 1)
    with pytest.raises(Unreadable, match="11 x 10 has more than 100 pixels"):
        decode(png(11, 10, data=bytes(120)), None)


@pytest.mark.parametrize(
    ("kind", "mode", "side"), [("WEBP", "RGB", 5100), ("PNG", "RGBA", 7100), ("PNG", "LA", 7100), ("PNG", "P", 8200)]
)
def test_modes_that_take_more_memory_have_a_smaller_limit(kind: str, mode: str, side: int) -> None:
    options = {"lossless": True, "method": 0} if kind == "WEBP" else {"compress_level": 1}
    data = saved(Pillow.new(mode, (side, side)), kind, **options)
    assert len(data) < 2e6  # a bomb
    with pytest.raises(Unreadable, match="too large"):
        decode(data, 64)


def test_a_photo_of_108_million_pixels_is_read_at_a_fraction() -> None:
    data = saved(Pillow.new("L", (12_000, 9_000), 77), "JPEG", quality=30)
    found = decode(data, 128)
    assert found.shape == (96, 128, 1)
    assert set(found.flat) == {77}
    with pytest.raises(Unreadable, match="too large: 12,000 x 9,000 has more than 66,666,666 pixels"):
        decode(data, None)


def test_warnings_of_threads_neither_leak_nor_show(tmp_path: Path, paint: Paint) -> None:
    paths = [paint(tmp_path / f"{i}.png", i) for i in range(40)]
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        list(pool.map(lambda path: decode(path, None), paths))
        list(decode_all(paths, None))
        assert warnings.filters == inside
    assert warnings.filters == before
    assert not heard
