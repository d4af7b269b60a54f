"""Where the peers live: a virtual environment beside ours, so that nothing of theirs is ever needed by a user of Samoyed."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.process import ROOT

_DEFAULT = ".venv-peers"


def location(named: Path | None) -> Path:
    """The folder: as named, else $SAMOYED_PEERS, else .venv-peers in the repository."""
    return named or Path(os.environ.get("SAMOYED_PEERS") or ROOT / _DEFAULT)


def python(folder: Path) -> Path:
    """Its interpreter, which need not exist."""
    return folder / "bin" / "python"


def install(folder: Path) -> None:
    """Makes the environment, with the pinned versions of peers.txt and peers_alone.txt and, for what they stand on, of constraints.txt."""
    if not python(folder).is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    pip: list[str | Path] = [python(folder), "-m", "pip", "install", *quiet]
    subprocess.run([*pip, "--upgrade", "pip>=25"], check=True)
    lists = ROOT / "benchmarks"
    subprocess.run([*pip, "--requirement", lists / "peers.txt", "--constraint", ROOT / "constraints.txt"], check=True)
    subprocess.run([*pip, "--no-deps", "--requirement", lists / "peers_alone.txt"], check=True)
    print(f"the peers are in {folder}; now run `python -m benchmarks`")
