"""Contestants that do nothing, or go wrong, for the tests of the harness. No import but the standard library's and NumPy."""

import os
import sys
import time
from typing import Any

import numpy as np


class Idle:
    """Takes the seconds it is told to claim; settings: seconds, gradient, parameters, dies_at (a round's number)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.rounds = settings, 0
        self.versions = {"idle": "1"}
        print("a library that talks on standard output")

    def agree(self, out: str) -> dict[str, Any]:
        np.save(out, np.array(self.settings.get("gradient", [1.0, 2.0])))
        return {"parameters": self.settings.get("parameters", 2), "loss": 0.5, "losses": [0.5, 0.4]}

    def first(self) -> dict[str, Any]:
        return {"seconds": 0.01}

    def round(self) -> dict[str, Any]:
        self.rounds += 1
        if self.rounds == self.settings.get("dies_at"):
            print("last words", file=sys.stderr)
            os._exit(7)
        return {"seconds": self.settings.get("seconds", 1.0), "cpu_seconds": 1.0, "loss": 0.4}

    def sleep(self) -> dict[str, Any]:
        time.sleep(60)
        return {}

    def fail(self) -> dict[str, Any]:
        raise ValueError("no such thing\nand more")


class Absent:
    """Needs a module that is nowhere."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import there_is_no_such_module  # noqa: F401
