"""One family of errors. Each says what is wrong, where (a file, a line or row), and what to do, in one line.

The shell's exit code follows the class: 2 for a mistake in the command, 1 for everything that is in the data or the run,
130 for an interruption. Python callers catch `SamoyedError`.
"""

import difflib
import importlib.util
from collections.abc import Iterable
from os import PathLike

_LONGEST_NAME = 80
_LONGEST_LINE = 2000


class SamoyedError(Exception):
    """Something the user can mend. `problem`, `where` and `remedy` are kept apart for callers that show them otherwise."""

    exit_code = 1
    everywhere = False  # whether all processes of a training raise it, so that one of them says it

    def __init__(self, problem: str, *, where: str | PathLike[str] | None = None, remedy: str | None = None) -> None:
        self.problem, self.where, self.remedy = problem, None if where is None else str(where), remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return _one_line(f"{text}; {self.remedy}" if self.remedy else text)


class UsageError(SamoyedError):
    """The command or the call is wrong: an unknown name, a setting of the wrong type or range."""

    exit_code = 2


class DataError(SamoyedError):
    """The raw data cannot be used as it is."""


class RunError(SamoyedError):
    """A run directory is damaged, unfinished, or cannot do what is asked."""


class TrainingError(SamoyedError):
    """Training had to stop: a loss or gradient was not finite, or nothing could be learned."""


class Interrupted(SamoyedError):
    """The user stopped the run; what was learned until then is saved."""

    exit_code = 130


def require(module: str, extra: str) -> None:
    """Raises UsageError with the command that installs it where a package of an extra is missing; nothing is imported."""
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"this needs the package {module}, which is missing", remedy=f"pip install 'samoyed[{extra}]'")


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy that suggests the known names nearest to `name`.

    >>> nearest("lennet", ["lenet", "mlp"])
    'did you mean lenet?'
    >>> nearest("zzz", ["lenet", "mlp"])
    'choose one of: lenet, mlp'
    """
    names = sorted(known)
    name = name[:_LONGEST_NAME]  # the comparison's time grows with the square of the length
    close = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=3, cutoff=0.6)
    close = close or difflib.get_close_matches(name.lower().replace("-", "_"), names, n=3, cutoff=0.6)
    alike = {
        k: difflib.SequenceMatcher(None, name.lower().replace("_", "-"), k.replace("_", "-")).ratio() for k in close
    }
    close = [k for k in close if alike[k] > max(alike.values()) - 0.05]  # lenet for lennet, not alexnet too
    close = close or [k for k in names if len(name) > 2 and name.lower() in k][:3]
    return f"did you mean {' or '.join(close)}?" if close else f"choose one of: {', '.join(names)}"


def shown(value: object, most: int = 60) -> str:
    """A value for an error: in one line, and not longer than `most` characters.

    >>> shown("two\\nlines"), shown("x" * 9, most=5)
    ('two\\\\nlines', 'xx...')
    """
    text = _one_line(str(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    """Line breaks, control characters and halves of characters, which names of files may hold, are written as escapes."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )


def _one_line(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."
