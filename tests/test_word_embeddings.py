"""Word embeddings, from a text to answers, to files that others read, and to what files of questions say."""

from pathlib import Path

import numpy as np
import pytest

import samoyed
from samoyed.errors import DataError, SamoyedError
from samoyed.explaining import word_map, word_tests
from samoyed.features import vectors
from samoyed.run import Run


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of two worlds, whose words never meet."""
    draw = np.random.default_rng(0)
    worlds = [["cat", "dog", "horse", "cow", "sheep", "goat"], ["red", "blue", "green", "pink", "black", "white"]]
    lines = [" ".join(draw.choice(worlds[i % 2], 8)) for i in range(600)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("files")
    pairs = [
        f"{a}\t{b}\t{s}" for a, b, s in (("cat", "dog", 9), ("red", "pink", 8), ("cat", "red", 1), ("cow", "blue", 0))
    ]
    (folder / "pairs.txt").write_text("\n".join([*pairs, "cat\tzebra\t5"]))
    (folder / "questions.txt").write_text(": animals\ncat dog horse cow\ncat dog horse zebra\n")
    return samoyed.train(
        "word-embeddings", text, out=folder / "run", quiet=True, embedding_size=16, subsample=0, epochs=5, threads=1,
        learning_rate=0.1, similarity=str(folder / "pairs.txt"), analogies=str(folder / "questions.txt"),
    )  # fmt: skip


def test_words_of_one_world_are_near_each_other(run: Run) -> None:
    for word, world in (
        ("cat", {"dog", "horse", "cow", "sheep", "goat"}),
        ("RED", {"blue", "green", "pink", "black", "white"}),
    ):
        assert set(list(run.predict(word)["nearest"])[:5]) == world
    assert set(list(run.predict("cat dog")["nearest"])[:4]) <= {"horse", "cow", "sheep", "goat"}
    answer = run.predict("cat : dog :: red")
    assert not {"cat", "dog", "red"} & set(answer["nearest"])
    assert "blue" in run.task.say(answer)
    losses = run.metrics["test"]
    assert losses["loss"]["value"] < 4.1
    assert losses["error"]["value"] < 40


def test_the_files_are_the_vectors(run: Run) -> None:
    found = [vectors.read(run.path / name) for name in ("vectors.txt", "vectors.bin")]
    assert found[0].words == found[1].words == run.task.known.words
    assert np.array_equal(found[0].vectors, found[1].vectors)
    assert np.array_equal(found[1].vectors, run.task.vectors(run.model))


def test_gensim_reads_them(run: Run) -> None:
    models = pytest.importorskip("gensim.models")
    for name, binary in (("vectors.txt", False), ("vectors.bin", True)):
        keyed = models.KeyedVectors.load_word2vec_format(str(run.path / name), binary=binary)
        assert keyed.index_to_key == run.task.known.words
        assert np.array_equal(keyed.vectors, run.task.vectors(run.model))
        near = keyed.most_similar("cat", topn=5)
        assert {w for w, _ in near} == set(list(run.predict("cat")["nearest"])[:5])
        for word, cosine in near:
            assert run.predict("cat")["nearest"][word] == pytest.approx(cosine, abs=1e-5)
        keyed.save_word2vec_format(str(run.path.parent / name), binary=binary)
        assert np.array_equal(vectors.read(run.path.parent / name).vectors, keyed.vectors)


def test_files_of_questions_are_answered(run: Run) -> None:
    import json

    pairs, questions = json.loads((run.path / "word_tests.json").read_text())
    assert (pairs["known"], pairs["pairs"]) == (4, 5)
    assert pairs["value"] > 0.5
    assert (questions["known"], questions["questions"]) == (1, 2)


def test_similarity_and_analogies_are_those_of_the_definitions(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    units = word_tests.unit(draw.standard_normal((30, 6)).astype(np.float32))
    (tmp_path / "p.txt").write_text("\n".join(f"{i} {(7 * i + 3) % 30} {draw.random()}" for i in range(25)))
    found = word_tests.similarity(tmp_path / "p.txt", units, int)
    from scipy.stats import spearmanr

    rows = [line.split() for line in (tmp_path / "p.txt").read_text().splitlines()]
    cosines = [float(units[int(a)] @ units[int(b)]) for a, b, _ in rows]
    assert found.value == pytest.approx(spearmanr(cosines, [float(s) for *_, s in rows]).statistic)
    assert found.low < found.value < found.high
    questions = draw.integers(0, 30, (20, 3))
    for (a, b, c), answer in zip(questions, word_tests.nearest_to(questions, units), strict=True):
        scores = [float(v @ (units[b] - units[a] + units[c])) for v in units]
        assert answer == max((i for i in range(30) if i not in (a, b, c)), key=lambda i: scores[i])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("similarity", "a b\n", ":1: is no pair"), ("similarity", "a b 1\na b x\n", ":2: is no pair"), ("analogies", "a b c\n", ":1: has 3 words"), ("analogies", "", "empty")],
)  # fmt: skip
def test_wrong_files_of_questions_are_refused(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / "q.txt").write_text(content)
    read = word_tests.similarity if name == "similarity" else word_tests.analogies
    with pytest.raises(DataError, match=said):
        read(tmp_path / "q.txt", np.zeros((2, 2), np.float32), lambda word: 0)
    with pytest.raises(DataError, match="no file of analogies"):
        word_tests.files(str(tmp_path / "none"), "analogies")


def test_what_is_no_word_is_refused(run: Run, tmp_path: Path) -> None:
    for raw, said in (
        ("catt", "did you mean cat"),
        ("qqq", "too rare"),
        ("a : b :: ", "is no analogy"),
        ("", "is no word"),
    ):
        with pytest.raises(SamoyedError, match=said):
            run.predict(raw)
    (tmp_path / "few.txt").write_text("one two three four five six seven\n" * 3)
    with pytest.raises(DataError, match=r"fewer than two|too few words"):
        samoyed.train("word-embeddings", tmp_path / "few.txt", out=tmp_path / "run", quiet=True)


def test_names_on_the_map_do_not_overlap() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    made, named = word_map.draw([f"word{i}" for i in range(60)], rows)
    renderer = FigureCanvasAgg(made).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in made.axes[0].texts]
    assert len(boxes) == named > 30
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
