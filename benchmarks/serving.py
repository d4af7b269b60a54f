"""Served runs under load: beside LitServe with the same models and the same batches, and beside a server that computes nothing.

python -m benchmarks.serving RUN... [--peer PYTHON] [--floor]    PYTHON is an interpreter that has litserve and can import samoyed

Closed loop: a number of clients, each of which sends its next request when it has its answer, over connections that are kept. All clients are
one process; each answer is held against that of the run alone, to 1e-6. Servers are asked in turn, round by round, and take the same JSON; those
that are not asked are stopped.
`--floor` adds uvicorn with an application that reads the question and sends bytes as long as an answer: what HTTP alone costs. Of each server
are told the processor time that it and the clients took a request, and the share of the machine that other processes took meanwhile.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

from benchmarks import clients, load
from benchmarks.clients import Load, Question

_CONTINUED = {"length": 80, "seed": 1}
_PORTS = {"samoyed": 8391, "litserve": 8392, "floor": 8393}
_PEER = """
import sys, torch, litserve
import samoyed
from samoyed import received
torch.set_num_threads(1)

class Api(litserve.LitAPI):
    def setup(self, device):
        self.run_ = samoyed.load(sys.argv[1])
    def decode_request(self, request):
        options = request.pop("options", {})
        return received.of_json(self.run_.task, request), options
    def batch(self, inputs):
        return inputs
    def predict(self, asked):
        with torch.inference_mode():  # every request of this benchmark has the same options
            return self.run_.task.answers(self.run_.model, [example for example, _ in asked], **asked[0][1])
    def unbatch(self, output):
        return output
    def encode_response(self, output):
        return output

if __name__ == "__main__":
    api = Api(max_batch_size=int(sys.argv[3]), batch_timeout=0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=30, track_requests=False)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False)
"""
_FLOOR = """
import sys, uvicorn
answer = b"." * int(sys.argv[2])
headers = [(b"content-type", b"application/json"), (b"content-length", sys.argv[2].encode())]

async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off", http="httptools", ws="none",
            server_header=False, date_header=False)
"""


def questions_for(run: Any, most: int = 256, options: dict[str, Any] | None = None) -> list[Question]:
    """What clients ask a run, from the sample of its task, with the answer to each alone. Exits where the task is not known here."""
    from samoyed import received, samples

    if run.task.example in _FILES:
        return _files(run, samples, most)
    if options is None:
        options = _CONTINUED if run.config["task"] == "text-generation" else {}
    asked = [(value, options) for value in _values(run, samples, most)]
    made = []
    for value, options in asked:
        answer = run.task.answer(run.model, received.of_json(run.task, value), **options)
        made.append(Question(value | ({"options": options} if options else {}), json.loads(json.dumps(answer))))
    return made


def _values(run: Any, samples: Any, most: int) -> list[dict[str, Any]]:
    task = run.config["task"]
    if task == "image-classification":
        return [{"pixels": image.pixels[:, :, 0].tolist()} for image in samples.load("digits")[0][:most]]
    if task == "text-generation":
        text = samples.load(run.task.sample)[0][0].text
        return [{"text": text[100 * i : 100 * i + 16 + i % 17]} for i in range(most)]
    if task == "translation":
        pairs, seen = samples.load(run.task.sample)[0], dict[str, None]()
        for pair in pairs[:: max(1, len(pairs) // most)]:
            seen[pair.source] = None
        return [{"source": source} for source in list(seen)[:most]]
    if task in ("text-classification", "sequence-tagging"):
        texts = samples.load(run.task.sample)[0]
        return [{"text": getattr(e, "text", None) or " ".join(e.tokens)} for e in texts[:: max(1, len(texts) // most)]][
            :most
        ]
    raise SystemExit(f"no questions are known for {task}; give a run of pictures, texts, recordings or lines")


def _files(run: Any, samples: Any, most: int) -> list[Question]:
    """Recordings as WAV and lines as PNG."""
    from samoyed import received

    made = []
    for example in samples.load(run.task.sample)[0][:most]:
        data, kind = _FILES[run.task.example](example)
        answer = run.task.answer(run.model, received.of_bytes(run.task, data, "request"))
        made.append(Question({}, json.loads(json.dumps(answer)), data, kind))
    return made


def _wav(example: Any) -> tuple[bytes, str]:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(example.rate)
        file.writeframes((example.samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())
    return made.getvalue(), "audio/wav"


def _png(example: Any) -> tuple[bytes, str]:
    from PIL import Image

    made = io.BytesIO()
    Image.fromarray(example.pixels[:, :, 0]).save(made, "PNG")
    return made.getvalue(), "image/png"


_FILES = {"Utterance": _wav, "LabelledRecording": _wav, "Recording": _wav, "TextLine": _png}


def start(words: list[str], port: int) -> subprocess.Popen[bytes]:
    """A process that listens at a port, with one thread for its numbers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            time.sleep(1)
            return process
        except OSError:
            time.sleep(0.1)
    end(process)
    raise SystemExit(f"{' '.join(words)[:200]} did not begin to listen")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server and whatever it started: LitServe's workers outlive it otherwise, and take the port and the processor."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)


def let(asked: str, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Lets one server work while the others stand still: LitServe's worker looks into its empty queue again and again, and takes a core."""
    for name, process in processes.items():
        os.killpg(process.pid, signal.SIGCONT if name == asked else signal.SIGSTOP)
    time.sleep(0.1)


def commands(run: Path, questions: list[Question], given: argparse.Namespace) -> dict[str, list[str]]:
    """How each server is started."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    batch = str(given.batch)
    found = {
        "samoyed": [
            sys.executable,
            "-m",
            "samoyed",
            "serve",
            str(run),
            "--batch",
            batch,
            "--port",
            str(_PORTS["samoyed"]),
        ]
    }
    if given.peer:
        (folder / "samoyed_peer.py").write_text(_PEER)
        found["litserve"] = [
            str(given.peer),
            str(folder / "samoyed_peer.py"),
            str(run.resolve()),
            str(_PORTS["litserve"]),
            batch,
        ]
    if given.floor:
        (folder / "samoyed_floor.py").write_text(_FLOOR)
        size = round(statistics.median(len(json.dumps(question.wanted)) for question in questions))
        found["floor"] = [sys.executable, str(folder / "samoyed_floor.py"), str(_PORTS["floor"]), str(size)]
    return found


class Timed:
    """What one server did under one number of clients, over all rounds."""

    def __init__(self) -> None:
        self.loads: list[Load] = []
        self.server: list[float] = []  # seconds of processor time, by round
        self.client: list[float] = []
        self.elsewhere: list[float] = []  # the share of the machine that other processes took

    def add(
        self, name: str, process: subprocess.Popen[bytes], questions: list[Question], count: int, seconds: float
    ) -> None:
        """One more round."""
        pids = load.group(process.pid)
        before, server, client = load.read(pids), load.used(pids), time.process_time()
        self.loads.append(clients.load(_PORTS[name], questions, count, seconds, check=name != "floor"))
        self.server.append(load.used(pids) - server)
        self.client.append(time.process_time() - client)
        self.elsewhere.append(load.others(before, load.read(pids), load.cores()) or 0.0)

    def middle(self, name: str) -> float:
        """The median of what is so called, over rounds."""
        return statistics.median(getattr(found, name) for found in self.loads)

    def line(self, name: str, count: int) -> str:
        """A row of the table."""
        wrong, others = sum(found.wrong for found in self.loads), sum(found.others for found in self.loads)
        told = f"{name:<9} {count:>7} {self.middle('per_second'):>10.0f} {self.middle('p50'):>9.2f} {self.middle('p99'):>9.2f}"
        told += f" {'-' if name == 'floor' else wrong:>6} {others:>8} {self.cost(self.server):>10.0f} {self.cost(self.client):>10.0f}"
        told += f" {statistics.median(self.elsewhere):>9.0%}"
        return told + (f"   refused within {self.middle('refused_p99'):.0f} ms" if others else "")

    def cost(self, seconds: list[float]) -> float:
        """Microseconds of processor time a request, the median over rounds."""
        pairs = zip(seconds, self.loads, strict=True)
        return statistics.median(1e6 * s / max(1, found.answered + found.others) for s, found in pairs)


def measure(run: Path, given: argparse.Namespace) -> None:
    """Prints a line for each server and number of clients, and how the slowest compare with a lone client."""
    import samoyed

    opened = samoyed.load(run)
    questions = questions_for(opened, options=given.options)
    print(
        f"\n{opened.config['task']}, {opened.config['model']}, {opened.parameters:,} parameters, batches of at most {given.batch}"
    )
    print("server    clients requests/s    p50 ms    p99 ms  wrong  not 200  server us  client us elsewhere")
    processes = {}
    try:
        for name, words in commands(run, questions, given).items():
            processes[name] = start(words, _PORTS[name])
            clients.load(_PORTS[name], questions, 8, 1.0, check=False)  # warm
        found = {}
        for count in given.clients:
            rows = {name: Timed() for name in processes}
            for _ in range(given.rounds):
                for name, process in processes.items():
                    let(name, processes)
                    rows[name].add(name, process, questions, count, given.seconds)
            print("\n".join(row.line(name, count) for name, row in rows.items()), flush=True)
            found |= {(name, count): row for name, row in rows.items()}
    finally:
        for process in processes.values():
            end(process)
    for name in processes:
        alone, most = found[name, given.clients[0]].middle("p50"), given.clients[-1]
        worst = found[name, most].middle("p99")
        print(
            f"{name:<9} p99 of {most} clients / median of {given.clients[0]} = {worst:.1f} / {alone:.2f} ms = {worst / alone:.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Served runs under load, beside LitServe and beside HTTP alone.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--peer", type=Path, help="an interpreter that has litserve and can import samoyed")
    parser.add_argument("--floor", action="store_true", help="also a server that computes nothing")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--options", type=json.loads, help='of each question, as JSON, such as {"weights": false}')
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 64, 256])
    given = parser.parse_args()
    for run in given.runs:
        measure(run, given)


if __name__ == "__main__":
    main()
