"""The embedded data: what they hold, that they are the same each time, and what they are known to be."""

import numpy as np
import pytest

from samoyed import catalog, samples

NAMES = sorted({entry.main.attributes["sample"] for entry in catalog.tasks().values()})


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_the_same_each_time(name: str) -> None:
    (first, about), (again, _) = samples.load(name), samples.load(name)
    assert about.endswith((".", "s"))
    assert len(first) == len(again) > 0
    assert all(repr(a) == repr(b) for a, b in zip(first[:50], again[:50], strict=True))
    origins = [example.origin for example in first]
    assert len(set(origins)) == len(origins)


def test_digits_are_the_published_ones() -> None:
    """Alpaydin & Kaynak's test set: 1,797, of which 178, 182, 177, 183, 181, 182, 181, 179, 174, 180 of each."""
    found, _ = samples.load("digits")
    assert len(found) == 1797
    counts = [sum(e.label == str(digit) for e in found) for digit in range(10)]
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert {(e.pixels.shape, e.pixels.dtype) for e in found} == {((8, 8, 1), np.dtype(np.uint8))}
    levels = np.unique(np.stack([e.pixels for e in found]))
    assert (levels[0], levels[-1], len(levels)) == (0, 255, 17)


def test_passengers_are_box_and_jenkins_series_g() -> None:
    (series,), _ = samples.load("airline_passengers")
    values = series.values[:, 0]
    assert (series.values.shape, series.names) == ((144, 1), ("passengers",))
    assert (values.sum(), values.min(), values.max()) == (40_363, 104, 622)
    assert (series.times[0], series.times[12], series.times[-1]) == ("1949-01", "1950-01", "1960-12")
    assert len(set(series.times)) == 144
    years = values.reshape(12, 12).sum(1)
    assert (np.diff(years) > 0).all()


def test_the_standard_library_is_text_enough() -> None:
    found, _ = samples.load("standard_library")
    assert len(found) == 14
    assert 300_000 < sum(len(e.text) for e in found) < 2_000_000
    assert all("def " in e.text and "\r" not in e.text for e in found)
