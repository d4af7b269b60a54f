"""Tagged clips and intervals of tags: checked, found in probabilities, said, and written as tables and subtitles.

Legend: T frames, K tags.
"""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from samoyed.errors import UsageError, printable, shown
from samoyed.examples import TaggedClip
from samoyed.files import write_text

TABLES = (".tsv", ".csv")
_SUBTITLES = (".vtt", ".srt")


def times_of(example: TaggedClip) -> list[float]:
    """When each frame begins and the last ends."""
    return [float(t) for t in (range(len(example.frames) + 1) if example.times is None else example.times)]


def checked(clip: TaggedClip) -> TaggedClip:
    """The clip itself. Raises UsageError for what is none."""
    frames = clip.frames
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3) or not frames.size:
        raise UsageError(
            f"an array of {frames.dtype} {shown(frames.shape)} is no clip",
            remedy="give uint8 [frames, height, width] or [frames, height, width, 3]",
        )
    if clip.times is not None and len(clip.times) != len(frames) + 1:
        raise UsageError(
            f"{len(clip.times)} moments do not fit {len(frames)} frames", remedy="give one more than there are frames"
        )
    return clip


def intervals(probs: Tensor, times: list[float], tags: list[str]) -> list[dict[str, Any]]:
    """probs [T, K] and times [T + 1] -> runs of frames in which a tag is likelier than not, in the order of time, each with the mean of
    its probabilities."""
    found: list[dict[str, Any]] = []
    for k, tag in enumerate(tags):
        there = [False, *(probs[:, k] >= 0.5).tolist(), False]
        begins = [t for t in range(len(there) - 1) if there[t + 1] and not there[t]]
        ends = [t for t in range(len(there) - 1) if there[t] and not there[t + 1]]
        for begin, end in zip(begins, ends, strict=True):
            mean = round(float(probs[begin:end, k].mean()), 6)
            found.append(
                {"tag": tag, "start": round(times[begin], 3), "end": round(times[end], 3), "probability": mean}
            )
    return sorted(found, key=lambda one: (one["start"], one["end"], one["tag"]))


def said(answer: dict[str, Any]) -> str:
    """A line for each interval, the name of the clip first, so that a search finds both."""
    name = printable(answer["input"])
    if not answer["intervals"]:
        return f"{name}\tno tag"
    return "\n".join(
        f"{name}\t{_span(one, answer['unit'])}\t{printable(one['tag'])}\t{one['probability']:.0%}"
        for one in answer["intervals"]
    )


def written(answers: list[dict[str, Any]], path: Path) -> Path:
    """The intervals as a table (.tsv, .csv) with the columns that training reads, or of one clip as subtitles (.vtt, .srt).

    Raises UsageError for another ending, and for subtitles of what is not timed in seconds.
    """
    kind = path.suffix.lower()
    if kind in TABLES:
        text = io.StringIO()
        table = csv.writer(text, delimiter="\t" if kind == ".tsv" else ",", lineterminator="\n")
        table.writerow(["clip", "start", "end", "tag", "probability"])
        for answer in answers:
            rows = [[one[key] for key in ("start", "end", "tag", "probability")] for one in answer["intervals"]]
            table.writerows([answer["input"], *row] for row in rows or [["", "", "", ""]])
        write_text(path, text.getvalue())
        return path
    if kind not in _SUBTITLES:
        raise UsageError(
            f"intervals are not written as {shown(kind or path.name)}", remedy="name a .tsv, .csv, .vtt or .srt"
        )
    (answer,) = answers
    if answer["unit"] != "seconds":
        raise UsageError(
            f"{answer['input']} says nothing of seconds, which subtitles need",
            remedy="write a .tsv, or give a video file",
        )
    write_text(path, _subtitles(answer["intervals"], kind))
    return path


def _subtitles(found: list[dict[str, Any]], kind: str) -> str:
    comma = "." if kind == ".vtt" else ","
    cues = [
        f"{n}\n{_clock(one['start'], comma)} --> {_clock(one['end'], comma)}\n{printable(one['tag'])}\n"
        for n, one in enumerate(found, 1)
    ]
    return "\n".join((["WEBVTT\n"] if kind == ".vtt" else []) + cues)


def _clock(seconds: float, comma: str) -> str:
    whole = round(1000 * seconds)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{comma}{whole % 1000:03}"


def _span(one: dict[str, Any], unit: str) -> str:
    if unit == "seconds":
        return f"{one['start']:.2f} to {one['end']:.2f} s"
    return f"frames {one['start']:g} to {one['end'] - 1:g}"
