"""Exported files against the runs they come from: every task and model that has a graph, any batch, any length of time."""

import csv
import io
import subprocess
import sys
import warnings
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import samoyed
from samoyed import catalog, samples
from samoyed.errors import UsageError
from samoyed.examples import Text
from samoyed.features import lines
from samoyed.layers import recurrence
from samoyed.run import Run

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript")

from samoyed.exporting.onnx_file import AGREES, export  # noqa: E402
from samoyed.exporting.recurrent import AsOnnx  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {  # settings that make a model quick to export and odd enough to be told apart
    "lstm": {"peephole": True}, "gru": {}, "rnn": {"nonlinearity": "relu"}, "feedforward": {}, "mlp": {},
    "linear": {}, "lenet": {}, "naive": {}, "seasonal_naive": {}, "lenet5": {}, "gaussian_kernel": {}, "local_net": {},
    "maxout_conv": {}, "resnet": {}, "dilated_conv": {"activation": "gated", "weight_norm": True},
}  # fmt: skip
SIGNALS = [
    ("audio-classification", "tdnn"), ("audio-classification", "conv_1d"), ("audio-classification", "lstm"),
    ("audio-classification", "gru"), ("audio-classification", "rnn"), ("video-classification", "conv_3d"),
    ("video-classification", "lrcn"), ("video-classification", "frame_conv"), ("video-tagging", "lrcn"),
    ("video-tagging", "conv_3d"), ("video-tagging", "frame_conv"), ("volume-classification", "conv_3d"), ("image-similarity", "lenet"),
    *(("text-classification", model) for model in ("text_cnn", "bag_of_words", "fasttext", "char_cnn", "lstm")),
    ("sequence-tagging", "window_mlp"), ("sequence-tagging", "lstm"), ("automatic-speech-recognition", "tdnn"),
    ("automatic-speech-recognition", "bilstm_ctc"), ("automatic-speech-recognition", "resnet_ctc"), ("text-line-recognition", "crnn"),
]  # fmt: skip
PAIRS = [
    (task, model)
    for task in ("image-classification", "text-generation", "time-series-forecasting")
    for model in catalog.models_for(catalog.task(task))
    if model in SMALL
] + SIGNALS


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Run]:
    made: dict[tuple[str, str], Run] = {}

    def train(task: str, model: str) -> Run:
        if (task, model) not in made:
            form = catalog.model(catalog.task(task), model)
            given = {key: value for key, value in SMALL.get(model, {}).items() if key in form.settings}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
                examples, about = samples.load(catalog.task(task).load().sample)
                few = [replace(e, text=e.text[:4000]) if hasattr(e, "text") else e for e in examples[:150]]
                patch.setattr(samples, "load", lambda name: (few[:1] if isinstance(few[0], Text) else few, about))
                out = tmp_path_factory.mktemp("exported") / "run"
                made[task, model] = samoyed.train(task, model=model, out=out, quiet=True, max_steps=2, **given)
        return made[task, model]

    return train


@pytest.mark.parametrize(("task", "model"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_the_file_answers_as_the_run(task: str, model: str, trained: Callable[[str, str], Run], tmp_path: Path) -> None:
    """`export` itself compares batches of 1, 2 and 5, and texts of three lengths."""
    found = export(trained(task, model), tmp_path)
    assert found["difference"] <= AGREES


def test_the_file_sees_as_many_views_as_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples.load
    monkeypatch.setattr(samples, "load", lambda name: (whole(name)[0][:150], whole(name)[1]))
    run = samoyed.train("image-classification", test_views="shifted", out=tmp_path / "run", quiet=True, max_steps=2)
    assert export(run, tmp_path / "file")["difference"] <= AGREES


@pytest.mark.parametrize(
    "layer",
    [
        recurrence.LSTM(3, 5, 2, bidirectional=True), recurrence.LSTM(3, 5, forget="coupled", peephole=True),
        recurrence.LSTM(3, 5, peephole=True, bias=False), recurrence.GRU(3, 5, 2, reset="before"),
        recurrence.GRU(3, 5, bidirectional=True), recurrence.RNN(3, 5, nonlinearity="relu", batch_first=True),
    ],
)  # fmt: skip
def test_every_recurrent_cell_is_onnx_s_own(layer: Any) -> None:
    made = AsOnnx(layer).eval()
    x = torch.randn(4, 2, 3)
    dynamic = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        program = torch.onnx.export(made, (x,), dynamo=True, opset_version=22, dynamic_shapes=dynamic, verbose=False)
    kinds = {node.op_type for node in program.model_proto.graph.node}
    assert kinds & {"LSTM", "GRU", "RNN"}
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for shape in ((4, 2, 3), (9, 1, 3), (2, 7, 3)):
        x = torch.randn(shape)
        with torch.inference_mode():
            y, state = layer(x)
        found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for ours, theirs in zip([y, *(state if isinstance(state, tuple) else [state])], found, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("given", [{"layer_norm": True}, {"forget": "none"}])
def test_what_onnx_lacks_is_said(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot be exported"):
        AsOnnx(recurrence.LSTM(3, 5, **given))


def script(folder: Path, *words: object) -> str:
    """What the script beside the file prints, run where Samoyed and torch cannot be imported."""
    code = "import sys; sys.modules.update(samoyed=None, torch=None); import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    words = (sys.executable, "-c", code, folder / "run.py", *words)
    said = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_the_script_says_what_the_run_says(trained: Callable[[str, str], Run], tmp_path: Path) -> None:
    run = trained("image-classification", "lenet")
    found = export(run, tmp_path / "i", int8=True)
    assert found["int8_bytes"] < 0.6 * found["bytes"] or found["bytes"] < 200_000
    image = samples.load("digits")[0][0]
    np.save(tmp_path / "digit.npy", image.pixels[:, :, 0])
    name, share = script(tmp_path / "i", tmp_path / "digit.npy").splitlines()[0].split("\t")
    answer = run.predict(image)
    assert (name, float(share)) == (answer["label"], pytest.approx(answer["probs"][name], abs=1e-5))
    assert len((tmp_path / "i" / "run.py").read_text().splitlines()) <= 22

    run = trained("time-series-forecasting", "gru")
    export(run, tmp_path / "s")
    series = samples.load("airline_passengers")[0][0]
    rows = [["month", "passengers"], *([t, f"{v:g}"] for t, v in zip(series.times, series.values[:, 0], strict=True))]
    table = io.StringIO()
    csv.writer(table).writerows(rows)
    (tmp_path / "air.csv").write_text(table.getvalue())
    said = [float(line) for line in script(tmp_path / "s", tmp_path / "air.csv").split()]
    assert said == pytest.approx(run.predict(series)["forecast"], rel=1e-4)

    run = trained("text-generation", "lstm")
    export(run, tmp_path / "t")
    assert script(tmp_path / "t", "def ", 20) == run.task.say(run.generate("def ", length=20, temperature=0)) + "\n"


def test_the_scripts_hear_and_see_what_the_run_does(trained: Callable[[str, str], Run], tmp_path: Path) -> None:
    """Of recordings too, whose mel bands the script computes by itself: in another precision, hence the wider tolerance."""
    run = trained("audio-classification", "lstm")
    export(run, tmp_path / "a")
    sound = samples.load("synthetic_digits")[0][3]
    path = tmp_path / "digit.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes((sound.samples * 32767).astype("<i2").repeat(2).tobytes())
    said = dict(line.split("\t") for line in script(tmp_path / "a", path).splitlines())
    probs = run.predict(path)["probs"]
    assert next(iter(said)) == next(iter(probs))
    assert all(float(p) == pytest.approx(probs[name], abs=1e-3) for name, p in said.items())

    run = trained("video-classification", "lrcn")
    export(run, tmp_path / "c")
    clip = samples.load("moving_shapes")[0][2]
    np.save(tmp_path / "clip.npy", clip.frames[..., 0])
    answers = [(script(tmp_path / "c", tmp_path / "clip.npy"), run.predict(clip))]
    run = trained("volume-classification", "conv_3d")
    export(run, tmp_path / "v")
    solid = samples.load("cut_solids")[0][2]
    np.save(tmp_path / "solid.npy", solid.voxels)
    answers.append((script(tmp_path / "v", tmp_path / "solid.npy"), run.predict(solid)))
    for text, answer in answers:
        for line in text.splitlines():
            name, share = line.split("\t")
            assert float(share) == pytest.approx(answer["probs"][name], abs=1e-5)

    run = trained("video-tagging", "lrcn")
    long = np.concatenate([e.frames[..., 0] for e in samples.load("changing_motion")[0][:4]])  # of which 64 are seen
    with torch.no_grad():  # each tag on half of the frames, since two steps taught none
        run.model.output.bias -= torch.tensor(list(run.predict(long)["probs"].values())).logit().median(1).values  # type: ignore[union-attr, operator]
    export(run, tmp_path / "g")
    np.save(tmp_path / "long.npy", long)
    rows = [line.split("\t") for line in script(tmp_path / "g", tmp_path / "long.npy").splitlines()]
    found = sorted((int(begin), int(end), tag, float(prob)) for begin, end, tag, prob in rows)
    wanted = [(one["start"], one["end"], one["tag"], one["probability"]) for one in run.predict(long)["intervals"]]
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in wanted], abs=1e-5)
    assert len(found) > 5

    run = trained("image-similarity", "lenet")
    export(run, tmp_path / "s")
    pictures = samples.load("typefaces")[0][:2]
    for i, picture in enumerate(pictures):
        np.save(tmp_path / f"{i}.npy", picture.pixels[..., 0])
    likeness, same = script(tmp_path / "s", tmp_path / "0.npy", tmp_path / "1.npy").split("\t")
    (pair,) = run.task.verified(run.task.answers(run.model, pictures))  # type: ignore[attr-defined]
    assert float(likeness) == pytest.approx(pair["likeness"], abs=1e-5)
    assert same.strip() == ("the same" if pair["same"] else "different")


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_the_script_reads_texts_as_the_run_does(tokens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples.load
    monkeypatch.setattr(samples, "load", lambda name: (whole(name)[0][:150], whole(name)[1]))
    how: dict[str, Any] = {"tokens": tokens, "max_length": 40, "model": "bag_of_words", "max_steps": 20, "quiet": True}
    run = samoyed.train("text-classification", out=tmp_path / "run", **how)
    export(run, tmp_path / "file")
    for text in (
        "Return the mailbox\u2019s  list of messages,\n isn't it? \u00c9t\u00e9 " + "and so on " * 20,
        " x",
        "\u4f60\u597d!",
    ):
        name, share = script(tmp_path / "file", text).splitlines()[0].split("\t")
        answer = run.predict(text)
        assert (name, float(share)) == (answer["label"], pytest.approx(answer["probs"][name], abs=1e-5))


def test_the_script_tags_words_as_the_run_does(trained: Callable[[str, str], Run], tmp_path: Path) -> None:
    run = trained("sequence-tagging", "lstm")
    export(run, tmp_path / "file")
    text = "The ConfigParser isn't in max_length 3, said Ms. O'Brien-Smith's XYZ9z of Qwxz."
    rows = [line.split("\t") for line in script(tmp_path / "file", text).splitlines()]
    expected = run.predict(text)["tags"]
    assert [row[:2] for row in rows] == [[word, tag] for word, tag, _ in expected]
    assert [float(row[2]) for row in rows] == pytest.approx([p for *_, p in expected], abs=2e-6)


def test_the_scripts_write_down_what_the_run_does(trained: Callable[[str, str], Run], tmp_path: Path) -> None:
    run = garrulous(trained("automatic-speech-recognition", "resnet_ctc"))
    export(run, tmp_path / "speech")
    said = samples.load("synthetic_speech")[0][0]
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, said.rate, 0, "NONE", ""))
        file.writeframes((said.samples * 32767).astype("<i2").tobytes())
    text = run.predict(tmp_path / "said.wav")["text"]
    assert len(text) > 3
    assert script(tmp_path / "speech", tmp_path / "said.wav") == text + "\n"

    run = garrulous(trained("text-line-recognition", "crnn"))
    export(run, tmp_path / "lines")
    for place, line in enumerate(samples.load(run.task.sample)[0][:3]):
        grey = lines.line(line.pixels, run.task.height)
        np.save(tmp_path / "line.npy", 255 - grey if place else grey)
        text = run.predict(line)["text"]
        assert text
        assert script(tmp_path / "lines", tmp_path / "line.npy") == text + "\n"


def garrulous(run: Run) -> Run:
    """A network that has hardly learned says nothing but blanks; one whose blanks are forbidden says something."""
    run.model.output.bias.data[0] = -30.0
    return run


@pytest.mark.parametrize(
    ("task", "model", "why"),
    [
        ("text-classification", "hierarchical_attention", "what it computes depends on what it reads"),
        ("sequence-tagging", "bilstm_crf", "chooses the tags of a text together"),
        ("automatic-speech-recognition", "las", "it spells by a search"),
        ("translation", "seq2seq", "runs of translation cannot be exported yet"),
    ],
)
def test_what_has_no_graph_says_why(
    task: str,
    model: str,
    why: str,
    trained: Callable[[str, str], Run],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = trained(task, model)
    capfd.readouterr()
    with pytest.raises(UsageError, match=why):
        export(run, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert not any(tmp_path.iterdir())
