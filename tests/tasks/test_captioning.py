"""Image captioning: references of which there are several, what is left out, where it looks, and that it learns to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import samoyed
from samoyed import samples
from samoyed.errors import DataError, UsageError
from samoyed.examples import CaptionedImage
from samoyed.recipes import captions as recipe
from samoyed.reporting.captions import lit, mass_inside, place
from samoyed.run import Run
from samoyed.samples import shape_scenes
from samoyed.samples.shape_scenes import COLOURS, SIDE, scenes
from samoyed.tasks._pairs import bleu, chrf, statistics
from samoyed.tasks.image_captioning import ImageCaptioning

SMALL: dict[str, Any] = {"width": 8, "hidden_size": 32, "embedding_size": 16, "quiet": True, "execution": "plain"}


def picture(value: int, *captions: str) -> CaptionedImage:
    return CaptionedImage(np.full((8, 8, 1), value, np.uint8), captions, f"picture {value}")


def test_several_references_count_as_sacrebleu_counts_them() -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    said = ["a red dog runs", "two cats", "the house"]
    references: list[list[str | None]] = [
        ["a dog runs fast", "two black cats sit", "a house"],
        ["a red dog", None, "the big house"],
    ]
    for name, pooled, judge in (("bleu", bleu, BLEU()), ("chrf", chrf, CHRF())):
        sums = statistics(name, said, *references).sum(0).numpy()
        assert pooled(sums) == pytest.approx(judge.corpus_score(said, references).score)  # type: ignore[arg-type]


def test_captions_are_padded_and_their_count_may_differ() -> None:
    task = ImageCaptioning(max_words=3)
    examples = [picture(i, "a Dog", "the black dog runs away") if i % 2 else picture(i, "a cat") for i in range(20)]
    examples += [picture(30), picture(31, "one two three four")]
    split = task.split({"all": examples}, 0)
    assert sum(map(len, split[:3])) == 20
    assert task.left_out == 11
    task = ImageCaptioning()
    task.fit(examples[:20])
    assert task.vocabulary.encode("a dog").min() > 0
    batch = task.collate([*examples[:3], picture(5)])
    assert batch.lengths.tolist() == [[3, 0], [3, 6], [3, 0], [0, 0]]
    assert batch.mask().sum() == 15
    boundary = len(task.vocabulary)
    assert (batch.captions[~batch.mask()] == boundary).all()
    assert task.vocabulary.text(batch.captions[1, 1, :5]) == "the black dog runs away"
    trimmed = task.collate(examples[:1]).trimmed()
    assert trimmed.captions.shape == (1, 1, 3)


def test_a_picture_is_read_in_every_form(tmp_path: Path) -> None:
    task = ImageCaptioning()
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "a.png")
    assert task.read(tmp_path / "a.png").pixels.shape == (5, 7, 1)
    assert task.read(np.zeros((5, 7), np.uint8)).pixels.shape == (5, 7, 1)
    (tmp_path / "b.png").write_bytes(b"")
    for raw, error in (
        (tmp_path / "b.png", DataError),
        (np.zeros(3), UsageError),
        (7, UsageError),
        ("x.png", DataError),
    ):
        with pytest.raises(error):
            task.read(raw)


def test_scenes_are_as_their_captions_say() -> None:
    """In its box a thing has its colour; the boxes lie as the relation says, apart, and within the picture; the first is larger."""
    for scene in scenes(200, seed=3):
        first, second = scene.things
        pixels = scene.example.pixels.astype(float)
        for thing in scene.things:
            left, top, right, bottom = thing.box
            assert 0 <= left < right <= SIDE
            assert 0 <= top < bottom <= SIDE
            middle = pixels[(2 * top + 3 * bottom) // 5, (left + right) // 2]
            nearest = min(COLOURS, key=lambda name: np.abs(np.array(COLOURS[name]) - middle).sum())
            assert nearest == thing.colour
        assert first.box[2] - first.box[0] > second.box[2] - second.box[0]
        short, long = scene.example.captions
        axis, ahead = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}[
            next(r for r in ("left of", "right of", "above", "below") if r in short)
        ]
        one, two = (first, second) if ahead == 1 else (second, first)
        assert one.box[axis + 2] < two.box[axis]
        words = [f"{t.colour} {t.shape}" for t in scene.things]
        assert short.startswith(f"a {words[0]} ")
        assert short.endswith(f" a {words[1]}")
        assert long.startswith(f"a large {words[0]} is ")
        assert long.endswith(f" a small {words[1]}")


def test_mass_inside_a_box() -> None:
    weights = torch.zeros(4, 6)
    weights[1, 2], weights[3, 5] = 0.75, 0.25
    assert mass_inside(weights, (20, 10, 30, 20), (40, 60)) == pytest.approx(0.75)
    assert mass_inside(weights, (25, 10, 30, 15), (40, 60)) == pytest.approx(0.75 / 4)
    assert mass_inside(weights, (0, 0, 60, 40), (40, 60)) == pytest.approx(1)
    assert place(weights) == [round(2.5 / 6, 3), 0.375]
    image = torch.full((3, 4, 6), 100, dtype=torch.uint8)
    shown = lit(image, weights).mean(2)
    assert shown[72, 80] > shown[10, 10] + 50


def test_words_are_led_to_their_boxes() -> None:
    (scene,) = scenes(1)
    one, two = scene.things
    words = [(word, torch.ones(1)) for word in scene.example.captions[1].split()]
    boxes = recipe.boxes(words, scene)
    named = {"a", "large", "small", "is", "left", "right", "of", "above", "below"}
    for (word, _), box in zip(words, boxes, strict=True):
        assert box == (None if word in named else one.box if word in (one.colour, one.shape) else two.box)


@pytest.fixture(scope="module", autouse=True)
def small_sample() -> Iterator[None]:
    """The sample's first 240 scenes."""
    whole, about = samples.load("shape_scenes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "load", lambda name: (whole[:240], about))
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return samoyed.train("image-captioning", out=tmp_path_factory.mktemp("run") / "run", max_steps=60, **SMALL)


def test_an_answer_says_where_it_looks(run: Run, tmp_path: Path) -> None:
    examples = samples.load("shape_scenes")[0][:3]
    answers = run.task.answers(run.model, examples)
    for example, answer in zip(examples, answers, strict=True):
        assert answer == run.predict(example)
        assert json.loads(json.dumps(answer)) == answer
        assert [w["word"] for w in answer["words"]] == answer["text"].split()
        assert all(0 < at < 1 for w in answer["words"] for at in w["at"])
        assert answer["alternatives"][0]["text"] == answer["text"]
        why = run.task.explain(run.model, example)  # type: ignore[attr-defined]
        assert [w["word"] for w in why["heats"]] == answer["text"].split()
        assert all(np.sum(w["heat"]) == pytest.approx(1, abs=1e-2) for w in why["heats"])
    Image.fromarray(examples[0].pixels).save(tmp_path / "scene.png")
    found = run.explain(tmp_path / "scene.png", tmp_path / "out")
    assert found["answer"]["text"] == answers[0]["text"]
    assert Path(found["pictures"][0]).stat().st_size > 2000


def test_a_run_that_learned_little_does_not_hold(run: Run, tmp_path: Path) -> None:
    outcome = recipe.outcome(run, scenes(20, seed=1), tmp_path)
    assert outcome.holds is False
    assert outcome.pictures[0].is_file()
    assert 5 < outcome.measured["by_chance"] < 20


def test_hard_attention_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageCaptioning, "pictures", lambda *given: [])
    settings = SMALL | {"hard": True, "max_steps": 60, "beam_width": 1, "learning_rate": 0.02}
    made = samoyed.train("image-captioning", out=tmp_path / "run", **settings)
    assert made.metrics["test"]["loss"]["value"] < 2.2  # 3.3 is knowing nothing, 2.8 how often each word is said


def test_the_sample_is_what_it_says() -> None:
    found, about = shape_scenes.examples(), str(shape_scenes.__doc__)
    assert len(found) == 1500
    assert "1,500" in about
    assert all(len(e.captions) == 2 for e in found)
