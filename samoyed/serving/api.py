"""The paths of a served run. Every answer is JSON; every error is {error, remedy}."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from starlette.exceptions import HTTPException as StarletteException
from starlette.responses import StreamingResponse

import samoyed
from samoyed import received
from samoyed.run import Run
from samoyed.serving.answering import Answering
from samoyed.serving.direct import CROWDED, PATH, Direct, Gone
from samoyed.serving.guard import Cut
from samoyed.serving.limits import Limits
from samoyed.serving.replies import Reply, refusal
from samoyed.serving.streaming import Streaming
from samoyed.serving.waiting import Queue

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/files.js": ("files.js", "text/javascript; charset=utf-8"),
    "/pictures.js": ("pictures.js", "text/javascript; charset=utf-8"),
    "/answers.js": ("answers.js", "text/javascript; charset=utf-8"),
    "/sounds.js": ("sounds.js", "text/javascript; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
_JSON = "application/json"


def application(run: Run, limits: Limits | None = None) -> tuple[Direct, Queue]:
    """The API of a run, and the queue behind it."""
    limits = limits or Limits()
    answering = Answering(run, limits)
    queue = Queue(answering.predict, limits)
    app = _begun(run, queue)
    direct = Direct(app, queue, limits)
    facts = describe(run, answering, limits)
    _add_questions(app, run, facts, answering, direct, Streaming(answering, limits.streams))
    _add_facts(app, facts, queue)
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _file(name, kind), methods=["GET"], include_in_schema=False)
    _add_errors(app)
    return direct, queue


def _begun(run: Run, queue: Queue) -> FastAPI:
    """An application without paths, whose queue works as long as it lives."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        queue.start()
        yield
        await queue.stop()

    about = f"A {run.config['model']} trained for {run.config['task']}. Errors are {{error, remedy}}."
    return FastAPI(
        title=f"Samoyed: {run.config['task']}", description=about, version=samoyed.__version__, lifespan=life,
        docs_url=None, redoc_url=None,  # their pages would load scripts from other hosts
    )  # fmt: skip


def _add_questions(
    app: FastAPI, run: Run, facts: dict[str, Any], answering: Answering, direct: Direct, streaming: Streaming
) -> None:
    """What is asked about one example."""
    told: dict[str, Any] = {"openapi_extra": _body(run, facts), "responses": _errors()}

    # described here; what a server is asked is answered by Direct, ahead of the routes
    @app.post(PATH, summary="The answer to one example", **told)
    async def predict(request: Request) -> Response:
        try:
            return _response(await direct.answer(request.receive, request.headers.get("content-type", "")))
        except Gone:
            return Response(status_code=400)

    @app.post("/explain", summary="Why one example is answered so", **told)
    async def explain(request: Request) -> Response:
        if getattr(run.task, "explain", None) is None:
            return _response(answering.explain(b"", ""))
        if direct.queue.full:
            return _response(CROWDED)
        body = await request.body()
        return _response(await asyncio.to_thread(answering.explain, body, request.headers.get("content-type", "")))

    @app.post("/stream", summary="The text of an answer, piece by piece, as server-sent events", **told)
    async def stream(request: Request) -> Response:
        body = await request.body() if streaming.can else b""
        begun = await asyncio.to_thread(streaming.begin, body, request.headers.get("content-type", ""))
        if isinstance(begun, Reply):
            return _response(begun)
        return StreamingResponse(begun, media_type="text/event-stream")


def _add_facts(app: FastAPI, facts: dict[str, Any], queue: Queue) -> None:
    """What is served, and how the server does."""

    @app.get("/describe", summary="What is served: task, model, what to send, how well it does")
    async def tell() -> dict[str, Any]:
        return facts

    @app.get("/health", summary="Whether the server works")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/load", summary="How much waits, and how much was computed and expired")
    async def load() -> dict[str, Any]:
        names = ("waiting", "computed", "expired", "batches")
        return {name: getattr(queue, name) for name in names} | {"seconds_per_example": queue.pace}


def _add_errors(app: FastAPI) -> None:
    """Every error as {error, remedy}."""

    @app.exception_handler(StarletteException)
    async def plainly(request: Request, error: HTTPException) -> Response:
        known = "there are POST /predict, /explain and /stream, GET /describe, /health, /load, /openapi.json"
        return _response(refusal(error.status_code, str(error.detail).lower(), known))

    @app.exception_handler(Cut)
    async def cut(request: Request, error: Cut) -> Response:
        reply = refusal(error.status, error.problem, error.remedy)
        return Response(reply.body, reply.status, {"connection": "close"}, _JSON)  # what is still sent is not read

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _response(refusal(422, "the request is not as described", "see /openapi.json"))

    @app.exception_handler(500)
    async def internal(request: Request, error: Exception) -> Response:
        return _response(
            refusal(500, "something went wrong here, and was logged", "send the request again, or report it")
        )


def describe(run: Run, answering: Answering, limits: Limits) -> dict[str, Any]:
    """What the page and programs need to know of a run; nothing about where it lies or what it was trained on."""
    task, config = run.task, run.config
    return {
        "task": config["task"],
        "model": config["model"],
        "example": task.example,
        "send": received.example_of(task),
        "fields": {name: str(getattr(hint, "__name__", hint)) for name, hint in received.fields_of(task).items()},
        "options": {name: p.default for name, p in answering.options.items()},
        "classes": list(getattr(task, "classes", [])),
        "sizes": {name: value for name, value in task.sizes().items() if isinstance(value, int | tuple)},
        "dark": _dark(run),
        "explains": hasattr(task, "explain"),
        "streams": hasattr(task, "stream"),
        "metrics": run.metrics.get("test", {}),
        "parameters": run.parameters,
        "most_bytes": limits.body,
    }


def _dark(run: Run) -> bool | None:
    """Whether the pictures that were learned from are darker than not, so that one is drawn in light ink; None without pictures."""
    mean = getattr(getattr(run.task, "pixels", None), "mean", None)
    return None if mean is None else sum(mean) / len(mean) < 0.5


def _body(run: Run, facts: dict[str, Any]) -> dict[str, Any]:
    """The request's body for OpenAPI: JSON with the fields of the example, or a file."""
    options = {name: {"default": value} for name, value in facts["options"].items()}
    fields: dict[str, Any] = {name: {"title": kind} for name, kind in facts["fields"].items()}
    whole = {"type": "object", "properties": {**fields, "options": {"type": "object", "properties": options}}}
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
    content = {_JSON: {"schema": {**whole, "required": list(fields)}}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "description": f"Send {facts['send']}.", "content": content}}


def _errors() -> dict[int | str, dict[str, Any]]:
    meanings = {400: "not understood", 401: "no token", 413: "too large", 422: "cannot be used", 503: "too much waits"}
    shape = {"type": "object", "properties": {"error": {"type": "string"}, "remedy": {"type": "string"}}}
    content = {_JSON: {"schema": shape}}
    return {status: {"description": text, "content": content} for status, text in {**meanings, 504: "too late"}.items()}


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, {"retry-after": "1"} if reply.status == 503 else None, _JSON)


def _file(name: str, kind: str) -> Any:
    """Answers with one file of the page, which is read once."""
    data = (resources.files("samoyed.serving") / "page" / name).read_bytes()

    async def give() -> Response:
        return Response(data, media_type=kind)

    return give
