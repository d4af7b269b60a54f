"""A served run under load, beside LitServe with the same model and the same batches.

python -m benchmarks.serving RUN [--peer PYTHON]    PYTHON is an interpreter that has litserve and can import samoyed

Closed loop: a number of clients, each of which sends its next request when it has its answer, over connections that are kept. The client is
a process of its own; each answer is held against the run's own. Both servers take the same JSON: {"pixels": rows of numbers}.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TOGETHER = 64
_PEER = """
import sys, torch, litserve
import samoyed
from samoyed import received
torch.set_num_threads(1)

class Api(litserve.LitAPI):
    def setup(self, device):
        self.run_ = samoyed.load(sys.argv[1])
    def decode_request(self, request):
        return received.of_json(self.run_.task, request)
    def batch(self, inputs):
        return inputs
    def predict(self, examples):
        with torch.inference_mode():
            return self.run_.task.answers(self.run_.model, examples)
    def unbatch(self, output):
        return output
    def encode_response(self, output):
        return output

if __name__ == "__main__":
    api = Api(max_batch_size=int(sys.argv[3]), batch_timeout=0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=30, track_requests=False)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False)
"""


class Connection:
    """One kept connection that sends prepared requests and reads whole responses."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        return int(head[9:12]), await self.reader.readexactly(length)


async def load(
    port: int, requests: list[bytes], wanted: list[dict[str, float]], clients: int, seconds: float
) -> dict[str, Any]:
    """Requests per second, latencies in milliseconds, refusals and wrong answers."""
    until, times, statuses, wrong, refused = time.monotonic() + seconds, [], [], 0, []

    async def client(number: int) -> None:
        nonlocal wrong
        connection = Connection(port)
        await connection.open()
        place = number
        while (began := time.monotonic()) < until:
            status, body = await connection.ask(requests[place % len(requests)])
            taken = 1000 * (time.monotonic() - began)
            (times if status == 200 else refused).append(taken)
            statuses.append(status)
            if status == 200:
                probs = json.loads(body)["probs"]
                wrong += any(abs(probs[k] - p) > 1e-6 for k, p in wanted[place % len(requests)].items())
            place += 37

    began = time.monotonic()
    await asyncio.gather(*(client(i) for i in range(clients)))
    ranked = sorted(times)
    return {
        "per_second": len(times) / (time.monotonic() - began), "p50": statistics.median(ranked),
        "p99": ranked[int(0.99 * (len(ranked) - 1))], "most": ranked[-1], "answered": len(times), "wrong": wrong,
        "others": len(statuses) - len(times), "refused_p99": sorted(refused)[int(0.99 * (len(refused) - 1))] if refused else 0.0,
    }  # fmt: skip


def start(words: list[str], port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            time.sleep(1)
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{words[0]} did not begin to listen")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server and whatever it started: LitServe's workers outlive it otherwise, and take the port and the processor."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)


def main() -> None:
    parser = argparse.ArgumentParser(description="A served run under load, beside LitServe.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--peer", type=Path, help="an interpreter that has litserve and can import samoyed")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 64, 256])
    given = parser.parse_args()
    import samoyed
    from samoyed import samples

    run = samoyed.load(given.run)
    images = samples.load("digits")[0][:256]
    wanted = [run.predict(image)["probs"] for image in images]
    requests = []
    for image in images:
        body = json.dumps({"pixels": image.pixels[:, :, 0].tolist()}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    ports = {"samoyed": 8391, "litserve": 8392}
    ours = [
        sys.executable,
        "-m",
        "samoyed",
        "serve",
        str(given.run),
        "--port",
        str(ports["samoyed"]),
        "--batch",
        str(TOGETHER),
    ]
    running = {"samoyed": start(ours, ports["samoyed"])}
    if given.peer:
        file = Path(os.environ.get("TMPDIR", "/tmp")) / "samoyed_peer.py"
        file.write_text(_PEER)
        theirs = [str(given.peer), str(file), str(given.run.resolve()), str(ports["litserve"]), str(TOGETHER)]
        running["litserve"] = start(theirs, ports["litserve"])
    print(f"{'server':<10} clients  requests/s     p50 ms     p99 ms  wrong  not 200")
    try:
        for name in running:
            asyncio.run(load(ports[name], requests, wanted, 8, 1.0))  # warm
        for clients in given.clients:
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in running}
            for _ in range(given.rounds):
                for name in running:
                    rounds[name].append(asyncio.run(load(ports[name], requests, wanted, clients, given.seconds)))
            for name, found in rounds.items():
                middle = {key: statistics.median(f[key] for f in found) for key in found[0]}
                wrong, others = sum(f["wrong"] for f in found), sum(f["others"] for f in found)
                print(
                    f"{name:<10} {clients:>7} {middle['per_second']:>11.0f} {middle['p50']:>10.2f} {middle['p99']:>10.2f} {wrong:>6} {others:>8}"
                    + (f"   refused within {middle['refused_p99']:.0f} ms" if others else "")
                )
    finally:
        for process in running.values():
            end(process)


if __name__ == "__main__":
    main()
