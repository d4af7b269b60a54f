"""Bodies -> examples -> answers -> JSON, for one batch of requests at a time."""

import inspect
import json
import logging
import threading
from collections.abc import Callable, Sequence
from email.message import Message
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from samoyed import received
from samoyed.errors import DataError, SamoyedError, UsageError
from samoyed.run import Run
from samoyed.serving.limits import Limits
from samoyed.serving.replies import Reply, refusal
from samoyed.serving.waiting import Asked
from samoyed.stored import brief

_FILES = "multipart/form-data"
_JSON = ("application/json", "text/json")
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
log = logging.getLogger("samoyed.serving")

Read = tuple[Any, tuple[tuple[str, Any], ...]]  # an example, and the options of its answer


class Answering:
    """Replies to batches of requests with the answers of a run."""

    def __init__(self, run: Run, limits: Limits) -> None:
        self.run, self.limits = run, limits
        self.options = options_of(run)
        self.checks = {name: TypeAdapter(p.annotation) for name, p in self.options.items()}
        self.lock = threading.Lock()  # the model is used by one thread at a time

    def predict(self, asked: Sequence[Asked]) -> list[Reply]:
        """A reply to each: its answer, or what is wrong with it. What is wrong with one changes nothing for the others."""
        replies: list[Reply | None] = [None] * len(asked)
        groups: dict[tuple[tuple[str, Any], ...], list[tuple[int, Any]]] = {}
        for place, one in enumerate(asked):
            try:
                example, options = self.read(one.body, one.kind)
                groups.setdefault(options, []).append((place, example))
            except Exception as error:
                replies[place] = failed(error)
        for options, members in groups.items():
            found = self._together([example for _, example in members], dict(options))
            for (place, _), reply in zip(members, found, strict=True):
                replies[place] = reply
        return [reply or failed(RuntimeError("no reply")) for reply in replies]

    def explain(self, body: bytes, kind: str) -> Reply:
        """What the task says of why one answer is what it is; a clear refusal where it cannot."""
        explain: Callable[..., dict[str, Any]] | None = getattr(self.run.task, "explain", None)
        if explain is None:
            name = self.run.config["task"]
            return refusal(501, f"answers of {name} cannot be explained yet", "ask /predict for the answer alone")
        try:
            example, _ = self.read(body, kind)
            with self.lock, torch.enable_grad():
                return as_reply(explain(self.run.model, example))
        except Exception as error:
            return failed(error)

    def read(self, body: bytes, kind: str) -> Read:
        """What was sent, as an example and the options of its answer. Raises DataError."""
        task = self.run.task
        media = kind.partition(";")[0].strip().lower()
        if media == _FILES:
            fields = _parts(body, kind)
            data = fields.pop("file", None)
            options = _json(fields["options"]) if "options" in fields else {}
            if data is None:
                raise DataError("has no part called file", where="request", remedy="send -F file=@NAME")
            return received.of_bytes(task, data), self._options(options)
        if media in _JSON or not media:
            value = _json(body)
            options = value.pop("options", {}) if isinstance(value, dict) else {}
            return received.of_json(task, value), self._options(options)
        return received.of_bytes(task, body, "request"), ()

    def _together(self, examples: list[Any], options: dict[str, Any]) -> list[Reply]:
        try:
            with self.lock, torch.inference_mode():
                return [as_reply(a) for a in self.run.task.answers(self.run.model, examples, **options)]
        except Exception as error:
            if len(examples) == 1:
                wrong = bool(options) and type(error) is ValueError  # an option that is out of its range
                return [refusal(422, str(error)) if wrong else failed(error)]
        return [reply for example in examples for reply in self._together([example], options)]

    def _options(self, given: Any) -> tuple[tuple[str, Any], ...]:
        if not isinstance(given, dict):
            raise DataError("options are not a JSON object", where="request")
        checked = {}
        for name, value in given.items():
            if name not in self.options:
                known = f"they are {', '.join(self.options)}" if self.options else "this task has none"
                raise DataError(f"there is no option called {name[:60]!r}", where="request", remedy=known)
            try:
                checked[name] = self.checks[name].validate_python(value, strict=False)
            except ValidationError as error:
                raise DataError(f"option {name!r}: {brief(error)}", where="request") from error
            most = self.limits.most_option
            if isinstance(checked[name], int) and name != "seed" and not 0 <= checked[name] <= most:
                raise DataError(f"option {name!r} is not from 0 to {most:,}", where="request")
        return tuple(sorted(checked.items()))


def options_of(run: Run) -> dict[str, inspect.Parameter]:
    """What may be set for one answer: the parameters of the task's `answer` beyond the model and the example."""
    return dict(list(inspect.signature(run.task.answer).parameters.items())[2:])


def as_reply(answer: dict[str, Any]) -> Reply:
    """An answer with status 200."""
    return Reply(200, _WRITER.encode(answer).encode("utf-8", "backslashreplace"))


def failed(error: Exception) -> Reply:
    """What went wrong, without a trace: 400 or 422 for what was sent, 500 for what is ours, which is logged."""
    if isinstance(error, SamoyedError):
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
        return refusal(400 if isinstance(error, UsageError) else 422, problem, error.remedy)
    log.error("a request could not be answered: %s: %s", type(error).__name__, error, exc_info=error)
    return refusal(500, "something went wrong here, and was logged", "send the request again, or report it")


def _json(body: bytes) -> Any:
    try:
        return _READER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError as error:
        raise UsageError("is nested too deeply", where="request") from error
    except (ValueError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0][:200]
        raise UsageError(f"is not JSON: {why}", where="request", remedy='send {"...": ...}') from error


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


_READER = json.JSONDecoder(parse_constant=_no_number)


def _parts(body: bytes, kind: str) -> dict[str, bytes]:
    """The parts of a form by name; names of files are not looked at. Raises UsageError."""
    from python_multipart import FormParser
    from python_multipart.exceptions import FormParserError

    header = Message()
    header["content-type"] = kind
    boundary = str(header.get_param("boundary") or "")
    found: dict[str, bytes] = {}

    def keep(part: Any) -> None:
        name = (part.field_name or b"").decode("utf-8", "replace")
        if hasattr(part, "file_object"):
            part.file_object.seek(0)
            found[name] = part.file_object.read()
        else:
            found[name] = part.value or b""

    try:
        config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        parser = FormParser("multipart/form-data", keep, keep, boundary=boundary, config=config)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError, TypeError) as error:
        raise UsageError("the form cannot be read", where="request", remedy="send multipart/form-data") from error
    return found
