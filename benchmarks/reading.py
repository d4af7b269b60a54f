"""What several processes of one machine need to read pictures: time, memory and disk, beside one process.

python -m benchmarks.reading PHOTOS [--pictures N] [--rounds N] [--processes N] [--disk]

Squares of 320 pixels are cut out of the photos in a folder and kept as JPEGs of two classes in a temporary folder, until there are N.
Rounds alternate between one process and several, one thread each, all with an empty cache. Measured is what comes before
the first step: reading, decoding, dividing, learning scales, bringing to size. Memory is the sum over processes of
what the system counts as theirs (PSS: a page that k processes share counts 1/k for each), less what they had before they
began; the largest sum while they work, and what is held for training. With --disk nothing is kept in memory that can be in
files.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scaling import ROOT, free_port

SIDE = 320


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--disk", action="store_true")
    given = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {1: [], given.processes: []}
    with tempfile.TemporaryDirectory() as folder:
        _cut(given.photos, Path(folder), given.pictures)
        print(f"load before: {os.getloadavg()[0]:.2f}", file=sys.stderr)
        for _ in range(given.rounds):
            for size, rounds in found.items():
                rounds.append(_measured(size, Path(folder), given.disk))
        print(f"load after: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    print("| processes | seconds | memory, at most | memory, held | in files |\n| --- | --- | --- | --- | --- |")
    for size, rounds in found.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        sizes = " | ".join(f"{middle[key] / 1e6:,.0f} MB" for key in ("peak", "held", "files"))
        print(f"| {size} | {middle['seconds']:.1f} | {sizes} |")


def _cut(photos: Path, folder: Path, count: int) -> None:
    """Writes JPEGs cut at random places; the same ones each time."""
    from PIL import Image

    files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    draw = random.Random(0)
    for i in range(count):
        with Image.open(files[i % len(files)]) as photo:
            left, top = (draw.randrange(max(1, side - SIDE)) for side in photo.size)
            place = folder / "ab"[i % 2] / f"{i:05}.jpg"
            place.parent.mkdir(exist_ok=True)
            photo.convert("RGB").crop((left, top, left + SIDE, top + SIDE)).save(place, quality=90)


def _measured(size: int, folder: Path, disk: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        shared = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SAMOYED_CACHE": cache}
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(size)}
        shared |= {"SAMOYED_MEMORY": "0"} if disk else {}
        command = [sys.executable, "-c", f"from benchmarks.reading import work; work({str(folder)!r})"]
        workers = [
            subprocess.Popen(
                command, env={**shared, "RANK": str(r), "LOCAL_RANK": str(r)}, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for r in range(size)
        ]  # fmt: skip
        for worker in workers:
            _line(worker)  # ready
        before, peak = _pss(workers), 0.0
        began = time.perf_counter()
        for worker in workers:
            _tell(worker)
        done = 0
        while done < size:
            peak = max(peak, _pss(workers))
            time.sleep(0.05)
            done = sum((Path(cache) / f"done{r}").exists() for r in range(size))
            if any(worker.poll() is not None for worker in workers):
                raise SystemExit("a process failed")
        seconds = max(json.loads(_line(worker)) for worker in workers) - began
        found = {"seconds": seconds, "peak": peak - before, "held": _pss(workers) - before, "files": _files(workers)}
        for worker in workers:
            _tell(worker)
        for worker in workers:
            worker.wait()
        return found


def _line(worker: Any) -> str:
    said: str = worker.stdout.readline()
    if not said:
        raise SystemExit("a process failed")
    return said


def _tell(worker: Any) -> None:
    worker.stdin.write("go\n")
    worker.stdin.flush()


def _pss(workers: list[Any]) -> float:
    """Bytes of memory that the processes have, what they share counted once."""
    texts = [Path(f"/proc/{worker.pid}/smaps_rollup").read_text() for worker in workers]
    return sum(1024.0 * int(found[1]) for text in texts if (found := re.search(r"^Pss: *(\d+)", text, re.M)))


def _files(workers: list[Any]) -> float:
    """Bytes of the files without names, on the disk, that the processes have mapped."""
    sizes: dict[str, int] = {}
    for worker in workers:
        for line in Path(f"/proc/{worker.pid}/maps").read_text().splitlines():
            span, _, _, device, inode, *name = line.split(maxsplit=5)
            if name and "/spool/" in name[0]:
                first, end = (int(one, 16) for one in span.split("-"))
                sizes[f"{device} {inode}"] = end - first
    return float(sum(sizes.values()))


def work(folder: str) -> None:
    """One process of a round."""
    import torch

    from samoyed.plan import make
    from samoyed.reporting.progress import Reporter
    from samoyed.training.prepare import prepare
    from samoyed.training.world import joined

    torch.set_num_threads(1)
    plan = make("image-classification", Path(folder), "linear", None, {})
    prepare(make("image-classification", None, "linear", None, {}), Reporter(quiet=True))  # so that all is imported
    with joined("cpu") as world:
        print("ready", flush=True)
        sys.stdin.readline()
        job = world.together(lambda: prepare(plan, Reporter(quiet=True), world))
        ended = time.perf_counter()
        (Path(os.environ["SAMOYED_CACHE"]) / f"done{world.rank}").touch()
        print(json.dumps(ended), flush=True)
        sys.stdin.readline()
        del job


if __name__ == "__main__":
    main()
