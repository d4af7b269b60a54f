"""Processes, protocol, rounds and reports, with contestants that only claim to work. No time is asserted."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import peers, table, worker
from benchmarks.process import FailedError, NotInstalledError, Process
from benchmarks.results import Floor, Result
from benchmarks.rows import Contestant, Row, Work
from benchmarks.running import Abandoned, Options, run_row

_IDLE = "tests.benchmarks.contestants:Idle"
_FLOOR = Floor("2.0", 2, 1e11, 2e11, 4e10, 2, 0.0, 0.1)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.rounds._PAUSE", 0.0)


def idle(name: str, family: str = "", target: float | None = None, factory: str = _IDLE, **options: Any) -> Contestant:
    return Contestant(name, factory, family, target, options=options)


def run(*contestants: Contestant, rounds: int = 3, folder: Path = Path(sys.prefix)) -> Result:
    work = Work(1e9, 1e6, "by hand")
    row = Row("row", "a row", "examples", 10, 100, {}, work, (idle("Samoyed", seconds=2.0), *contestants))
    return run_row(row, _FLOOR, Options(folder, rounds, 1.0, 0.0, say=lambda line: None))


def test_the_protocol_is_a_line_each() -> None:
    asked = [
        {"do": "build", "factory": _IDLE, "settings": {"seconds": 3.0}},
        {"do": "round"},
        {"do": "fail"},
        {"do": "nothing"},
        {"do": "memory"},
        {"do": "build", "factory": "tests.benchmarks.contestants:Absent", "settings": {}},
    ]
    replies = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(request) + "\n" for request in asked)), replies)
    built, rounded, failed, unknown, memory, absent = map(json.loads, replies.getvalue().splitlines())
    assert set(built) == {"import_seconds", "build_seconds", "versions"}
    assert rounded["seconds"] == 3.0
    assert failed == {"error": "ValueError: no such thing\nand more", "missing": None}
    assert unknown["error"].startswith("AttributeError")
    assert memory["peak_bytes"] > 0
    assert absent["missing"] == "there_is_no_such_module"


def test_a_process_outlives_an_error_but_not_its_end() -> None:
    with Process(Path(sys.executable)) as process:
        process.ask("build", factory=_IDLE, settings={"dies_at": 1})
        with pytest.raises(FailedError, match=r"^ValueError: no such thing$"):
            process.ask("fail")
        assert process.ask("first") == {"seconds": 0.01}
        with pytest.raises(FailedError, match="ended with code 7: last words"):
            process.ask("round")
        with pytest.raises(FailedError, match="ended with code 7"):
            process.ask("round")


def test_a_process_that_does_not_answer_is_ended() -> None:
    with Process(Path(sys.executable)) as process:
        process.ask("build", factory=_IDLE, settings={})
        with pytest.raises(FailedError, match=r"no answer in 0\.2 s"):
            process.ask("sleep", limit=0.2)


def test_no_interpreter_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError):
        Process(peers.python(tmp_path))


def test_a_row_measures_pairs_and_claims_the_smaller_win() -> None:
    found = run(
        idle("slow", "PyTorch", 1.0, seconds=8.0),
        idle("less slow", "PyTorch", 1.0, seconds=3.0),
        idle("fast", "Keras", 1.5, seconds=2.0),
        idle("aimless", "other", None, seconds=4.0),
    )
    assert [(c.family, c.against, c.ratio, c.met) for c in found.claims()] == [
        ("PyTorch", "less slow", 1.5, True),
        ("Keras", "fast", 1.0, False),
    ]
    assert found.rounds == 3
    ratio = found.ratio(found.entrants[1])
    assert ratio is not None
    assert (ratio.median, ratio.rounds, ratio.discarded) == (4.0, 3, 0)
    text = table.row(found)
    assert "4.00x (4.00 to 4.00)" in text
    assert "against PyTorch: 1.50x, the smaller win (over less slow); target 1.0x: met" in text
    assert "target 1.5x: NOT met" in text
    assert json.loads(json.dumps(found.json()))["claims"][0]["met"] is True


def test_absent_and_crashing_peers_are_reported(tmp_path: Path) -> None:
    found = run(
        Contestant("in another house", _IDLE, "A", 1.0, peer=True),
        idle("without its module", "B", 1.0, factory="tests.benchmarks.contestants:Absent"),
        idle("mortal", "C", 1.0, dies_at=2),
        idle("well", "D", 1.0),
        folder=tmp_path,
    )
    notes = [entrant.note for entrant in found.entrants]
    assert notes[1].startswith("not installed: there is no ")
    assert notes[2].startswith("not installed: there is no module there_is_no_such_module")
    assert notes[3] == "failed: ended with code 7: last words"
    assert notes[4] == ""
    assert [claim.family for claim in found.claims()] == ["D"]
    text = table.row(found)
    assert "mortal: failed: ended with code 7: last words" in text
    assert "in another house: not installed" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [({"gradient": [1.0, 2.1]}, "gives another answer: gradient off"), ({"parameters": 5}, "does other work: 5")],
)
def test_another_answer_abandons_the_row(options: dict[str, Any], words: str) -> None:
    with pytest.raises(Abandoned, match=f"odd {words}"):
        run(idle("odd", "A", 1.0, **options))


def test_our_own_failure_abandons_the_row() -> None:
    row = Row("row", "a row", "examples", 1, 1, {}, Work(1.0, 1.0, ""), (idle("Samoyed", dies_at=1), idle("b", "B")))
    with pytest.raises(Abandoned, match="Samoyed: failed: ended with code 7"):
        run_row(row, _FLOOR, Options(Path(), 1, 1.0, 0.0, say=lambda line: None))


def test_rounds_under_load_are_discarded_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])  # the warm-up, a loaded round, two quiet ones
    monkeypatch.setattr("benchmarks.load.others", lambda before, after, cores: next(shares))
    work = Work(1.0, 1.0, "")
    row = Row("row", "a row", "examples", 1, 1, {}, work, (idle("Samoyed"), idle("peer", "A", 1.0, seconds=2.0)))
    found = run_row(row, _FLOOR, Options(Path(), 2, 0.05, 0.0, say=lambda line: None))
    assert found.rounds == 3
    assert found.ratio(found.entrants[1]) == (2.0, 2.0, 2.0, 2, 1)
    assert "1 or fewer discarded (others took more than 5% of the machine)" in table.row(found)


def test_a_busy_machine_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.load.others", lambda before, after, cores: 0.9)
    work = Work(1.0, 1.0, "")
    row = Row("row", "a row", "examples", 1, 1, {}, work, (idle("Samoyed"), idle("peer", "A", 1.0)))
    found = run_row(row, _FLOOR, Options(Path(), 1, 0.05, 0.0, say=lambda line: None))
    assert found.rounds == 3
    assert found.claims() == []
    assert "no clean round" in table.row(found)


def test_the_larger_time_is_the_floor() -> None:
    assert _FLOOR.seconds(Work(2e11, 4e9, "")) == (1.0, "arithmetic")
    assert _FLOOR.seconds(Work(2e10, 4e10, "")) == (1.0, "copying")
    assert "103" not in table.floor(_FLOOR)
    assert "100 GF/s on 1 thread, 200 on 2" in table.floor(_FLOOR)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """The command line with one idle row and without measuring this machine."""

    def make(**options: Any) -> Row:
        work = Work(1.0, 1.0, "")
        row = Row("quick", "a row", "examples", 1, 1, {}, work, (idle("Samoyed"), idle("peer", "A", 1.0, **options)))
        monkeypatch.setattr(command, "catalogue", lambda: {"quick": row})
        monkeypatch.setattr(command, "machine_floor", lambda how: _FLOOR)
        return row

    return make


def test_the_command_prints_text_or_json(quick: Callable[..., Row], capsys: pytest.CaptureFixture[str]) -> None:
    quick()
    words = ["quick", "--rounds", "1", "--most-load", "100", "--patience", "0"]
    assert command.main(words) == 0
    assert "against A" in capsys.readouterr().out
    assert command.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["quick"]["entrants"]["peer"]["versions"] == {"idle": "1"}
    assert found["floor"]["threads"] == 2


def test_the_command_says_what_is_wrong(quick: Callable[..., Row], capsys: pytest.CaptureFixture[str]) -> None:
    quick(parameters=9)
    assert command.main(["quick", "--rounds", "1"]) == 1
    assert "abandoned: peer does other work" in capsys.readouterr().out
    assert command.main(["slow"]) == 2
    assert "there is no row slow" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["quick", "--rounds", "0"])


def test_where_the_peers_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAMOYED_PEERS", raising=False)
    assert peers.location(None).name == ".venv-peers"
    monkeypatch.setenv("SAMOYED_PEERS", str(tmp_path))
    assert peers.location(None) == tmp_path
    assert peers.location(Path("there")) == Path("there")


def test_setup_installs_pinned_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", lambda words, check: ran.append([str(word) for word in words]))
    assert command.main(["setup", "--peers", str(tmp_path / "new")]) == 0
    assert ran[0][1:3] == ["-m", "venv"]
    assert "--constraint" in ran[-2]
    assert "--no-deps" in ran[-1]
    for words, name in ((ran[-2], "peers.txt"), (ran[-1], "peers_alone.txt")):
        file = peers.ROOT / "benchmarks" / name
        assert str(file) in words
        assert all("==" in line for line in file.read_text().split("\n") if line and not line.startswith("#"))
