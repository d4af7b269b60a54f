"""Likeness of pictures: losses, error rates of verification, neighbours, batches, splits, and a run from pictures to an answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn.metrics import roc_curve
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

import samoyed
from samoyed import catalog, samples
from samoyed.errors import DataError, UsageError
from samoyed.examples import Image
from samoyed.objectives import likeness_loss
from samoyed.run import Run, build
from samoyed.splitting import by_identity
from samoyed.tasks import Metric, _matching, _proxies
from samoyed.tasks._pictures import Images
from samoyed.tasks.image_similarity import ImageSimilarity, _number
from samoyed.training.evaluation import evaluate, pool


def embeddings(count: int = 9, size: int = 4, kinds: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    z = functional.normalize(torch.randn(count, size, generator=draw, dtype=torch.float64), dim=1)
    return z, torch.arange(count) % kinds


# The losses, against their equations in loops


@pytest.mark.parametrize("kind", _proxies.KINDS)
def test_losses_with_proxies_are_their_equations(kind: str) -> None:
    z, y = embeddings(9, 4, 3)
    proxies = torch.randn(5, 4, dtype=torch.float64)  # two of identities that are not in the batch
    p = [row / row.norm() for row in proxies]
    drawn, pushed, own = [], [], []
    for k in range(5):
        near = [z[a] @ p[k] for a in range(9)]
        mine = [(-32 * (near[a] - 0.1)).exp() for a in range(9) if y[a] == k]
        drawn += [(1 + sum(mine)).log()] if mine else []
        pushed.append((1 + sum((32 * (near[a] + 0.1)).exp() for a in range(9) if y[a] != k)).log())
    for a in range(9):
        scores = torch.stack([z[a] @ row for row in p]) / 0.1
        own.append(-(scores.exp() / scores.exp().sum()).log()[y[a]])
    expected = sum(drawn) / 3 + sum(pushed) / 5 if kind == "proxy_anchor" else sum(own) / 9
    assert float(_proxies.proxy_loss(kind, z, proxies, y).value()) == pytest.approx(float(expected), rel=1e-9)
    raw = proxies.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: _proxies.proxy_loss(kind, z, x, y).total, (raw,))


@pytest.mark.parametrize("kind", _proxies.KINDS)
def test_proxies_are_learned_saved_and_cut(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples.load
    monkeypatch.setattr(samples, "load", lambda name: (whole(name)[0][:320], whole(name)[1]))
    monkeypatch.setattr(ImageSimilarity, "pictures", lambda *given: [])
    made = {"loss": kind, "embedding_size": 16, "batch_size": 16, "quiet": True, "execution": "plain"}
    run = samoyed.train("image-similarity", out=tmp_path / "a", epochs=4, **made)
    again = Run.load(run.path)
    assert torch.equal(again.model.proxies, run.model.proxies)  # type: ignore[arg-type]
    assert len(again.model.proxies) == len(run.task.identities) > 1  # type: ignore[attr-defined, arg-type]
    rows = run.task.collate([e for e in whole("typefaces")[0][:320] if _number(str(e.label)) in run.task.identities])  # type: ignore[attr-defined]
    with torch.no_grad():
        near = run.task.embeddings(run.model, rows.images) @ functional.normalize(run.model.proxies, dim=1).T  # type: ignore[attr-defined, arg-type]
    own = rows.labels[:, None] == torch.tensor(run.task.identities)  # type: ignore[attr-defined]
    assert float(near[own].mean()) > float(near[~own].mean()) + 0.1
    example = whole("typefaces")[0][0]
    assert again.predict(example) == run.predict(example)
    monkeypatch.setattr(samples, "load", lambda name: (whole(name)[0][320:600], whole(name)[1]))
    other = samoyed.train("image-similarity", out=tmp_path / "b", max_steps=1, from_run=run.path, **made)
    assert set(other.task.identities).isdisjoint(run.task.identities)  # type: ignore[attr-defined]


def supcon(z: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for a in range(len(z)):
        others = [b for b in range(len(z)) if b != a]
        below = sum((z[a] @ z[b] / 0.1).exp() for b in others)
        terms = [-((z[a] @ z[p] / 0.1).exp() / below).log() for p in others if y[p] == y[a]]
        found += [sum(terms) / len(terms)] if terms else []  # type: ignore[list-item]
    return found


def prototypes(z: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for a in range(len(z)):
        scores, own = [], None
        for kind in sorted(set(y.tolist())):
            members = [b for b in range(len(z)) if y[b] == kind and b != a]
            if not members:
                continue
            scores.append(z[a] @ torch.stack([z[b] for b in members]).mean(0) / 0.1)
            own = scores[-1] if kind == int(y[a]) else own
        found += [torch.stack(scores).logsumexp(0) - own] if own is not None else []
    return found


def triplet(z: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    size = range(len(z))
    each = [
        (z[a] - z[p]).norm() - (z[a] - z[n]).norm() + 0.2
        for a in size for p in size for n in size
        if p != a and y[p] == y[a] and y[n] != y[a]
    ]  # fmt: skip
    return [value for value in each if value > 0]


def contrastive(z: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    pairs = [(a, b) for a in range(len(z)) for b in range(len(z)) if a != b]
    near = [(z[a] - z[b]).square().sum() for a, b in pairs if y[a] == y[b]]
    far = [(1 - (z[a] - z[b]).norm()).clamp(min=0).square() for a, b in pairs if y[a] != y[b]]
    return [(sum(near) / len(near) + sum(far) / len(far)) / 2]  # type: ignore[list-item]


LOSSES: dict[str, Callable[..., list[torch.Tensor]]] = {
    "supcon": supcon, "prototypes": prototypes, "triplet": triplet, "contrastive": contrastive,
}  # fmt: skip


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_its_equation(kind: str) -> None:
    z, y = embeddings()
    expected = torch.stack(LOSSES[kind](z, y)).mean()
    assert float(likeness_loss(kind, z, y).value()) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("kind", LOSSES)
def test_its_gradient_is_that_of_finite_differences(kind: str) -> None:
    z, y = embeddings(6, 3, 2, seed=1)
    raw = z.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: likeness_loss(kind, functional.normalize(x, dim=1), y).total, (raw,))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 0, 1]])
def test_a_batch_with_little_to_compare_gives_finite_gradients(kind: str, labels: list[int]) -> None:
    z, _ = embeddings(4)
    raw = z.clone().requires_grad_()
    mean = likeness_loss(kind, functional.normalize(raw, dim=1), torch.tensor(labels))
    mean.total.backward()
    assert torch.isfinite(mean.total)
    assert raw.grad is None or torch.isfinite(raw.grad).all()


# Error rates


def cloud(count: int = 120, kinds: int = 6, noise: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    labels = np.arange(count) % kinds
    return draw.normal(size=(kinds, 8))[labels] + noise * draw.normal(size=(count, 8)), labels


def test_the_equal_error_rate_is_scikit_learns() -> None:
    vectors, labels = cloud()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(len(labels), 1)
    accepts, hits, thresholds = roc_curve(labels[first] == labels[second], (units @ units.T)[first, second])
    at = int(np.argmin(np.abs(1 - hits - accepts)))
    found = _matching.roc(vectors, labels)
    assert found.equal == pytest.approx((accepts[at] + 1 - hits[at]) / 2, abs=2e-3)
    assert found.at == pytest.approx(thresholds[at], abs=5e-3)
    assert (np.diff(found.accepts) <= 1e-12).all()
    assert (np.diff(found.rejects) >= -1e-12).all()
    whole = _matching.equal_error_rate(np.column_stack([vectors, labels]))
    assert whole(np.ones(len(labels))) == pytest.approx(100 * found.equal)


def test_its_interval_is_the_bootstraps() -> None:
    """Against a bootstrap over pictures that makes all pairs anew; copies of one picture are no pair."""
    vectors, labels = cloud(90)
    rows = np.column_stack([vectors, labels])
    found = pool(np.stack([rows, np.ones_like(rows)]), Metric("%", percent=True, whole=_matching.equal_error_rate))
    draw = np.random.default_rng(0)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(len(labels), 1)
    genuine, near = labels[first] == labels[second], (units @ units.T)[first, second]
    again = []
    for _ in range(300):
        counts = np.bincount(draw.integers(0, 90, 90), minlength=90)
        weights = (counts[first] * counts[second]).astype(float)
        accepts, hits, _ = roc_curve(genuine[weights > 0], near[weights > 0], sample_weight=weights[weights > 0])
        again.append(100 * float(accepts[np.argmin(np.abs(1 - hits - accepts))]))
    low, high = np.quantile(again, (0.025, 0.975))
    assert found.high - found.low == pytest.approx(high - low, rel=0.3)
    assert (found.low, found.high) == (pytest.approx(low, abs=1.5), pytest.approx(high, abs=1.5))


def test_the_nearest_is_scikit_learns() -> None:
    vectors, labels = cloud(noise=1.5)
    near = NearestNeighbors(n_neighbors=2, metric="cosine").fit(vectors).kneighbors(vectors)[1][:, 1]
    found = _matching.nearest_error(np.column_stack([vectors, labels]))(np.ones(len(labels)))
    assert found == pytest.approx(100 * float((labels[near] != labels).mean()))


def test_what_cannot_be_told_apart_is_half_wrong() -> None:
    one = np.zeros((5, 3)) + 1.0
    assert _matching.roc(one, np.arange(5)).equal == 0.5
    assert _matching.roc(one, np.array([0, 0, 1, 1, 2])).equal == pytest.approx(0.5)


# Order and splits


def test_an_epoch_brings_pictures_of_one_identity_together() -> None:
    task = ImageSimilarity()
    labels = torch.cat([torch.full((n,), i) for i, n in enumerate([40, 23, 9, 5, 1, 2])])
    data = Images(torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8), labels)
    first, again, other = (task.order(data, seed, epoch) for seed, epoch in ((0, 1), (0, 1), (0, 2)))
    assert sorted(first.tolist()) == list(range(len(labels)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for some in labels[first].split(16):
        counts = some.bincount()
        assert (counts > 0).sum() >= 2
        assert counts.max() >= 2
    runs = (labels[first][1:] == labels[first][:-1]).float().mean()
    assert runs > 0.6


def pictures(kinds: int, each: int) -> list[Image]:
    return [Image(np.full((4, 4, 1), i, np.uint8), f"id{k}", f"{k}-{i}") for k in range(kinds) for i in range(each)]


def test_whole_identities_are_held_out() -> None:
    split = by_identity({"all": pictures(20, 3)}, 0, label=lambda e: str(e.label))
    names = [{e.label for e in part} for part in split[:3]]
    assert [len(some) for some in names] == [11, 3, 6]
    assert len(set().union(*names)) == 20
    assert sum(map(len, split[:3])) == 60
    assert "6 identities" in split.rule
    other = by_identity({"all": pictures(20, 3)}, 1, label=lambda e: str(e.label))
    assert {e.label for e in other.test} != names[2]
    named = by_identity({"train": pictures(10, 3), "test": pictures(2, 2)}, 0, label=lambda e: str(e.label))
    assert len(named.test) == 4
    assert len({e.label for e in named.valid}) == 2
    with pytest.raises(DataError, match="5 identities are too few"):
        by_identity({"all": pictures(5, 3)}, 0, label=lambda e: str(e.label))


def test_one_picture_of_each_leaves_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="nothing can be compared"):
        ImageSimilarity().fit(pictures(8, 1))


# A run


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 characters of the sample as files, halved in size."""
    folder = tmp_path_factory.mktemp("letters")
    for i, example in enumerate(samples.load("typefaces")[0][: 16 * 40]):
        where = folder / f"u{ord(str(example.label)):04x}"
        where.mkdir(exist_ok=True)
        Pillow.fromarray(example.pixels[:, :, 0]).resize((12, 12)).save(where / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("run") / "run"
    return samoyed.train("image-similarity", letters, epochs=8, out=out, quiet=True, width=0.5, embedding_size=16)


def test_it_tells_letters_apart_that_it_never_saw(run: Run) -> None:
    test = run.metrics["test"]
    split = run.task.split({"all": run.task.gathered(_read(run))}, 0)
    untrained = build(run.task, catalog.model(catalog.task("image-similarity"), "lenet"), {"width": 0.5})
    before = evaluate(run.task, untrained, run.task.collate(split.test))["equal_error_rate"]
    assert test["equal_error_rate"]["high"] < before.low
    assert test["equal_error_rate"]["value"] < 20
    assert test["nearest_error"]["value"] < 40
    assert not {e.label for e in split.test} & {e.label for e in split.train}


def _read(run: Run) -> list[Image]:
    from samoyed.sources import open_splits

    return list(open_splits("Image", Path(run.config["data"]), run.task.source_options())["all"].examples())  # type: ignore[arg-type]


def test_an_answer_names_the_nearest_and_survives_saving(run: Run, letters: Path) -> None:
    picture = sorted(letters.rglob("*.png"))[3]
    answer = run.predict(picture)
    assert json.loads(json.dumps(answer, allow_nan=False)) == Run.load(run.path).predict(picture)
    assert len(answer["nearest"]) == 5
    likeness = [near["likeness"] for near in answer["nearest"]]
    assert likeness == sorted(likeness, reverse=True)
    assert all(near["picture"] != str(picture) for near in answer["nearest"])
    assert np.linalg.norm(answer["embedding"]) == pytest.approx(1, abs=1e-4)
    assert answer["label"] in (answer["nearest"][0]["identity"], "unknown")
    far = run.predict(np.random.default_rng(0).integers(0, 256, (12, 12)).astype(np.uint8))
    assert (far["label"] == "unknown") == (far["nearest"][0]["likeness"] < far["threshold"])


def test_two_pictures_are_compared_at_the_shell(run: Run, letters: Path, command: Callable[..., Any]) -> None:
    folders = sorted(letters.iterdir())
    one, two = sorted(folders[0].iterdir())[:2]
    other = next(iter(folders[7].iterdir()))
    said = command("predict", run.path, one, two, other, "--json")
    pairs = json.loads(said.out)["pairs"]
    assert [pair["pictures"] for pair in pairs] == [
        [str(one), str(two)],
        [str(one), str(other)],
        [str(two), str(other)],
    ]
    assert all(pair["same"] == (pair["likeness"] >= run.task.threshold) for pair in pairs)  # type: ignore[attr-defined]
    assert pairs[0]["likeness"] > pairs[1]["likeness"]
    assert " and " in command("predict", run.path, one, two).out


def test_the_report_draws_it(run: Run) -> None:
    for name in ("roc", "likeness", "neighbours", "map"):
        with Pillow.open(run.path / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 150
    assert "equal error rate" in run.report.read_text("utf-8")


def test_fitted_models_are_not_offered() -> None:
    assert "gaussian_kernel" not in [name for name, _ in samoyed.models("image-similarity").items()]
    with pytest.raises(UsageError, match="does not fit this task"):
        samoyed.train("image-similarity", model="gaussian_kernel")


def test_known_pictures_are_checked(run: Run) -> None:
    state = run.task.state()
    for wrong in ({"vectors": "?"}, {"origins": []}, {"vectors": state["known"]["vectors"][:-8]}):
        with pytest.raises(ValueError, match=r"known"):
            ImageSimilarity(embedding_size=16).restore({**state, "known": {**state["known"], **wrong}})


def test_the_sample_is_what_it_says() -> None:
    found, _ = samples.load("typefaces")
    names = [e.label for e in found]
    assert len(found) == 16 * len(set(names))
    assert len(set(names)) > 100
    assert all(e.pixels.shape == (24, 24, 1) and e.pixels.max() > 100 for e in found)
