"""Overload, slow, giant, malformed and foreign requests (V2 to V6)."""

import resource
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from samoyed.errors import UsageError
from samoyed.run import Run
from samoyed.serving import server

GIVEN = {"pixels": [[0] * 8] * 8}


@pytest.fixture
def slow(run_of: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch) -> tuple[Run, list[int]]:
    """A run whose batches take 0.1 s each, and the sizes of the batches it computed."""
    run, sizes = run_of("image-classification"), []
    answers = type(run.task).answers

    def slowly(task: Any, model: Any, examples: Any, **options: Any) -> Any:
        sizes.append(len(examples))
        time.sleep(0.1)
        return answers(task, model, examples, **options)

    monkeypatch.setattr(type(run.task), "answers", slowly)
    return run, sizes


def test_overload_is_refused_at_once(slow: Any, serving: Any, promise: Any, times: Any) -> None:
    run, _ = slow
    tried = times(200, 1000)
    with serving(run, waiting=8, together=4) as served, ThreadPoolExecutor(48) as clients:

        def ask(i: int) -> tuple[int, float]:
            began = time.monotonic()
            status = served.client.post("/predict", json=GIVEN).status_code
            return status, time.monotonic() - began

        found = list(clients.map(ask, range(tried)))
    refused = [taken for status, taken in found if status == 503]
    assert {status for status, _ in found} == {200, 503}
    assert np.median(refused) < np.median([taken for status, taken in found if status == 200])
    worked = sum(status == 200 for status, _ in found)
    late = sum(status == 200 and taken > 2.0 for status, taken in found)
    promise(
        "V2",
        "overload is refused; what is taken is answered",
        len(found),
        len(found) - worked - len(refused) + late,
        "requests",
    )


def test_what_expired_is_never_computed(slow: Any, serving: Any) -> None:
    run, sizes = slow
    with serving(run, deadline=0.25, together=1, waiting=100) as served, ThreadPoolExecutor(12) as clients:
        served.queue.pace = 0.0
        statuses = list(clients.map(lambda i: served.client.post("/predict", json=GIVEN).status_code, range(12)))
        time.sleep(0.3)
        assert statuses.count(504) + statuses.count(503) >= 8
        assert len(sizes) <= 4
        assert served.queue.waiting == 0
        assert served.client.get("/health").status_code == 200


def test_who_has_gone_costs_no_computation(slow: Any, serving: Any) -> None:
    run, sizes = slow
    body = b'{"pixels": [[0]]}'
    asked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(run, together=1) as served:
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", served.port)) as connection:
                connection.sendall(asked)
        assert served.client.post("/predict", json=GIVEN).status_code == 200
        assert served.queue.expired >= 5
        assert len(sizes) <= 4


def test_a_body_in_pieces_is_put_together(run_of: Callable[[str], Run], serving: Any) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(run_of("image-classification")) as served:
        whole = served.raw(head + b'11\r\n{"pixels": [[0]]}\r\n0\r\n\r\n')
        assert whole.startswith(b"HTTP/1.1 200")
        pieces = [head, b'b\r\n{"pixels": \r\n', b"6\r\n[[0]]}\r\n", b"0\r\n\r\n"]
        assert served.raw(*pieces, pause=0.05) == whole


def test_malformed_requests_are_refused(run_of: Callable[[str], Run], serving: Any, promise: Any, times: Any) -> None:
    draw = np.random.default_rng(0)
    good = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n"
        + b'{"pixels": [[0]]}'
    )
    fixed = [
        b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    ]  # fmt: skip
    wrong = tried = 0
    with serving(run_of("image-classification"), header_time=0.5, body_time=0.5) as served:
        for i in range(times(60, 600)):
            data = bytearray(good)
            for _ in range(draw.integers(1, 6)):
                data[draw.integers(len(data))] = draw.integers(256)
            fixed += [bytes(data)] if i % 3 else [bytes(data[: draw.integers(len(data))])]
        with ThreadPoolExecutor(32) as clients:
            for said in clients.map(lambda data: served.raw(data, patience=5), fixed):
                tried += 1
                wrong += said.startswith(b"HTTP/1.1 5")
        assert served.raw(good).startswith(b"HTTP/1.1 200")
    promise("V3", "malformed requests are refused, and nothing falls over", tried, wrong, "requests")


def test_slow_requests_are_cut(run_of: Callable[[str], Run], serving: Any) -> None:
    with serving(run_of("image-classification"), header_time=0.3, body_time=0.4) as served:
        began = time.monotonic()
        assert served.raw(b"GET /health HT", patience=5).startswith(b"HTTP/1.1 408")
        assert served.raw(b"", patience=5).startswith(b"HTTP/1.1 408")
        drip = [b"GET /health HTTP/1.1\r\nHost: localhost\r\n", *[b"a: b\r\n"] * 8]
        said = served.raw(*drip, pause=0.1, patience=5)
        assert said == b"" or said.startswith(b"HTTP/1.1 408")  # who still writes may not see it
        body = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        assert served.raw(body, patience=5).startswith(b"HTTP/1.1 408")
        second = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert b"HTTP/1.1 408" in served.raw(second, b"GET /hea", pause=0.1, patience=5)
        assert time.monotonic() - began < 5


def test_giant_requests_are_refused(run_of: Callable[[str], Run], serving: Any, promise: Any) -> None:
    with serving(run_of("image-classification"), body=100_000) as served:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        giant = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n"
        said = [served.raw(giant, *[bytes(2**20)] * 64, patience=5)]
        chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
        chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        said.append(served.raw(chunked, *[chunk] * 64, patience=5))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        headers = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(
            b"x-%d: %s\r\n" % (i, b"y" * 90) for i in range(1000)
        )
        large = served.raw(headers + b"\r\n", patience=5)
        assert large == b"" or large.startswith(b"HTTP/1.1 431")
        assert grown < 64, f"{grown:.0f} MB"
        refused = served.client.post("/predict", content=bytes(100_001))
        assert refused.status_code == 413
    wrong = sum(not (answer == b"" or answer.startswith(b"HTTP/1.1 413")) for answer in said)
    promise("V5", "giant bodies are refused with less than 64 MB", len(said), wrong, "bodies")


def test_nobody_gets_in(run_of: Callable[[str], Run], serving: Any, promise: Any) -> None:
    token, tried, wrong = "a-token-of-some-length", 0, 0
    paths = ("/describe", "/predict", "/explain", "/load", "/openapi.json")
    foreign = [
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"host": "localhost.evil.example:80"},
        {"host": ""},
    ]
    run = run_of("image-classification")
    with serving(run) as served:
        for path in (*paths, "/health"):
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
                for headers in foreign:
                    tried += 1
                    wrong += served.client.request(method, path, headers=headers).status_code != 403
        assert served.client.get("/describe", headers={"origin": served.url}).status_code == 200
    with serving(run, token) as served:
        for path in paths:
            for given in ("", "Bearer", "Bearer x", f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}"):
                tried += 1
                wrong += served.client.get(path, headers={"authorization": given}).status_code != 401
        assert served.client.get("/").status_code == 200
        allowed = {"authorization": f"Bearer {token}"}
        assert served.client.get("/describe", headers=allowed).status_code == 200
        assert served.client.post("/predict", json=GIVEN, headers=allowed).status_code == 200
    promise("V6", "nobody gets in from another site or without the token", tried, wrong, "requests")


@pytest.mark.parametrize(
    ("host", "token"), [("0.0.0.0", None), ("::", None), ("192.168.1.2", None), ("127.0.0.1", "short")]
)
def test_a_server_is_not_opened_to_others_by_accident(host: str, token: str | None) -> None:
    with pytest.raises(UsageError):
        server.check_access(host, token)


def test_what_is_in_flight_is_finished(slow: Any, serving: Any) -> None:
    run, _ = slow
    found: list[int] = []
    with serving(run) as served:
        client = threading.Thread(target=lambda: found.append(served.client.post("/predict", json=GIVEN).status_code))
        client.start()
        time.sleep(0.05)
        served.server.should_exit = True
        client.join()
    assert found == [200]


def test_small_pieces_are_sent_at_once(run_of: Callable[[str], Run], serving: Any) -> None:
    """An answer's head and body are two pieces; held back, the second would wait 40 ms for the client's acknowledgement."""
    with serving(run_of("text-generation")) as served:
        served.client.get("/health")
        connections = list(served.server.server_state.connections)
        assert connections
        for connection in connections:
            taken = connection.transport.get_extra_info("socket")
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
