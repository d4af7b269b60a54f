"""What processes of one machine hold together, with threads in their place, which have the same ways to each other's files."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samoyed import crew as crews
from samoyed import spool
from samoyed.crew import Crew, Track
from samoyed.errors import DataError, UsageError


def arrays(count: int) -> list[np.ndarray | str]:
    draw = np.random.default_rng(0)
    made: list[np.ndarray | str] = [draw.integers(0, 256, (2 + i % 3, 4, 3), dtype=np.uint8) for i in range(count)]
    return ["empty file" if i in (0, 3) else array for i, array in enumerate(made)]


def crew(size: int, work: Callable[[Crew, int], Any], here: Callable[[int], list[int]] | None = None) -> list[Any]:
    """What `work(crew, rank)` gives in each of `size` threads that wait for each other and say JSON; here(rank) share files."""
    waiting, said = threading.Barrier(size, timeout=20), [None] * size

    def one(rank: int) -> Any:
        def agree(act: Callable[[], Any]) -> list[Any]:
            found: Any = None
            try:
                found = {"done": act()}
            except Exception as error:
                found = {"failed": str(error)}
            said[rank] = json.loads(json.dumps(found))
            waiting.wait()
            letters: list[Any] = list(said)
            waiting.wait()
            failed = [letter["failed"] for letter in letters if "failed" in letter]
            if failed:
                raise UsageError(failed[0])
            return [letter["done"] for letter in letters]

        made = Crew(agree, rank, here(rank) if here else range(size))
        with crews.divided(made):
            return work(made, rank)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))


def same(found: list[Any], expected: list[Any]) -> bool:
    return len(found) == len(expected) and all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("memory", ["1000000", "90", "0"])
@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_each_makes_a_share_and_all_have_all(count: int, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_MEMORY", memory)
    whole, asked = arrays(count), []

    def work(made: Crew, rank: int) -> list[Any]:
        def share(start: int, stop: int) -> Iterator[Any]:
            asked.append((start, stop))
            yield from whole[start:stop]

        return list(made.arrays([str(i) for i in range(count)], share, most=2))

    for found in crew(3, work):
        assert same(found, whole)
        assert not any(array.flags.writeable for array in found if not isinstance(array, str))
    assert sorted(i for start, stop in asked for i in range(start, stop)) == list(range(count))
    assert [p for p in Path(spool.cache_folder()).rglob("*") if p.is_file()] == []


def test_a_share_that_is_too_damaged_is_given_up() -> None:
    drawn: list[int] = []

    def share(start: int, stop: int) -> Iterator[str]:
        for i in range(start, stop):
            drawn.append(i)
            yield "damaged"

    for found in crew(2, lambda made, rank: list(made.arrays([str(i) for i in range(20)], share, most=3))):
        assert found == (["damaged"] * 4 + ["not read"] * 6) * 2
    assert sorted(drawn) == [0, 1, 2, 3, 10, 11, 12, 13]


def number(place: Any, start: int) -> None:
    place[:] = np.arange(start, start + len(place))[:, None]


def test_machines_and_walls_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines of two make everything twice; where processes cannot open each other's files, each makes it for itself."""
    for shared, times in ((True, 2), (False, 4)):
        if not shared:
            monkeypatch.setattr(crews, "_opens", lambda door: False)
        asked: list[int] = []

        def share(start: int, stop: int) -> Iterator[Any]:
            asked.extend(range(start, stop))  # noqa: B023
            return iter(arrays(8)[start:stop])

        def work(made: Crew, rank: int) -> Any:
            found = list(made.arrays([str(i) for i in range(8)], share, most=9))
            rows = crews.filled((4, 2), number)
            counts = np.zeros(5, np.int64)
            start, stop = crews.share(5)
            counts[start:stop] = 1
            return found, rows.tolist(), crews.summed(counts).tolist()

        for found, rows, counts in crew(4, work, lambda rank: [0, 1] if rank < 2 else [2, 3]):
            assert same(found, arrays(8))
            assert rows == [[i, i] for i in range(4)]
            assert counts == [1] * 5
        assert sorted(asked) == sorted(list(range(8)) * times)


@pytest.mark.parametrize("memory", ["1000", "0"])
def test_rows_are_common(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_MEMORY", memory)
    gate = threading.Barrier(2)

    def work(made: Crew, rank: int) -> list[list[int]]:
        rows = crews.filled((5, 3), lambda place, start: place.fill(rank + 1))
        gate.wait()
        if rank == 0:
            rows[4] = 9
        gate.wait()
        return rows.tolist()

    first, second = crew(2, work)
    assert first == second == [[1] * 3, [1] * 3, [2] * 3, [2] * 3, [9] * 3]
    assert crew(2, lambda made, rank: crews.filled((0, 3), lambda place, start: None).shape) == [(0, 3)] * 2


def test_other_data_elsewhere_are_refused() -> None:
    def work(made: Crew, rank: int) -> str:
        with pytest.raises(DataError, match="have not found the same data"):
            list(made.arrays([f"{rank}.png"], lambda start, stop: [], most=1))
        return "refused"

    assert crew(2, work) == ["refused"] * 2


def test_a_share_that_no_disk_holds_is_an_error_in_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    monkeypatch.setenv("SAMOYED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SAMOYED_MEMORY", "0")

    def work(made: Crew, rank: int) -> str:
        with pytest.raises(UsageError, match="cannot be kept in"):
            list(made.arrays(["a", "b", "c", "d"], lambda start, stop: arrays(6)[4:6], most=1))
        return "refused"

    assert crew(2, work) == ["refused"] * 2


def test_how_far_it_is_is_shown() -> None:
    seen: list[tuple[int, str]] = []

    def track(items: Any, total: int, what: str) -> Any:
        seen.append((total, what))
        return items

    shown: Track = track
    made = Crew(lambda work: [work()], 0, [0], shown)
    assert same(list(made.arrays(["0"], lambda start, stop: arrays(2)[1:], most=1)), arrays(2)[1:])
    assert seen == [(1, "reading")]
    assert crews.current() is None
    assert crews.share(7) == (0, 7)
