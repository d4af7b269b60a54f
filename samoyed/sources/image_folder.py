"""A folder per class: photos/cat/1.png, photos/dog/7.jpg. Sub-folders of a class belong to it."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source, needed
from samoyed.sources._paths import files_below, plural, visible, without
from samoyed.sources._pictures import SUFFIXES, Unreadable, decode_all
from samoyed.sources._tables import SUFFIXES as TABLES


class ImageFolder(Source):
    """Reads the pictures of each class's folder, in the order of their names."""

    yields = "Image"
    reads = "a folder that holds one folder of pictures per class (photos/cat/1.png, photos/dog/7.jpg)"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        self.files: list[tuple[Path, str]] = []
        inside = visible(path)
        others: list[Path] = []
        bare: list[str] = []
        for folder in (p for p in inside if p.is_dir()):
            if folder.is_symlink() and path.resolve().is_relative_to(folder.resolve()):
                self.notes.append(f"{folder.name}/ is left out: it is a link back to {folder.resolve()}")
                continue
            below = files_below(folder)
            pictures = [p for p in below if is_picture(p)]
            others += [p for p in below if not is_picture(p)]
            self.files += [(p, folder.name) for p in pictures]
            bare += [] if pictures else [folder.name]
        loose = [p for p in inside if is_picture(p) and p.is_file()]
        if not self.files:
            raise _no_pictures(path, loose)
        self._refuse_table_beside(inside)
        if bare:
            self.notes.append(f"{plural(len(bare), 'folder')} without pictures left out: {_some(bare)}")
        if loose:
            self.notes.append(
                f"{plural(len(loose), 'picture')} beside the class folders left out, such as {loose[0].name}"
            )
        if others:
            self.notes.append(f"{plural(len(others), 'file')} of other kinds left out, such as {others[0].name}")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and any(p.is_dir() or is_picture(p) for p in visible(path))

    def __len__(self) -> int:
        return len(self.files)

    def examples(self) -> Iterator[Image]:
        decoded = decode_all([p for p, _ in self.files], self.longest_side)
        for (path, label), pixels in zip(self.files, decoded, strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(str(path), str(pixels))
            else:
                yield Image(pixels, label, str(path))

    def _refuse_table_beside(self, inside: list[Path]) -> None:
        """One folder of pictures with a table beside it is a table's data, not one class."""
        table = next((p for p in inside if p.suffix.lower() in TABLES), None)
        if table is not None and len({label for _, label in self.files}) == 1:
            raise DataError(
                f"holds one folder of pictures ({self.files[0][1]}) and the table {table.name}, which may say their classes",
                where=self.path,
                remedy=f"give the table, if so: {table}; or a folder of pictures per class",
            )


def is_picture(path: Path) -> bool:
    """Whether a name ends as those of pictures do."""
    return path.suffix.lower() in SUFFIXES


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most] + [f"and {len(names) - most} more"] * (len(names) > most))


def _no_pictures(path: Path, loose: list[Path]) -> DataError:
    if loose:
        return DataError(
            f"holds {plural(len(loose), 'picture')} and no folder that says their class",
            where=path,
            remedy="put the pictures of each class into a folder of its own (photos/cat/1.png, photos/dog/7.jpg)",
        )
    return DataError(without(path, "pictures"), where=path, remedy=needed("Image"))
