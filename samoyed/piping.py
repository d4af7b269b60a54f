"""Answers for a stream: JSON lines in, JSON lines out; a CSV in, the same CSV with the answers' columns out; or a raw thing a line. And
answers for several words of a command.

Some lines are read, answered together and written before more are read, so that memory does not grow with the stream. What cannot
be answered keeps its line in the output, with the error, and is counted.
"""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

import torch

from samoyed import received
from samoyed.errors import DataError, SamoyedError, UsageError
from samoyed.run import Run

TOGETHER = 64
FORMS = ("auto", "jsonl", "csv", "lines")
_LONGEST = 64 * 2**20  # characters of one line
_FILES = ("path", "file", "filename")

Item = tuple[str, Any]  # where it is, and an example or the error that there is none


def predict(run: Run, given: TextIO, out: TextIO, form: str = "auto") -> tuple[int, int]:
    """Reads `given` to its end and writes an answer per line or row to `out`; returns how many there were and how many failed.

    Raises DataError where the stream is empty or its form cannot be told, UsageError for an unknown form.
    """
    if form not in FORMS:
        raise UsageError(f"there is no form {form!r}", remedy=f"choose one of: {', '.join(FORMS)}")
    lines = _lines(given)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise DataError("holds nothing", where="standard input", remedy="send one JSON value, path or text per line")
    lines = itertools.chain([first], lines)
    form = _form(run, first) if form == "auto" else form
    if form == "csv" and run.task.example == "Series":
        return _one_series(run, "".join(lines), out)
    if form == "csv":
        return _table(run, lines, out)
    read: Callable[[str, str], Any] = _of_json(run) if form == "jsonl" else _of_line(run)
    numbered = ((f"line {n}", line) for n, line in enumerate(lines, 1) if line.strip())
    counts = [0, 0]
    for items in _some(numbered):
        for answer in _answers(run, [(where, _try(read, line, where)) for where, line in items], counts):
            out.write(json.dumps(answer, ensure_ascii=False) + "\n")
        out.flush()
    return counts[0], counts[1]


def of_words(run: Run, words: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The answer to each word as `samoyed predict` takes it, or {error, remedy, input}."""
    for some in _some(words):
        read = [(word, _try(lambda raw, where: run.task.read(raw), word, word)) for word in some]
        yield from _answers(run, read, [0, 0])


def _answers(run: Run, items: list[Item], counts: list[int]) -> list[dict[str, Any]]:
    """An answer, or {error, remedy, input}, for each."""
    counts[0] += len(items)
    good = [example for _, example in items if not isinstance(example, SamoyedError)]
    found: Iterator[Any]
    try:
        with torch.inference_mode():
            found = iter(run.task.answers(run.model, good) if good else [])
    except (SamoyedError, ValueError, RuntimeError):
        found = iter([_alone(run, example) for example in good])
    answers = []
    for where, example in items:
        answer = example if isinstance(example, SamoyedError) else next(found)
        if isinstance(answer, SamoyedError):
            counts[1] += 1
            answer = {"input": answer.where or where, "error": answer.problem, "remedy": answer.remedy}
        answers.append(answer)
    return answers


def _alone(run: Run, example: Any) -> Any:
    try:
        with torch.inference_mode():
            return run.task.answer(run.model, example)
    except SamoyedError as error:
        return error
    except (ValueError, RuntimeError) as error:
        return DataError(f"cannot be answered: {str(error).splitlines()[0]}")


def _table(run: Run, lines: Iterator[str], out: TextIO) -> tuple[int, int]:
    """Rows of a CSV with the answer's plain values as further columns, each named after the answer's field."""
    header_line = next(lines)
    mark = max(",;\t|", key=header_line.count)
    header = next(csv.reader([header_line], delimiter=mark))
    column = _column(run, header)
    if column is None:
        named = ", ".join([*received.fields_of(run.task), *_FILES])
        raise DataError(f"has no column of {named}", where="standard input, line 1", remedy="name the column so")
    at, path = header.index(column), column.lower() in _FILES
    writer, counts = csv.writer(out, delimiter=mark, lineterminator="\n"), [0, 0]
    extra: list[str] = []
    rows = ((f"row {n}", row) for n, row in enumerate(_rows(lines, mark), 1) if row)
    for items in _some(rows):
        read = [(where, _try(_cell(run, at, len(header), path), row, where)) for where, row in items]
        answers = [_flat(answer) for answer in _answers(run, read, counts)]
        if not extra:
            if all("error" in answer for answer in answers):
                first, where = answers[0]["error"], f"standard input, {items[0][0]}"
                raise DataError(f"none of the first {len(answers)} rows can be answered: {first}", where=where)
            extra = [*next(a for a in answers if "error" not in a), "error"]
            writer.writerow([*header, *(f"answer.{name}" if name in header else name for name in extra)])
        for (_, row), answer in zip(items, answers, strict=True):
            writer.writerow([*row, *[""] * (len(header) - len(row)), *(answer.get(name, "") for name in extra)])
        out.flush()
    return counts[0], counts[1]


def _one_series(run: Run, text: str, out: TextIO) -> tuple[int, int]:
    """A table that is one series -> a table of its forecast."""
    example = received.of_bytes(run.task, text.encode(), "standard input")
    with torch.inference_mode():
        answer = run.task.answer(run.model, example)
    columns = {name: value for name, value in answer.items() if isinstance(value, list)}
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return 1, 0


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """What of an answer fits into cells: plain values, and the members of its objects, probs.cat for each."""
    made: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, dict):
            made |= {f"{name}.{key}": part for key, part in sorted(value.items()) if not isinstance(part, dict | list)}
        elif not isinstance(value, list) and name not in ("input", "remedy"):
            made[name] = value
    return made


def _cell(run: Run, at: int, width: int, path: bool) -> Callable[[list[str], str], Any]:
    def read(row: list[str], where: str) -> Any:
        if len(row) != width:
            raise DataError(f"has {len(row)} cells where the header has {width}", where=where)
        return run.task.read(row[at]) if path else received.of_json(run.task, row[at], where)

    return read


def _of_json(run: Run) -> Callable[[str, str], Any]:
    """A line of JSON: the fields of an example, its main field alone, or {"path": ...} of a file."""

    def read(line: str, where: str) -> Any:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"is not JSON: {str(error).splitlines()[0]}", where=where) from error
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _FILES:
            return run.task.read(next(iter(value.values())))
        return received.of_json(run.task, value, where)

    return read


def _of_line(run: Run) -> Callable[[str, str], Any]:
    """A line as it stands: a text, or for other kinds what `samoyed predict` takes as a word, the path of a file."""
    main = next(iter(received.fields_of(run.task).items()))

    def read(line: str, where: str) -> Any:
        plain = line.rstrip("\r\n")
        return received.of_json(run.task, {main[0]: plain}, where) if main[1] is str else run.task.read(plain)

    return read


def _rows(lines: Iterator[str], mark: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=mark)
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", where=f"standard input, line {reader.line_num + 1}") from error


def _form(run: Run, first: str) -> str:
    try:
        json.loads(first)
        return "jsonl"
    except ValueError:
        if first.lstrip()[:1] in ("{", "["):
            return "jsonl"  # and its first line is damaged
    header = next(csv.reader([first], delimiter=max(",;\t|", key=first.count)))
    return "csv" if run.task.example == "Series" or _column(run, header) is not None else "lines"


def _column(run: Run, header: list[str]) -> str | None:
    """The column that holds the examples: a text by the name of its field, or paths."""
    main, kind = next(iter(received.fields_of(run.task).items()))
    names = [name for name in header if name.strip().lower() in (*_FILES, *((main,) if kind is str else ()))]
    return names[0] if names else None


def _try(read: Callable[[Any, str], Any], raw: Any, where: str) -> Any:
    try:
        return read(raw, where)
    except SamoyedError as error:
        return error


def _lines(given: TextIO) -> Iterator[str]:
    number = 0
    try:
        while line := given.readline(_LONGEST + 1):
            number += 1
            if len(line) > _LONGEST:
                raise DataError(f"is longer than {_LONGEST:,} characters", where=f"standard input, line {number}")
            yield line
    except UnicodeDecodeError as error:
        remedy = "send UTF-8, for example through: iconv -f WINDOWS-1252 -t UTF-8"
        raise DataError("is not UTF-8 text", where=f"standard input, line {number + 1}", remedy=remedy) from error


def _some(items: Iterable[Any]) -> Iterator[list[Any]]:
    waiting = iter(items)
    while some := list(itertools.islice(waiting, TOGETHER)):
        yield some


def standard_input(stream: Any) -> TextIO:
    """Standard input as UTF-8, without a byte-order mark and with the line breaks of a CSV kept."""
    return io.TextIOWrapper(stream.buffer, encoding="utf-8-sig", newline="")
