"""Recordings with transcripts: a table of path and text, LibriSpeech's folders, or a .txt beside each recording."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import Utterance
from samoyed.sources import Source
from samoyed.sources._audio import SUFFIXES, Unreadable, decode
from samoyed.sources._paths import visible
from samoyed.sources._transcripts import entries, has_entries

_PARTS = {"train": "train-", "valid": "dev-", "test": "test-"}  # LibriSpeech: train-clean-100, dev-clean, test-clean


class Utterances(Source):
    """Reads WAV, FLAC, OGG and MP3. What is missing, damaged, silent or has an empty transcript is skipped and listed."""

    yields = "Utterance"
    reads = (
        "a table with the columns path and text, a folder with a .txt beside each recording, or LibriSpeech's folders"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entries = entries(path, SUFFIXES)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return has_entries(path, SUFFIXES)

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        found = super().splits(path)
        if found or not path.is_dir():
            return found
        folders = [p for p in visible(path) if p.is_dir()]
        parts = {split: next((p for p in folders if p.name.startswith(start)), None) for split, start in _PARTS.items()}
        named = {split: p for split, p in parts.items() if p is not None}
        return named if "train" in named and len(named) > 1 else {}

    def __len__(self) -> int:
        return len(self.entries)

    def examples(self) -> Iterator[Utterance]:
        for file, text, where in self.entries:
            if not text:
                self.skip(where, "the transcript is empty")
                continue
            try:
                if not file.is_file():
                    raise Unreadable("there is no such file")
                samples, rate = decode(file)
            except Unreadable as error:
                self.skip(f"{file} ({where})" if str(where) != str(file) else str(file), str(error))
                continue
            yield Utterance(samples, rate, text, str(file))
