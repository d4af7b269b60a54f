"""The paths of the board. Every answer but the pages is JSON; every error is {error, remedy}."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from starlette.exceptions import HTTPException as StarletteException

import samoyed
from samoyed.board.watching import Watching
from samoyed.errors import SamoyedError
from samoyed.serving.guard import Cut
from samoyed.serving.replies import Reply, refusal

PAGE = {
    "/": ("board", "index.html", "text/html; charset=utf-8"),
    "/board.css": ("board", "board.css", "text/css; charset=utf-8"),
    "/board.js": ("board", "board.js", "text/javascript; charset=utf-8"),
    "/charts.js": ("board", "charts.js", "text/javascript; charset=utf-8"),
    "/page.css": ("serving", "page.css", "text/css; charset=utf-8"),
    "/favicon.svg": ("serving", "favicon.svg", "image/svg+xml"),
}
_HELD = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox",
    "cross-origin-opener-policy": "unsafe-none",  # browsers show no page that is both isolated and sandboxed
}
_MOST = 16  # runs in one comparison


def application(root: Path) -> FastAPI:
    """The board of the runs below `root`. Raises DataError where there is no such folder."""
    watching = Watching(root)
    busy = threading.Lock()  # one comparison at a time: it takes the processor
    pages: dict[str, Path] = {}

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        with TemporaryDirectory(prefix="samoyed-board-") as folder:
            app.state.folder = Path(folder)
            yield

    app = FastAPI(
        title="Samoyed: runs",
        version=samoyed.__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )

    @app.get("/runs.json")
    async def runs() -> dict[str, Any]:
        return {"root": str(root), "runs": await asyncio.to_thread(watching.runs)}

    @app.get("/run.json")
    async def run(name: str, begin: int = 0) -> Response:
        found = await asyncio.to_thread(watching.run, name, max(0, begin))
        return _unknown() if found is None else _json(found)

    @app.get("/report")
    async def report(name: str) -> Response:
        path = await asyncio.to_thread(watching.report, name)
        return _unknown() if path is None else _page(path)

    @app.post("/compare")
    async def compare(request: Request) -> Response:
        try:
            given = await request.json()
            names = given["runs"]
            paths = [watching.folder(name) for name in names]
        except (ValueError, KeyError, TypeError):
            return _response(refusal(400, "this names no runs", 'send {"runs": [...]}'))
        if len(paths) > _MOST:
            return _response(refusal(400, f"more than {_MOST} runs are too many to read", "choose fewer"))
        known = [path for path in paths if path is not None]
        if len(known) < len(paths):
            return _unknown()
        number = str(len(pages) + 1)
        reply = await asyncio.to_thread(_compared, known, app.state.folder / number, busy)
        if isinstance(reply, Reply):
            return _response(reply)
        pages[number] = reply
        return _json({"page": f"compared?number={number}"})

    @app.get("/compared")
    async def compared(number: str) -> Response:
        return _page(pages[number]) if number in pages else _unknown()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    for path, (owner, name, kind) in PAGE.items():
        app.add_api_route(path, _file(owner, name, kind), methods=["GET"])

    @app.exception_handler(StarletteException)
    async def plainly(request: Request, error: HTTPException) -> Response:
        return _response(refusal(error.status_code, str(error.detail).lower(), "open the page at /"))

    @app.exception_handler(Cut)
    async def cut(request: Request, error: Cut) -> Response:
        return _response(refusal(error.status, error.problem, error.remedy))

    return app


def _compared(paths: list[Path], folder: Path, busy: threading.Lock) -> Path | Reply:
    """The page of a comparison, or why there is none."""
    if not busy.acquire(blocking=False):
        return refusal(503, "another comparison is being made", "wait for it")
    try:
        from samoyed.comparing import page, sides

        return page.write(sides.compare(paths), folder)
    except SamoyedError as error:
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
        return refusal(422, problem, error.remedy)
    finally:
        busy.release()


def _json(found: dict[str, Any]) -> Response:
    return Response(json.dumps(found, ensure_ascii=True, allow_nan=False), media_type="application/json")


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type="application/json")


def _unknown() -> Response:
    return _response(refusal(404, "there is no such run here", "see /runs.json"))


def _page(path: Path) -> Response:
    """A page that was written by a training: shown as it is, but nothing in it may run, and it may ask nobody for anything."""
    try:
        return Response(path.read_bytes(), headers=_HELD, media_type="text/html; charset=utf-8")
    except OSError:
        return _unknown()


def _file(owner: str, name: str, kind: str) -> Any:
    """Answers with one file of the page, which is read once."""
    data = (resources.files(f"samoyed.{owner}") / "page" / name).read_bytes()

    async def give() -> Response:
        return Response(data, media_type=kind)

    return give
