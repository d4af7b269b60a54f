"""A folder per class: photos/cat/1.png, photos/dog/7.jpg. Sub-folders of a class belong to it."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._pictures import SUFFIXES, Unreadable, decode_all


class ImageFolder(Source):
    """Reads the pictures of each class's folder, in the order of their names."""

    yields = "Image"
    reads = "a folder that holds one folder of pictures per class (photos/cat/1.png, photos/dog/7.jpg)"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        self.files: list[tuple[Path, str]] = []
        others: list[Path] = []
        loose = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES]
        for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
            inside = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
            pictures = [p for p in inside if p.suffix.lower() in SUFFIXES]
            others += [p for p in inside if p.suffix.lower() not in SUFFIXES]
            self.files += [(p, folder.name) for p in pictures]
            if not pictures:
                held = f"{len(inside)} files, none of them a picture" if inside else "empty"
                self.notes.append(f"{folder.name}/ is left out: {held}")
        if loose:
            self.notes.append(f"{len(loose)} pictures beside the class folders are left out, among them {loose[0].name}")
        if others and self.files:
            self.notes.append(f"{len(others)} files that are no pictures are left out, among them {others[0].name}")
        if not self.files:
            raise DataError(
                f"no pictures in its {len(self.notes)} folders ({'; '.join(self.notes[:2])})", where=path, remedy=f"give {self.reads}"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and any(p.is_dir() and not p.name.startswith(".") for p in path.iterdir())

    def __len__(self) -> int:
        return len(self.files)

    def examples(self) -> Iterator[Image]:
        decoded = decode_all([p for p, _ in self.files], self.longest_side)
        for (path, label), pixels in zip(self.files, decoded, strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(str(path), str(pixels))
            else:
                yield Image(pixels, label, str(path))
