"""The board behind a socket of this machine. Other machines reach it through a tunnel only."""

from collections.abc import Callable
from pathlib import Path

from samoyed.listing import runs_folder
from samoyed.serving.limits import Limits
from samoyed.serving.server import address, listen, needed, run, server_of

HOST = "127.0.0.1"
LIMITS = Limits(body=2**16, connections=200)


def begin(root: Path, port: int, say: Callable[[str], None]) -> None:
    """Shows the runs below `root` until SIGTERM or Ctrl-C. Raises UsageError and DataError before it begins."""
    runs_folder(root)
    needed()
    from samoyed.board.app import application

    app = application(root)
    with listen(HOST, port) as bound:
        url = address(bound)
        say(f"showing  the runs in {root}")
        say(f"page     {url}/")
        say(f"far off  ssh -L {bound.getsockname()[1]}:{url.removeprefix('http://')} THIS-MACHINE")
        say("end      Ctrl-C")
        run(server_of(app, HOST, None, LIMITS), bound)
