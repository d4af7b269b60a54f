"""What a recipe hands back: whether the published effect was seen, the numbers, and the pictures."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """The end of `samoyed reproduce NAME`.

    `holds` is computed from `measured`, never assumed; `sentence` states the finding in plain words with its numbers.
    """

    holds: bool
    measured: dict[str, float]
    sentence: str
    pictures: tuple[Path, ...]
