"""Downloads from a server of this machine's own: checked, whole or not there, and fetched once."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest

from samoyed.errors import DataError
from samoyed.samples.downloads import Download, fetch

CONTENT = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves `files`; counts what was asked; breaks a connection off after `broken` bytes, if set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/a.bin": CONTENT}
        self.asked: list[str] = []
        self.broken: int | None = None
        self.says_how_long = True

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.server.says_how_long:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if self.server.broken is None else data[: self.server.broken])

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(timeout=10)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with no proxy between this machine and itself."""
    monkeypatch.setenv("SAMOYED_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(cache: Path) -> list[str]:
    """Every file in the cache, half-written ones included."""
    return sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.is_file())


def silent(line: str) -> None: ...


def test_a_file_is_fetched_once_and_then_needs_no_network(server: Server, cache: Path) -> None:
    files, said = (Download("a.bin", f"{server.root}/a.bin", sha(CONTENT)),), []
    folder = fetch("things", files, said.append)
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert folder.is_relative_to(cache)
    assert said == [f"fetching {server.root}/a.bin"]
    server.shutdown()
    assert fetch("things", files, said.append) == folder
    assert (len(said), server.asked) == (1, ["/a.bin"])
    assert kept(cache) == ["downloads/things/a.bin"]


def test_only_what_is_missing_is_fetched(server: Server, cache: Path) -> None:
    server.files["/b.bin"] = b"second"
    one = Download("a.bin", f"{server.root}/a.bin", sha(CONTENT))
    two = Download("b.bin", f"{server.root}/b.bin", sha(b"second"))
    fetch("things", (one,), silent)
    fetch("things", (one, two), silent)
    assert server.asked == ["/a.bin", "/b.bin"]


def test_a_wrong_checksum_is_refused_and_nothing_is_left(server: Server, cache: Path) -> None:
    with pytest.raises(DataError) as raised:
        fetch("things", (Download("a.bin", f"{server.root}/a.bin", sha(b"other")),), silent)
    assert "what came is not what was published" in str(raised.value)
    assert sha(CONTENT)[:12] in str(raised.value)
    assert str(raised.value).startswith(f"{server.root}/a.bin: ")
    assert kept(cache) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, cache: Path) -> None:
    files = (Download("a.bin", f"{server.root}/a.bin", sha(CONTENT)),)
    folder = fetch("things", files, silent)
    (folder / "a.bin").write_bytes(CONTENT[:-1])
    fetch("things", files, silent)
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("says_how_long", [True, False])
@pytest.mark.parametrize("broken", [0, 1, 5_000])
def test_a_download_that_breaks_off_leaves_nothing_and_starts_again(
    broken: int, says_how_long: bool, server: Server, cache: Path
) -> None:
    files = (Download("a.bin", f"{server.root}/a.bin", sha(CONTENT)),)
    server.broken, server.says_how_long = broken, says_how_long
    with pytest.raises(DataError) as raised:
        fetch("things", files, silent)
    assert "/a.bin" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert kept(cache) == []
    server.broken = None
    assert (fetch("things", files, silent) / "a.bin").read_bytes() == CONTENT


def test_what_is_not_there_is_said_to_be_missing(server: Server, cache: Path) -> None:
    """And the connection is closed: one left open is a ResourceWarning whenever the error happens to be collected."""
    with pytest.raises(DataError) as raised:
        fetch("things", (Download("c.bin", f"{server.root}/c.bin", sha(b"")),), silent)
    said, cause = str(raised.value), raised.value.__cause__
    assert isinstance(cause, HTTPError)
    assert cause.fp is None or cause.fp.closed
    assert "404" in said
    assert "name it as DATA" in said
    assert kept(cache) == []


def test_no_server_at_all_is_said(server: Server, cache: Path) -> None:
    root = server.root
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="cannot be fetched"):
        fetch("things", (Download("a.bin", f"{root}/a.bin", sha(CONTENT)),), silent)
    assert kept(cache) == []


def test_a_gzipped_file_is_checked_by_its_content(server: Server, cache: Path) -> None:
    """Mirrors compress anew: other bytes, the same content."""
    file = Download("a.gz", f"{server.root}/a.gz", sha(CONTENT))
    for level in (1, 9):
        server.files["/a.gz"] = gzip.compress(CONTENT, level, mtime=level)
        folder = fetch(f"level {level}", (file,), silent)
        assert (folder / "a.gz").read_bytes() == server.files["/a.gz"]
    for bad in (b"no gzip at all", gzip.compress(CONTENT)[:-9], gzip.compress(b"other")):
        server.files["/a.gz"] = bad
        with pytest.raises(DataError, match="what came is not what was published"):
            fetch("bad", (file,), silent)
    assert kept(cache) == ["downloads/level 1/a.gz", "downloads/level 9/a.gz"]


def test_what_was_fetched_before_a_failure_is_kept(server: Server, cache: Path) -> None:
    files = [Download(name, f"{server.root}/{name}", sha(CONTENT)) for name in ("a.bin", "c.bin")]
    with pytest.raises(DataError, match="404"):
        fetch("things", tuple(files), silent)
    server.files["/c.bin"] = CONTENT
    fetch("things", tuple(files), silent)
    assert server.asked == ["/a.bin", "/c.bin", "/c.bin"]
