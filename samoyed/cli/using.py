"""Verbs that put a trained run to use: explain, predict, serve, export, generate."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import samoyed
from samoyed.cli.common import Json, RunPath
from samoyed.errors import DataError, UsageError
from samoyed.saying import give, to_stderr

Host = Annotated[str, typer.Option("--host", help="The address to listen at. Others than this machine need a token.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at; 0 takes a free one.")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="SAMOYED_TOKEN", help="What clients must send as Authorization: Bearer TOKEN."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Also write the answer into this file: handwriting as .svg or .png, a tune as .mid, tags as .tsv or .vtt.",
    ),
]
Form = Annotated[str, typer.Option("--form", help="With -: what comes is jsonl, csv, lines, or found out (auto).")]


def from_pipe(run: Any, form: str) -> None:
    """Answers what comes on standard input, and says how many could not be."""
    from samoyed import piping

    asked, failed = piping.predict(run, piping.standard_input(sys.stdin), sys.stdout, form)
    to_stderr(f"{asked - failed:,} answered" + (f", {failed:,} not: see error there" if failed else ""))
    if failed:
        raise typer.Exit(1)


def predict(
    run: RunPath,
    raw: Annotated[
        list[str],
        typer.Argument(
            metavar="RAW...", help="Pictures, a text, a series' file: what the task reads; - for standard input."
        ),
    ],
    form: Form = "auto",
    out: Out = None,
    json_: Json = False,
) -> None:
    """Answer for raw data that has no answer yet."""
    opened = samoyed.load(run)
    if raw == ["-"]:
        from_pipe(opened, form)
        return
    if len(raw) == 1:
        give_answers(opened, run, [opened.predict(raw[0])], out, json_)
        return
    answers = list(said_at_once(opened, raw, json_))
    give_answers(opened, run, answers, out, json_, said=True)
    failed = sum("error" in answer for answer in answers)
    if failed:
        to_stderr(f"{len(raw) - failed:,} answered, {failed:,} not")
        raise typer.Exit(1)


def said_at_once(opened: Any, raw: list[str], as_json: bool) -> Iterator[dict[str, Any]]:
    """The answer to each word, said as soon as it is there, so that what is stopped has said what it found; one that cannot be read or
    answered is named, and the others are answered."""
    from samoyed import piping

    for answer in piping.of_words(opened, raw):
        if "error" in answer:
            error = DataError(answer["error"], where=answer["input"], remedy=answer["remedy"])
            to_stderr(f"error: {error}")
        elif not as_json:
            typer.echo(opened.task.say(answer))
        yield answer


def give_answers(
    opened: Any, run: Path, answers: list[dict[str, Any]], out: Path | None, as_json: bool, said: bool = False
) -> None:
    """Prints answers, if they are not `said` already, and writes them if a file is named: several into name-1, name-2 and so on."""
    found: dict[str, Any] = {"run": str(run), "answers": answers}
    if out is not None:
        found["written"] = [str(path) for path in opened.write_all(answers, out)]
    good = [answer for answer in answers if "error" not in answer]
    lines = [] if said else [opened.task.say(answer) for answer in good]
    verified = getattr(opened.task, "verified", None)
    if verified is not None and len(good) > 1:  # a task that compares says so of each two
        found["pairs"] = verified(good)
        for pair in found["pairs"]:
            alike = "the same" if pair["same"] else "different"
            lines.append(f"{' and '.join(pair['pictures'])}: {alike}  ({pair['likeness']:.2f})")
    lines += [f"written  {path}" for path in found.get("written", [])]
    if lines or as_json:
        give(found, as_json, lambda: "\n".join(lines))


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


def export(
    run: RunPath,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="As an ONNX file, which is the default and the only form.")
    ] = True,
    int8: Annotated[bool, typer.Option("--int8", help="Also with its matrices in 8 bits.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write into. Default: RUN-onnx.")] = None,
    json_: Json = False,
) -> None:
    """Write a run as a file for other runtimes, with a script that needs nothing of Samoyed."""
    opened = samoyed.load(run)
    from samoyed.exporting.onnx_file import export as write

    folder = out or opened.path.with_name(f"{opened.path.name}-onnx")
    found = write(opened, folder, int8)
    give(found, json_, lambda: "\n".join(f"{name:<16} {value}" for name, value in found.items()))


def explain(
    run: RunPath,
    raw: Annotated[
        str,
        typer.Argument(
            metavar="RAW", help="A picture, a recording, a clip, a text, a series' file: what the task reads."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder to draw into.")] = Path("explained"),
    json_: Json = False,
) -> None:
    """Draw how a run comes to its answer: what layers see or hear, and which pixels, words or moments it rests on."""
    found = samoyed.load(run).explain(raw, out)
    give(found, json_, lambda: f"{found['said']}\ndrawn  {found['page']}")


def generate(
    run: RunPath,
    beginning: Annotated[str, typer.Argument(help="What to write on from, or to write by hand.")] = "",
    length: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Tokens to write, by default 400; points, at most 600.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0 takes the likeliest; 1 the network's own distribution; default 0.8.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Only the k likeliest tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only the likeliest tokens that reach this share.")
    ] = None,
    bias: Annotated[
        float | None, typer.Option(min=0, max=100, help="Of handwriting: more is neater; default 0.5.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the draws.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Print each piece as soon as it is found.")] = False,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Write on from a beginning with a text-generation run, or write a text by hand with a handwriting-synthesis run.

    With --stream a translation run says its answer too, piece by piece.
    """
    opened = samoyed.load(run)
    said = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "bias": bias, "seed": seed}
    given = {name: value for name, value in said.items() if value is not None}
    if stream:
        if out is not None or json_:
            raise UsageError("--stream prints pieces alone", remedy="leave out --out and --json")
        print_pieces(opened, beginning, given)
        return
    answer = opened.generate(beginning, **{**opened.task.generates, **given})
    give_answers(opened, run, [answer], out, json_)


def print_pieces(opened: Any, beginning: str, given: dict[str, Any]) -> None:
    """Prints what is written as it comes: after the beginning, where it goes on from that."""
    if opened.task.generates:
        given = {**opened.task.generates, **given}
    else:  # a search is the same each time
        given.pop("seed", None)
    pieces = opened.stream(beginning, **given)
    typer.echo(beginning if opened.task.generates else "", nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
        sys.stdout.flush()
    typer.echo()


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command(epilog="**Example**\n\nsamoyed explain runs/image-classification/1 dog.png --out explained/")(explain)
    app.command(
        epilog="**Examples**\n\nsamoyed predict runs/image-classification/1 dog.png cat.png\n\n"
        "samoyed predict RUN - < lines.jsonl > answers.jsonl    (or a CSV, or a text or path per line)"
    )(predict)
    app.command(
        epilog="**Examples**\n\nsamoyed serve runs/image-classification/1\n\n"
        "curl -F file=@dog.png http://127.0.0.1:8000/predict"
    )(serve)
    app.command(epilog="**Example**\n\nsamoyed export runs/image-classification/1 --onnx --int8")(export)
    app.command(
        epilog='**Examples**\n\nsamoyed generate runs/text-generation/1 "To be" --length 400 --temperature 0.7\n\n'
        'samoyed generate runs/translation/1 "A man is riding a horse." --stream\n\n'
        'samoyed generate runs/handwriting-synthesis/1 "samoyed" --bias 1 --out samoyed.svg'
    )(generate)
