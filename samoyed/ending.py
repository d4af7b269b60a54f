"""How a command ends: its exit code, one line on standard error, and with --json one object on standard output."""

import contextlib
import errno
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, cast

import typer

from samoyed import launch
from samoyed.errors import SamoyedError

_ParserError: type[Exception] = typer.BadParameter.__mro__[2]  # click's, wherever typer keeps it


def carefully(run: Callable[[], Any]) -> NoReturn:
    """Runs a command and ends the process with its exit code, whatever happens."""
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal's encoding lacks
    try:
        code = run()
        if sys.stdout is not None:  # a shell may close it
            sys.stdout.flush()
        sys.exit(_stopped() if code == 130 else code)
    except SamoyedError as error:
        if debug:
            traceback.print_exc()
        if not launch.first() and (error.everywhere or error.exit_code == 2):  # the first of several processes says it
            sys.exit(error.exit_code)
        _fail(str(error), error.exit_code)
    except _ParserError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            _help(cast(Any, error).format_message())
        _fail(_parser_says(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_stopped())
    except BrokenPipeError:
        _nobody_reads()
    except OSError as error:
        if debug:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _fail(f"{error.filename or 'standard output'}: {(error.strerror or str(error)).lower()}", 1)
    except Exception as error:
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error}; run again with --debug and report it", 1, "internal error")


def _fail(text: str, code: int, kind: str = "error") -> NoReturn:
    print(f"{kind}: {text}", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": text}))
    sys.exit(code)


def _help(text: str) -> NoReturn:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _nobody_reads()
    sys.exit(2)


def _nobody_reads() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python's last flush must not complain either
    sys.exit(1)


def _stopped() -> int:
    print("stopped", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": "stopped"}))
    return 130


def _parser_says(error: Any) -> str:
    """What the parser of the command line refuses, in one line, with how it is written here."""
    said = " ".join(error.format_message().split())
    said = said if said[-1:] in (".", "?", "!") else f"{said}."
    option = re.search(r"[Nn]o such option:? '?(--[\w-]+)", said)
    if option:
        name = option[1].lstrip("-")
        value = next((word.partition("=")[2] for word in sys.argv if word.startswith(f"--{name}=")), "") or "VALUE"
        return f"{said} Settings are written {name.replace('-', '_')}={value}, without dashes."
    return f"{said} See samoyed --help." if "--help" not in said else said
