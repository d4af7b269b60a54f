"""The command line: `python -m benchmarks [ROW ...]` measures, `python -m benchmarks setup` installs the peers."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import peers, table
from benchmarks.rows import Row, catalogue
from benchmarks.running import Abandoned, Options, machine_floor, run_row


def main(words: list[str] | None = None) -> int:
    """Returns the exit code: 1 where a row was abandoned, 2 where there is no such row, else 0, whatever was measured."""
    rows = catalogue()
    options = _parser(rows).parse_args(words)
    folder = peers.location(options.peers)
    if options.rows == ["setup"]:
        peers.install(folder)
        return 0
    unknown = [name for name in options.rows if name not in rows]
    if unknown:
        print(f"there is no row {', '.join(unknown)}; there are {', '.join(rows)}", file=sys.stderr)
        return 2
    how = Options(
        folder,
        options.rounds,
        options.most_load / 100,
        60 * options.patience,
        say=lambda line: print(line, file=sys.stderr),
    )
    out = _Printer(options.json)
    floor = machine_floor(how)
    out.put("floor", floor.json(), table.floor(floor))
    code = 0
    for name in options.rows or rows:
        try:
            result = run_row(rows[name], floor, how)
        except Abandoned as error:
            out.put(name, {"abandoned": str(error)}, f"\n{name}: abandoned: {error}")
            code = 1
        else:
            out.put(name, result.json(), "\n" + table.row(result))
    out.close()
    return code


class _Printer:
    """Prints text as it comes, or one JSON object at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json, self._all = as_json, dict[str, object]()

    def put(self, name: str, data: object, text: str) -> None:
        self._all[name] = data
        if not self._as_json:
            print(text, flush=True)

    def close(self) -> None:
        if self._as_json:
            print(json.dumps(self._all, indent=1))


def _parser(rows: dict[str, Row]) -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<12} {row.title}" for name, row in rows.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures Samoyed against its peers, interleaved, in one run.",
        epilog=f"rows:\n{listed}\n\n`python -m benchmarks setup` installs the peers.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="which rows to measure; all of them by default")
    parser.add_argument("--rounds", type=_count, default=9, help="clean rounds that each figure is over (default 9)")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="where the peers live (default .venv-peers, or $SAMOYED_PEERS)")  # fmt: skip
    parser.add_argument("--most-load", type=float, default=5.0, metavar="PERCENT", help="a timing is discarded where other processes took more of the machine than this (default 5)")  # fmt: skip
    parser.add_argument("--patience", type=float, default=2.0, metavar="MINUTES", help="how long a row waits for a quiet machine in all (default 2)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of rounds")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
