"""The verbs that put a trained run to use: serve, and what stands beside it. cli.py adds them to its own."""

from pathlib import Path
from typing import Annotated

import typer

from samoyed.saying import to_stderr

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/image-classification/1.")]
Host = Annotated[str, typer.Option("--host", help="The address to listen at. Others than this machine need a token.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at; 0 takes a free one.")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="SAMOYED_TOKEN", help="What clients must send as Authorization: Bearer TOKEN."),
]


def serve(
    run: RunPath,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Most examples computed together.")] = 64,
    delay: Annotated[
        float, typer.Option("--delay", min=0, max=1000, help="Milliseconds that the first of a batch waits for others.")
    ] = 0.0,
    waiting: Annotated[
        int, typer.Option("--waiting", min=1, max=100_000, help="Most requests that wait; more are refused at once.")
    ] = 512,
    deadline: Annotated[
        float,
        typer.Option("--deadline", min=0.01, max=3600, help="Seconds after which an answer is no longer computed."),
    ] = 10.0,
    most_bytes: Annotated[
        int, typer.Option("--most-bytes", min=1, max=2**30, help="The largest request that is read.")
    ] = 16 * 2**20,
) -> None:
    """Serve a run: an HTTP API for programs, and a page for people at its address."""
    from samoyed.serving.limits import Limits
    from samoyed.serving.server import serve as begin

    limits = Limits(together=batch, delay=delay / 1000, waiting=waiting, deadline=deadline, body=most_bytes)
    begin(run, host, port, token, limits, to_stderr)


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command(
        epilog="**Examples**\n\nsamoyed serve runs/image-classification/1\n\n"
        "curl -F file=@dog.png http://127.0.0.1:8000/predict"
    )(serve)
