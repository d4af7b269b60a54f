"""The socket, the signals and the end: requests in flight are finished after SIGTERM or Ctrl-C."""

import contextlib
import gc
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samoyed.errors import RunError, UsageError, shown
from samoyed.serving.limits import Limits

if TYPE_CHECKING:
    import uvicorn

LEAST_TOKEN = 16
_SWITCH = 0.001  # seconds: connections must not wait 5 ms for the thread that computes
_NEEDED = ("fastapi", "uvicorn", "httptools", "python_multipart")


def needed() -> None:
    """Raises UsageError where the packages of the extra are not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed", remedy="pip install 'samoyed[serve]'")


def check_access(host: str, token: str | None) -> None:
    """Raises UsageError where others could reach the server and no token, or a short one, keeps them out."""
    from samoyed.serving.guard import LOOPBACK

    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(
            f"the token is shorter than {LEAST_TOKEN} characters or not plain ASCII",
            remedy="make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    if token is None and host not in LOOPBACK:
        raise UsageError(
            f"--host {shown(host)} lets others reach this server, and there is no token",
            remedy="set --token or SAMOYED_TOKEN, or leave --host at 127.0.0.1",
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError where the port is taken or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{host}:{port} cannot be listened at: {why}", remedy="choose another --port") from error


def address(bound: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(path: Path, host: str, port: int, token: str | None, limits: Limits, say: Callable[[str], None]) -> None:
    """Serves the run at `path` until SIGTERM or Ctrl-C. Raises UsageError and RunError before it begins."""
    needed()
    check_access(host, token)
    import torch

    import samoyed
    from samoyed.serving.api import application

    opened = samoyed.load(path)
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))  # one is for the connections
    app, queue = application(opened, limits)
    with listen(host, port) as bound:
        url = address(bound)
        say(f"serving  {opened.config['task']} ({opened.config['model']}, {opened.parameters:,} parameters)")
        say(f"page     {url}/" + (f"#token={token}" if token is not None and sys.stderr.isatty() else ""))
        allowed = '-H "Authorization: Bearer $SAMOYED_TOKEN" ' if token else ""
        say(f"api      curl {allowed}{url}/describe")
        say("end      Ctrl-C")
        run(server_of(app, host, token, limits, lambda: queue.full), bound)


def server_of(
    app: Any, host: str, token: str | None, limits: Limits, full: Callable[[], bool] = lambda: False
) -> "uvicorn.Server":
    """An ASGI application behind the guard, ready to run at a listening socket. Loads uvicorn."""
    import uvicorn

    from samoyed.serving.guard import Guard
    from samoyed.serving.protocol import protocol

    names = {host, socket.gethostname()} if token is not None else {host}
    config = uvicorn.Config(
        Guard(app, limits, token, names), http=protocol(limits, full), ws="none", access_log=False, log_level="error",
        timeout_keep_alive=30, timeout_graceful_shutdown=round(limits.grace), server_header=False, date_header=False,
        loop="uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
    )  # fmt: skip
    return uvicorn.Server(config)


def run(server: "uvicorn.Server", bound: socket.socket) -> None:
    """Serves at a listening socket until a signal. Raises RunError where the server could not start."""
    sys.setswitchinterval(_SWITCH)
    gc.collect()
    gc.freeze()  # what was loaded stays: to look through its 250,000 objects again would stop every request for 0.14 s
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once everything has ended
        server.run(sockets=[bound])
    if not server.started:
        raise RunError("the server could not start", where=address(bound), remedy="run again with --debug")
