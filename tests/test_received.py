"""What is sent becomes the example that the task itself would read, for every task there is."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from samoyed import catalog, received, samples
from samoyed.errors import DataError, UsageError


@pytest.mark.parametrize("name", catalog.tasks())
def test_an_example_of_every_task_can_be_sent(name: str) -> None:
    task = object.__new__(catalog.task(name).load())  # nothing of what training learns is needed
    if task.example in ("Image", "Series"):
        pytest.skip("tests/serving sends them")
    try:
        example = samples.load(task.sample)[0][0]
    except UsageError as error:
        pytest.skip(str(error))
    needed = received.fields_of(task)
    assert needed
    sent = {field: _plain(getattr(example, field)) for field in needed}
    found = received.of_json(task, sent)
    assert type(found) is type(example)
    assert all(np.array_equal(getattr(found, field), getattr(example, field)) for field in needed)
    assert found.origin == "request"
    for wrong in ({}, {"nothing": 1}, {**sent, "path": "/etc/passwd"}, 3, None, [[[]]]):
        with pytest.raises(DataError):
            received.of_json(task, wrong)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return None
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value
