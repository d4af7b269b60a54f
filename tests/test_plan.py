"""A plan is checked whole before anything is loaded, and says the command that repeats it."""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from samoyed import settings
from samoyed.errors import DataError, RunError, SamoyedError, UsageError
from samoyed.plan import Plan, make, run_folder


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a name that a shell would take apart."""
    folder = tmp_path / "my photos (été)"
    folder.mkdir()
    return folder


def planned(data: Any = None, model: str | None = None, out: Any = None, **given: Any) -> Plan:
    return make("image-classification", data, model, out, given)


def refused(kind: type[SamoyedError], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(kind) as raised:
        planned(*args, **kwargs)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


def test_a_plan_of_defaults() -> None:
    plan = planned()
    assert (plan.task, plan.model, plan.data, plan.out) == ("image-classification", "lenet", None, None)
    assert plan.settled["training"]["epochs"] == 30
    assert plan.command == "samoyed train image-classification model=lenet seed=0"


def test_names_are_put_as_the_catalogue_has_them() -> None:
    assert make("Image_Classification", None, "LeNet", None, {}).command.startswith(
        "samoyed train image-classification model=lenet"
    )


def test_the_command_repeats_the_plan(photos: Path) -> None:
    plan = planned(photos, model="mlp", hidden_sizes=[64, 32], batch_norm=True, max_time="1h", patience=None, seed=7)
    words = shlex.split(plan.command)
    assert words[:2] == ["samoyed", "train"]
    assert words[3] == str(photos)
    again = make(words[2], words[3], None, None, dict(settings.parse_pairs(words[4:])))
    assert again.settled == plan.settled
    assert (again.model, again.data) == (plan.model, plan.data)


def test_text_and_python_values_give_the_same_plan() -> None:
    python = planned(
        model="mlp", epochs=3, hidden_sizes=(64, 32), clip_norm=None, dropout=0.5, max_time=90, nesterov=False
    )
    text = planned(
        model="mlp", epochs="3", hidden_sizes="64,32", clip_norm="none", dropout="0.5", max_time="90s", nesterov="false"
    )
    assert python.settled == text.settled


def test_a_path_may_be_relative_or_of_home(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photos.parent))
    assert planned(f"~/{photos.name}").data == photos
    assert planned(f"../{photos.name}").data == photos
    assert planned(photos).data == photos


def test_data_that_are_not_there(photos: Path) -> None:
    text = refused(DataError, str(photos)[:-1])
    assert text.startswith(f"{str(photos)[:-1]}: there is no such file or folder; did you mean {photos}")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lenet", "lenet: there is no such file or folder; to choose the model, write model=lenet"),
        ("epochs", "epochs: there is no such file or folder; to set epochs, write epochs=VALUE without spaces"),
        ("batch-size", "batch-size: there is no such file or folder; to set batch_size, write batch_size=VALUE"),
        ("nothing", "nothing: there is no such file or folder; it was looked for from the folder /"),
        ("x" * 300, "xxx"),
    ],
)
def test_words_that_are_no_data(word: str, said: str) -> None:
    assert refused(DataError, word).startswith(said)


@pytest.mark.parametrize("name", ["", "a\0b", "~nobody-of-this-name/x", 5])
@pytest.mark.parametrize("what", ["data", "out"])
def test_what_can_be_no_path(name: Any, what: str) -> None:
    text = refused(UsageError, **{what: name})
    assert "can be no path" in text


def test_a_loop_of_links_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refused(SamoyedError, tmp_path / "a")


def test_nothing_is_written_into_the_data(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out in (photos, photos / "run", photos / "deep" / "run"):
        assert f"the run would be written into the data folder {photos}; work in another" in refused(
            UsageError, photos, out=out
        )
    monkeypatch.chdir(photos)
    assert "would be written into the data folder" in refused(UsageError, photos)
    assert "would be written into the data folder" in refused(UsageError, ".")
    assert planned(photos, out=photos.parent / "elsewhere").out == photos.parent / "elsewhere"
    assert not list(photos.iterdir())


def test_a_link_into_the_data_is_seen(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    assert "would be written into the data folder" in refused(UsageError, photos, out=tmp_path / "link" / "run")


def test_a_run_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run_folder(planned(out=tmp_path / "empty")) == tmp_path / "empty"
    (tmp_path / "empty" / "x").touch()
    assert refused(UsageError, out=tmp_path / "empty").endswith("is there already; name a new folder with --out DIR")
    assert "is there already" in refused(UsageError, out=tmp_path / "empty" / "x")


def test_runs_are_numbered() -> None:
    assert run_folder(planned()) == Path("runs/image-classification/1")
    (Path("runs/image-classification") / "notes").mkdir()
    (Path("runs/image-classification") / "41").mkdir()
    (Path("runs/image-classification") / "²").mkdir()  # a digit to Unicode, no number
    assert run_folder(planned()) == Path("runs/image-classification/42")


def test_two_runs_at_once_get_two_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def raced(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name == "1":
            mkdir(path)  # another process was quicker
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", raced)
    assert run_folder(planned()).name == "2"


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    Path("runs").touch()
    with pytest.raises(RunError, match=r"no folder can be made here: .*; name another with --out DIR"):
        run_folder(planned())
    with pytest.raises(RunError, match="no folder can be made here"):
        run_folder(planned(out=Path("runs") / "inside"))


def test_an_out_of_a_strange_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is there already" in refused(UsageError, out=tmp_path / "pipe")


@pytest.mark.parametrize("given", [{"epochs": 0}, {"model": "lennet"}, {"nothing": 1}, {"seed": -1}, {"seed": 2**64}])
def test_usage_errors_come_first(given: dict[str, Any]) -> None:
    refused(UsageError, "/no/such/folder", **given)
