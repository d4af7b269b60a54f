"""The clients that load a server: what they count, and what they call wrong."""

import json
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from benchmarks import clients, load
from benchmarks.clients import Question, near, percentile


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that answers 1, 2 and 3 with their double, 3 wrongly, and 4 with a refusal, in pieces of a few bytes."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        threading.Thread(target=_accept, args=(bound,), daemon=True).start()
        yield bound.getsockname()[1]


def _accept(bound: socket.socket) -> None:
    while True:
        try:
            connection, _ = bound.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while asked := connection.recv(65536):
            number = json.loads(asked.partition(b"\r\n\r\n")[2])["number"]
            body = json.dumps({"double": 2.0 * number + (number == 3)}).encode()
            status = b"503 Full" if number == 4 else b"200 OK"
            said = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            for start in range(0, len(said), 25):
                connection.sendall(said[start : start + 25])


def asked(*numbers: int) -> list[Question]:
    return [Question({"number": number}, {"double": 2.0 * number}) for number in numbers]


def test_answers_are_counted_and_held_against_the_wanted(server: int) -> None:
    found = clients.load(server, asked(1, 2), 3, 0.2)
    assert found.answered > 3
    assert (found.wrong, found.others) == (0, 0)
    assert 0 < found.p50 <= found.p99 < 1000
    assert found.per_second == pytest.approx(found.answered / 0.2, rel=0.5)
    wrong = clients.load(server, asked(3), 2, 0.1)
    assert wrong.wrong == wrong.answered > 0
    assert clients.load(server, asked(3), 2, 0.1, check=False).wrong == 0
    refused = clients.load(server, asked(1, 4), 2, 0.2)
    assert refused.others > 0
    assert refused.refused_p99 > 0
    assert refused.wrong == 0


def test_a_server_that_hangs_up_is_no_slow_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        threading.Thread(target=lambda: bound.accept()[0].close(), daemon=True).start()
        with pytest.raises(ConnectionError):
            clients.load(bound.getsockname()[1], asked(1), 1, 5.0)


def test_numbers_may_differ_by_a_millionth_and_by_their_last_place() -> None:
    assert near({"probs": {"a": 0.5}}, {"probs": {"a": 0.5000009}})
    assert not near({"probs": {"a": 0.5}}, {"probs": {"a": 0.500002}})
    assert near({"loss": 1000.0005}, {"loss": 1000.0})
    assert near({"next": {"a": 0.123456}}, {"next": {"a": 0.123457}})
    assert near([{"log_prob": -3.1416}], [{"log_prob": -3.1417}])
    assert not near([{"log_prob": -3.1416}], [{"log_prob": -3.1418}])
    for found, wanted in (
        ({"text": "a"}, {"text": "b"}),
        ([1], [1, 2]),
        ({}, {"a": 1.0}),
        ({"a": None}, {"a": 1.0}),
        (3, [3]),
    ):
        assert not near(found, wanted)


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 50) == 2.0
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile([7.0], 99) == 7.0


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="there is no /proc")
def test_processor_time_is_that_of_a_whole_group() -> None:
    assert os.getpid() in load.group(os.getpgrp())
    assert load.group(2**30) == [2**30]
    before = load.used([os.getpid()])
    while load.used([os.getpid()]) - before < 0.03:
        sum(range(10_000))
    assert load.used([2**30]) == 0.0
