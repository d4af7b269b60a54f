"""The search on a made-up landscape whose best is known, its memory, several at work on it; and one true search on digits."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samoyed
from samoyed import catalog
from samoyed.errors import RunError, UsageError
from samoyed.tuning import confirming, front, page, study

optuna = pytest.importorskip("optuna", reason="the extra tune is not installed")


@pytest.fixture
def landscape(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """In place of training: best at learning_rate 0.01 and dropout 0.3, and a little luck for each seed. What was asked is kept."""
    asked: list[Any] = []

    def value_of(plan: Any, seed: int) -> float:
        settled = {**plan.settled["model"], **plan.settled["training"]}
        asked.append((plan, seed))
        rate, dropout = settled["learning_rate"], settled["dropout"]
        return 5 + abs(math.log10(rate / 0.01)) * 3 + abs(dropout - 0.3) * 10 + 0.01 * seed

    def measured(job: Any, plan: Any, seed: int, hopeless: Any = None, seconds: float = 0.0, stop: Any = None) -> Any:
        value = value_of(plan, seed)
        for epoch in range(1, plan.settled["training"]["epochs"] + 1):
            if hopeless(value + 20 / epoch, epoch):
                return value + 20 / epoch, "hopeless"
        return value, ""

    monkeypatch.setattr(study, "measured", measured)
    monkeypatch.setattr(study, "_WORTH", 0.0)
    monkeypatch.setattr(confirming, "held", lambda job, plan, seed: entries_of(value_of(plan, seed), seed))
    return asked


def entries_of(value: float, seed: int = 0, examples: int = 40) -> Any:
    """What an error of `value` % is pooled from, the same examples being harder in all trainings."""
    hard = np.random.default_rng(0).normal(0, 0.01, examples)
    return np.stack([value / 100 + hard - hard.mean(), np.ones(examples)])


def begun(folder: Path, budget: float = 3600.0, **pairs: str) -> study.Search:
    plan, models, ranges, _ = front.checked("image-classification", None, {"model": "lenet", **pairs}, "1h")
    return study.begin(plan, models, ranges, folder, budget, True)


def test_it_finds_the_best_and_ends_the_hopeless(landscape: list[Any], tmp_path: Path) -> None:
    search = begun(tmp_path)
    study.carry_out(search, 40)
    ranked = confirming.means(search)
    default = next(mean for mean, _, trial in ranked if trial.number == 0)
    assert ranked[0][0] < 6.5 < default
    assert {seed for _, seed in landscape} == {0, 1, 2, 3, 4}
    assert ranked[0][1] == 4
    states = page._states(search)
    assert states["ended early"] >= 5
    first = landscape[0][0].settled
    usual = catalog.settle(search.plan.task_form, search.plan.model_form, {})
    assert {**first["model"], **first["training"], "weight_decay": 0} == {
        **usual["model"],
        **usual["training"],
        "weight_decay": 0,
    }
    shares = page.importances(search)
    assert set(list(shares)[:2]) == {"learning_rate", "dropout"}
    written = page.write(search, None, page.facts(search)).read_text("utf-8")
    assert "learning_rate" in written
    assert {p.stem for p in (tmp_path / "plots").glob("*.png")} == {"history", "importance", "slices"}


def test_where_settings_do_not_matter_about_half_is_ended_and_nobody_too_early(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Figures by luck alone, each epoch's too, as on a series of a few windows."""
    draw, ended = np.random.default_rng(0), []

    def measured(job: Any, plan: Any, seed: int, hopeless: Any, seconds: float = 0.0, stop: Any = None) -> Any:
        best = math.inf
        for epoch in range(1, 31):
            best = min(best, 10 + 30 / epoch + draw.normal())
            if hopeless(best, epoch):
                ended.append(epoch)
                return best, "hopeless"
        return best, ""

    monkeypatch.setattr(study, "measured", measured)
    monkeypatch.setattr(study, "_WORTH", 0.0)
    search = begun(tmp_path, epochs="30")
    for _ in range(40):
        search.run(search.propose(), 60)
    assert 8 <= len(ended) <= 28
    assert min(ended) >= 10
    monkeypatch.setattr(study, "_WORTH", 10.0)
    ended.clear()
    for _ in range(5):
        search.run(search.propose(), 60)
    assert not ended


@pytest.mark.parametrize(("examples", "apart", "chosen"), [(3, 1, 0), (40, 20, 0), (40, 1, 1), (12, 1, 1)])
def test_the_defaults_are_left_only_for_more_than_chance(
    landscape: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examples: int, apart: int, chosen: int
) -> None:
    """On every validation example the best is better; but three say little, and so do two groups of examples that hang together."""
    known = confirming.held
    monkeypatch.setattr(confirming, "held", lambda *given: known(*given)[:, :examples])
    search = begun(tmp_path)
    monkeypatch.setattr(type(search.job.task), "apart", apart)
    study.carry_out(search, 12)
    won, found = confirming.winner(search), page.facts(search)
    assert won.best.number == found["best"]["trial"] > 0
    assert (won.chosen.number > 0) == (chosen > 0)
    assert won.p == found["chosen"]["p"]
    said = page.verdict(search, found)
    assert ("the defaults are kept" if not chosen else "more than chance") in said
    assert ("no more than chance" in said) == (not chosen)


def test_who_was_lucky_with_one_seed_is_found_out(
    landscape: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With other seeds the best trial is as bad as all but one."""
    search = begun(tmp_path)
    for _ in range(8):
        search.run(search.propose(), 60)
    lucky, good = (t.number for t in confirming.candidates(search)[:2])
    kept = search.plan_of(search.study.trials[good]).settled
    monkeypatch.setattr(
        confirming, "held", lambda job, plan, seed: entries_of(2.0 if plan.settled == kept else 30.0, seed)
    )
    confirming.confirm(search)
    assert confirming.means(search)[0][2].number == good
    assert confirming.winner(search).chosen.number == good
    assert lucky != good


def test_without_time_for_other_seeds_it_is_said_that_the_best_may_be_luck(
    landscape: list[Any], tmp_path: Path
) -> None:
    search = begun(tmp_path)
    for _ in range(8):
        search.run(search.propose(), 60)
    search.budget = 0.0
    confirming.confirm(search)
    found = page.facts(search)
    assert found["best"]["seeds"] == 1
    assert found["chosen"]["p"] is None
    assert "may be luck" in page.verdict(search, found)


def test_it_goes_on_where_it_was(landscape: list[Any], tmp_path: Path) -> None:
    study.carry_out(begun(tmp_path), 6)
    before = len(landscape)
    search = begun(tmp_path)
    assert len(search.study.trials) == 6
    study.carry_out(search, 9)
    assert len(search.study.trials) == 9
    assert len(landscape) - before >= 3
    assert next(plan for plan, seed in landscape[before:] if seed == 0).settled != landscape[0][0].settled
    with pytest.raises(UsageError, match="begun with other settings"):
        begun(tmp_path, epochs="3")


def test_a_trial_whose_process_is_gone_is_ended(landscape: list[Any], tmp_path: Path) -> None:
    search = begun(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom samoyed.tuning.journal import opened, process\n"
        "study = opened(Path(sys.argv[1]), 'minimize')\nstudy.ask().set_user_attr('process', process())\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)
    assert [t.state.name for t in search.study.trials] == ["RUNNING"]
    assert [t.state.name for t in begun(tmp_path).study.trials] == ["FAIL"]


def test_processes_share_one_search(landscape: list[Any], tmp_path: Path) -> None:
    """Two searches that are open at once on one file see each other's trials, and none has the other's numbers."""
    first, second = begun(tmp_path), begun(tmp_path)
    for search in (first, second, first, second):
        search.run(search.propose(), 60)
    assert sorted(t.number for t in first.study.trials) == sorted(t.number for t in second.study.trials) == [0, 1, 2, 3]
    settings = [json.dumps(t.params, sort_keys=True) for t in first.study.trials]
    assert len(set(settings)) == 4


def test_several_models_have_their_own_settings(landscape: list[Any], tmp_path: Path) -> None:
    search = begun(tmp_path, model="lenet,mlp", learning_rate="0.001..0.1")
    study.carry_out(search, 12)
    models = {plan.model for plan, _ in landscape}
    assert models == {"lenet", "mlp"}
    for plan, _ in landscape:
        assert 0.001 <= plan.settled["training"]["learning_rate"] <= 0.1
    for trial in search.study.trials:
        owner = trial.params["model"]
        assert all(name == "model" or name.startswith(f"{owner}.") for name in trial.params)


def test_what_cannot_be_trained_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measured(*given: Any, **more: Any) -> Any:
        raise UsageError("lenet cannot be built")

    monkeypatch.setattr(study, "measured", measured)
    search = begun(tmp_path)
    with pytest.raises(RunError, match="lenet cannot be built"):
        study.carry_out(search, 3)
    assert page._states(search) == {"failed": 3}


def test_a_damaged_study_is_said(landscape: list[Any], tmp_path: Path) -> None:
    (tmp_path / "study.jsonl").write_bytes(b"\x00\xff nonsense\n" * 40)
    with pytest.raises(RunError, match="cannot be read"):
        begun(tmp_path)


def test_a_true_search_ends_in_a_run(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
    words = ("model=linear", "max_steps=12", "execution=plain")
    said = command("tune", "image-classification", *words, "--budget", "10min", "--trials", "3", "--json", "-q")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    run = samoyed.load(found["run"])
    assert found["run"] == "runs/image-classification/1"
    assert run.config["model"] == "linear"
    assert found["trials"] == 3
    assert found["best"]["seeds"] == 4
    chosen = found["chosen"]["settings"]
    for name, value in chosen.items() if found["chosen"]["trial"] else ():
        assert run.config["settings"]["training"][name] == pytest.approx(value)
    assert str(run.path) in Path(found["page"]).read_text("utf-8")


def test_the_seed_decides_what_is_tried(landscape: list[Any], tmp_path: Path) -> None:
    tried = []
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        search = begun(tmp_path / name, seed=seed)
        study.carry_out(search, 12)
        tried.append([trial.params for trial in search.study.trials])
    assert tried[0] == tried[1]
    assert tried[0] != tried[2]
