"""What a served run answers: the run's own answers, whatever they are computed with, and clear errors for all that is wrong."""

import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from benchmarks import clients
from benchmarks.clients import Question
from samoyed import samples
from samoyed.run import Run
from samoyed.serving.api import application


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def near(found: Any, wanted: Any) -> bool:
    """Whether two answers are the same up to 1e-6 of their numbers, leaving out where they came from."""
    if isinstance(wanted, dict):
        return set(found) == set(wanted) and all(near(found[k], wanted[k]) for k in wanted if k != "input")
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(near(f, w) for f, w in zip(found, wanted, strict=True))
    return found == (pytest.approx(wanted, rel=1e-6, abs=1e-6) if isinstance(wanted, float) else wanted)


def test_pictures_are_answered_however_they_are_sent(run_of: Callable[[str], Run], serving: Any) -> None:
    run = run_of("image-classification")
    image = samples.load("digits")[0][5]
    wanted = run.predict(image)
    with serving(run) as served:
        sent = [
            served.client.post("/predict", files={"file": ("../../etc/passwd", png(image.pixels))}),
            served.client.post("/predict", content=png(image.pixels), headers={"content-type": "image/png"}),
            served.client.post("/predict", json={"pixels": image.pixels[:, :, 0].tolist()}),
        ]
        for response in sent:
            assert response.status_code == 200, response.text
            assert near(response.json(), wanted)


def test_texts_and_series_are_answered(run_of: Callable[[str], Run], serving: Any) -> None:
    run = run_of("text-generation")
    with serving(run) as served:
        asked = {"text": "abc", "options": {"length": 30, "temperature": 0.5, "seed": 3}}
        found = served.client.post("/predict", json=asked).json()
        assert found == run.generate("abc", length=30, temperature=0.5, seed=3)
        assert served.client.post("/predict", content=b"abc", headers={"content-type": "text/plain"}).status_code == 200
        for options in ({"length": 10**7}, {"lenght": 3}, {"length": -1}, {"top_p": 7}, {"temperature": "hot"}, 3):
            refused = served.client.post("/predict", json={"text": "abc", "options": options})
            assert refused.status_code == 422, refused.text
            assert refused.json()["error"]
    run = run_of("time-series-forecasting")
    series = samples.load("airline_passengers")[0][0]
    table = "month,passengers\n" + "\n".join(
        f"{t},{v:g}" for t, v in zip(series.times, series.values[:, 0], strict=True)
    )
    with serving(run) as served:
        found = served.client.post("/predict", content=table, headers={"content-type": "text/csv"}).json()
        assert near(found, run.predict(series))
        bare = served.client.post("/predict", json={"values": series.values[:, 0].tolist()}).json()
        assert bare["forecast"] == pytest.approx(found["forecast"])
        assert served.client.post("/predict", json={"values": [1, 2]}).status_code == 422


@pytest.mark.parametrize("task", ["image-classification", "text-generation"])
def test_256_clients_get_what_one_gets(
    task: str, run_of: Callable[[str], Run], serving: Any, promise: Any, times: Any
) -> None:
    """Each over a connection of its own, for a second; texts are drawn with one seed, and begin at many lengths."""
    run = run_of(task)
    if task == "image-classification":
        images = samples.load("digits")[0][:200]
        asked = [
            Question({"pixels": i.pixels[:, :, 0].tolist()}, run.predict(i) | {"input": "request"}) for i in images
        ]
    else:
        options = {"length": 20, "temperature": 0.5, "seed": 3}
        texts = ["abcdefgh"[i % 7 :] + "ab" * (i % 5) for i in range(60)]
        asked = [Question({"text": t, "options": options}, run.generate(t, **options)) for t in texts]
    with serving(run) as served:
        found = clients.load(served.port, asked, 256, times(1, 20))
        load = served.client.get("/load").json()
    assert load["computed"] == found.answered >= 256
    assert load["batches"] < found.answered / 4, "little was computed together"
    assert found.others == 0
    promise(
        "V1",
        "the server answers under load as the run does alone, to 1e-6",
        found.answered,
        found.wrong,
        "answers to 256 clients",
    )


def test_the_described_route_answers_as_the_direct_path_does(run_of: Callable[[str], Run]) -> None:
    """POST /predict is answered ahead of the routes; the route that the description is made from gives the same."""
    direct, queue = application(run_of("image-classification"))
    bodies = [b'{"pixels": [[0, 255], [3, 4]]}', b"{", b'{"pixels": "x"}', b"[" * 100_000, b""]

    async def said(app: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            reply = await client.post("/predict", content=body, headers={"content-type": "application/json"})
            return reply.status_code, dict(reply.headers), reply.content

    async def both() -> None:
        queue.start()
        for body in bodies:
            first = await said(direct, body)
            assert first == await said(direct.app, body)
            assert first[0] == (
                200 if body is bodies[0] else 400 if body[:1] in (b"{", b"[", b"") and body != bodies[2] else 422
            )
        queue.waiting = 10**6
        assert (full := await said(direct, bodies[0])) == await said(direct.app, bodies[0])
        assert (full[0], full[1]["retry-after"]) == (503, "1")
        queue.waiting = 0
        await queue.stop()

    asyncio.run(both())
    assert "/predict" in direct.app.openapi()["paths"]


def test_one_bad_request_spoils_nothing_for_its_company(run_of: Callable[[str], Run], serving: Any) -> None:
    run = run_of("time-series-forecasting")
    good = samples.load("airline_passengers")[0][0].values[:, 0].tolist()
    with serving(run, delay=0.2) as served, ThreadPoolExecutor(6) as clients:
        asked = [good, [1.0], good, [-1.0] * 60, good]
        statuses = list(clients.map(lambda v: served.client.post("/predict", json={"values": v}).status_code, asked))
    assert statuses == [200, 422, 200, 422, 200]


def test_no_request_opens_a_file(run_of: Callable[[str], Run], serving: Any, tmp_path: Any) -> None:
    """Every file that is opened while requests name files in every field: none."""
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret " * 20)
    opened: list[Any] = []
    watching = threading.Event()

    def watch(event: str, given: tuple[Any, ...]) -> None:
        if watching.is_set() and event in ("open", "os.listdir", "os.scandir", "socket.connect", "subprocess.Popen"):
            opened.append((event, given[0]))

    sys.addaudithook(watch)
    names = [str(secret), f"file://{secret}", "../secret.txt", "/etc/passwd"]
    for task in ("image-classification", "text-generation", "time-series-forecasting"):
        run = run_of(task)
        with serving(run) as served:
            served.client.post("/predict", json={"text": "a"})  # whatever is imported late
            served.raw(*requests_naming(names))
            watching.set()
            said = served.raw(*requests_naming(names))
            watching.clear()
            assert said.count(b"HTTP/1.1") == len(names) * 7
            assert b"the secret" not in said.replace(str(secret).encode(), b"")
    clients = [e for e in opened if e[0] != "socket.connect"]
    assert clients == []


def requests_naming(names: list[str]) -> list[bytes]:
    made = []
    for i, name in enumerate(names):
        last = i == len(names) - 1
        bodies: list[Any] = [
            name,
            {"path": name},
            {"text": name},
            {"pixels": name},
            {"values": name},
            {"values": [name]},
        ]
        for j, body in enumerate([*bodies, {"text": "x", "origin": name}]):
            data = json.dumps(body).encode()
            end = b"Connection: close\r\n" if last and j == len(bodies) else b""
            head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            made.append(head.encode() + end + b"\r\n" + data)
    return made


def test_what_is_served_is_described(run_of: Callable[[str], Run], serving: Any) -> None:
    run = run_of("image-classification")
    with serving(run) as served:
        about = served.client.get("/describe").json()
        assert (about["task"], about["model"], about["example"]) == ("image-classification", "lenet", "Image")
        assert about["classes"] == [str(i) for i in range(10)]
        assert str(run.path) not in json.dumps(about)
        paths = served.client.get("/openapi.json").json()["paths"]
        assert {"/predict", "/explain", "/describe", "/health"} <= set(paths)
        assert "multipart/form-data" in paths["/predict"]["post"]["requestBody"]["content"]
        assert served.client.get("/docs").status_code == 404, "its page would load scripts from elsewhere"
        explained = served.client.post("/explain", json={"pixels": [[0]]})
        assert explained.status_code == (200 if hasattr(run.task, "explain") else 501)
        for path in ("/nope", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.css/../../api.py"):
            refused = served.client.get(path)
            assert refused.status_code == 404
            assert set(refused.json()) == {"error", "remedy"}


def test_our_own_failure_is_said_without_a_trace(run_of: Callable[[str], Run], serving: Any, monkeypatch: Any) -> None:
    run = run_of("image-classification")

    def broken(*given: Any, **options: Any) -> None:
        raise ZeroDivisionError("private words")

    monkeypatch.setattr(type(run.task), "answers", broken)
    with serving(run) as served:
        response = served.client.post("/predict", json={"pixels": [[0]]})
        assert response.status_code == 500
        assert "private" not in response.text
        monkeypatch.setattr(served.queue, "ask", broken)
        response = served.client.post("/predict", json={"pixels": [[0]]})
        assert response.status_code == 500
        assert "private" not in response.text
        assert served.client.get("/health").status_code == 200


def test_a_forecast_is_explained(run_of: Callable[[str], Run], serving: Any) -> None:
    """The weights of the past's moments, as the task itself says them."""
    run = run_of("time-series-forecasting")
    values = [100.0 + i % 12 for i in range(run.task.steps_back + 3)]
    with serving(run) as served:
        said = served.client.post("/explain", json={"values": values})
        assert said.status_code == 200, said.text
        found = said.json()
        assert len(found["parts"]) == run.task.steps_back
        assert any(part["weight"] for part in found["parts"])
        assert found["sentence"]
        assert served.client.get("/describe").json()["explains"] is True


def events_of(response: Any) -> list[dict[str, Any]]:
    """The values of server-sent events."""
    return [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]


def test_a_text_is_sent_piece_by_piece(run_of: Callable[[str], Run], serving: Any) -> None:
    run = run_of("text-generation")
    with serving(run) as served:
        assert served.client.get("/describe").json()["streams"] is True
        asked = {"text": "abc", "options": {"length": 30, "temperature": 0.5, "seed": 3}}
        response = served.client.post("/stream", json=asked)
        assert response.headers["content-type"].startswith("text/event-stream")
        events = events_of(response)
        assert events[-1] == {"done": True}
        assert len(events) == 31
        written = "".join(e["text"] for e in events[:-1])
        assert written == run.generate("abc", length=30, temperature=0.5, seed=3)["continuation"]
        for options in ({"length": 10**7}, {"lenght": 3}, {"length": -1}, {"temperature": -2}):
            refused = served.client.post("/stream", json={"text": "abc", "options": options})
            assert refused.status_code in (400, 422), refused.text
            assert refused.json()["error"]
        for _ in range(40):  # clients that go before the end leave no stream open
            with served.client.stream("POST", "/stream", json={**asked, "options": {"length": 2000}}) as begun:
                next(begun.iter_raw())
        assert served.client.post("/stream", json=asked).status_code == 200
        whole = served.client.post("/predict", json=asked).json()
        assert whole["continuation"] == written
    with serving(run_of("time-series-forecasting")) as served:
        assert served.client.post("/stream", json={"values": [1.0, 2.0]}).status_code == 501
