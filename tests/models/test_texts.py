"""Models of texts: each against an implementation of its own, with the same weights; padding changes nothing; order counts."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.texts import mask_of, ngrams
from samoyed.models.bag_of_words import BagOfWords
from samoyed.models.char_cnn import CharCNN
from samoyed.models.fasttext import FastText
from samoyed.models.gru import GRUTagger, GRUTextClassifier
from samoyed.models.hierarchical_attention import HierarchicalAttention
from samoyed.models.lstm import LSTMTagger, LSTMTextClassifier
from samoyed.models.rnn import RNNTagger, RNNTextClassifier
from samoyed.models.text_cnn import TextCNN
from samoyed.models.window_mlp import WindowMLP

V, K, LENGTHS = 11, 3, (9, 1, 4, 7, 2)
END = 5  # the token that ends a sentence
POOLINGS = ("attention", "max", "mean", "last")
CLASSIFIERS: dict[str, Any] = {
    "fasttext": lambda: FastText(vocab_size=V, num_classes=K, embedding_size=4, ngrams=3, buckets=20),
    "text_cnn": lambda: TextCNN(vocab_size=V, num_classes=K, embedding_size=4, num_filters=5, widths=(2, 3)),
    "char_cnn": lambda: CharCNN(vocab_size=V, num_classes=K, embedding_size=4, num_filters=5, width=3),
    "hierarchical": lambda: HierarchicalAttention(
        vocab_size=V, sentence_ends=(END,), num_classes=K, embedding_size=4, hidden_size=3
    ),
    **{
        f"lstm {pooling}": lambda pooling=pooling: LSTMTextClassifier(
            vocab_size=V, num_classes=K, embedding_size=4, hidden_size=3, num_layers=2, pooling=pooling
        )
        for pooling in POOLINGS
    },
}
TAGGERS: dict[str, Any] = {
    "lstm": lambda: LSTMTagger(vocab_size=V, num_tags=K, embedding_size=4, hidden_size=3),
    "gru": lambda: GRUTagger(vocab_size=V, num_tags=K, embedding_size=4, hidden_size=3, num_layers=2),
    "rnn": lambda: RNNTagger(vocab_size=V, num_tags=K, embedding_size=4, hidden_size=3),
    "window_mlp": lambda: WindowMLP(vocab_size=V, num_tags=K, embedding_size=4, hidden_size=6),
}


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Tokens [5, 9], with other tokens behind each text than padding would have, and lengths."""
    torch.manual_seed(1)
    return torch.randint(1, V, (len(LENGTHS), max(LENGTHS))), torch.tensor(LENGTHS)


def made(build: Any) -> nn.Module:
    torch.manual_seed(2)
    model: nn.Module = build().double().eval()
    with torch.no_grad():  # biases count too
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("name", [*CLASSIFIERS, *(f"tagger {name}" for name in TAGGERS)])
def test_padding_changes_nothing(name: str, batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model = made(CLASSIFIERS.get(name) or TAGGERS[name.removeprefix("tagger ")])
    together = model(tokens, lengths)
    for row, length in enumerate(LENGTHS):
        alone = model(tokens[row : row + 1, :length], lengths[row : row + 1])[0]
        other = together[row, :length] if name.startswith("tagger") else together[row]
        torch.testing.assert_close(alone, other, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(model(tokens[row : row + 1, :length])[0], alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weighting", ["tfidf", "counts", "presence"])
@pytest.mark.parametrize("classes", [2, 3])
def test_bag_of_words_is_scikit_learns(weighting: Any, classes: int) -> None:
    draw = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(1, V)])
    texts = [draw.integers(1, V, draw.integers(1, 12)) for _ in range(60)]
    targets = np.arange(60) % classes
    tokens = torch.zeros(60, 12, dtype=torch.int64)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.from_numpy(text)
    lengths = torch.tensor([len(text) for text in texts])
    given = {"vocabulary": words, "lowercase": False, "token_pattern": r"\S+"}
    vectors = (
        TfidfVectorizer(**given) if weighting == "tfidf" else CountVectorizer(**given, binary=weighting == "presence")
    )
    said = [" ".join(f"w{i}" for i in text) for text in texts]
    x = vectors.fit_transform(said)
    expected = LogisticRegression(C=2.0, max_iter=2000).fit(x, targets).predict_proba(x)
    model = BagOfWords(vocab_size=V, num_classes=classes, weighting=weighting, penalty=2.0)
    model.fit(tokens, lengths, torch.from_numpy(targets))
    np.testing.assert_allclose(model(tokens, lengths).softmax(-1).numpy(), expected, atol=2e-4)
    shuffled = tokens.clone()
    for row, length in enumerate(lengths.tolist()):
        shuffled[row, :length] = tokens[row, torch.randperm(length)]
    torch.testing.assert_close(model(shuffled, lengths), model(tokens, lengths))  # the order of words is unseen


def test_ngrams_are_hashed_as_stated() -> None:
    tokens = torch.tensor([[3, 1, 4, 0]])
    rows, mask = ngrams(tokens, mask_of(torch.tensor([3]), 4), 3, 1000, 50)
    factor = 116_049_371
    pairs = [50 + (3 * factor + 1 + 1) % 1000, 50 + (1 * factor + 4 + 1) % 1000]
    triple = 50 + ((3 * factor + 2) * factor + 4 + 1) % 1000
    assert rows[mask].tolist() == [3, 1, 4, *pairs, triple]


def test_fasttext_is_a_mean_and_a_line(batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model: Any = made(CLASSIFIERS["fasttext"])
    for row, length in enumerate(LENGTHS):
        text = tokens[row, :length]
        vectors = [model.embedding.weight[i] for i in text]
        hashed = text.clone()
        for n in (2, 3):
            if n <= length:
                hashed = hashed[:-1] * 116_049_371 + text[n - 1 :] + 1
                vectors += [model.runs.weight[int(h) % 20] for h in hashed]
        expected = model.output(torch.stack(vectors).mean(0))
        torch.testing.assert_close(model(tokens, lengths)[row], expected)


def test_text_cnn_is_kims(batch: tuple[Tensor, Tensor]) -> None:
    """By one dot product per window, over the zero-padded sentence."""
    tokens, lengths = batch
    model: Any = made(CLASSIFIERS["text_cnn"])
    for row, length in enumerate(LENGTHS):
        largest = []
        for width, layer in ((2, model.filters[0]), (3, model.filters[1])):
            zeros = torch.zeros(width - 1, 4, dtype=torch.float64)
            x = torch.cat([zeros, model.embedding.weight[tokens[row, :length]], zeros])
            windows = torch.stack([x[i : i + width].T.flatten() for i in range(len(x) - width + 1)])
            largest.append((windows @ layer.weight.flatten(1).T + layer.bias).relu().amax(0))
        torch.testing.assert_close(model(tokens, lengths)[row], model.output(torch.cat(largest)))
    (two, _), answers = model.excited(tokens, lengths), model._answers(tokens, lengths)[0]
    assert two.width == 2
    for row in range(len(LENGTHS)):
        for f in range(5):
            assert two.answers[row, f] == answers[row, f, two.starts[row, f] + 1].relu()


def test_text_cnn_with_two_channels_adds_them(batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model = TextCNN(vocab_size=V, num_classes=K, embedding_size=4, channels="both").eval()
    one = TextCNN(vocab_size=V, num_classes=K, embedding_size=4).eval()
    one.load_state_dict({k: t for k, t in model.state_dict().items() if k != "static.weight"})
    with torch.no_grad():
        one.embedding.weight.mul_(2)  # both began alike
    torch.testing.assert_close(model(tokens, lengths), one(tokens, lengths))
    assert not model.static.weight.requires_grad  # type: ignore[union-attr]


@pytest.mark.parametrize("parts", [1, 4, 9])
def test_char_cnn_keeps_the_largest_of_each_part(parts: int, batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model: Any = made(
        lambda: CharCNN(vocab_size=V, num_classes=K, embedding_size=4, num_filters=5, width=3, parts=parts)
    )
    for row, length in enumerate(LENGTHS):
        x = model.embedding.weight[tokens[row, :length]].T[None]
        for layer in model.layers:
            x = functional.conv1d(x, layer.weight, layer.bias, padding=1).relu()
        pooled = torch.zeros(5, parts, dtype=torch.float64)
        for t in range(length):
            part = parts * t // length
            pooled[:, part] = torch.maximum(pooled[:, part], x[0, :, t])
        torch.testing.assert_close(model(tokens, lengths)[row], model.output(pooled.flatten()))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("kind", [LSTMTextClassifier, GRUTextClassifier, RNNTextClassifier])
def test_recurrent_classifiers_are_torchs_with_the_pooling_written_out(
    kind: Any, pooling: str, batch: tuple[Tensor, Tensor]
) -> None:
    tokens, lengths = batch
    model: Any = made(lambda: kind(vocab_size=V, num_classes=K, embedding_size=4, hidden_size=3, pooling=pooling))
    theirs = getattr(nn, kind.core.__name__)(4, 3, batch_first=True, bidirectional=True).double()
    theirs.load_state_dict(model.recurrent.state_dict())
    for row, length in enumerate(LENGTHS):
        hidden = theirs(model.embedding.weight[tokens[row : row + 1, :length]])[0][0]
        expected = {
            "max": hidden.amax(0),
            "mean": hidden.mean(0),
            "last": torch.cat([hidden[-1, :3], hidden[0, 3:]]),
        }.get(pooling)
        if expected is None:
            u = torch.tanh(model.attend.hidden(hidden)) @ model.attend.context.weight[0]
            a = u.exp() / u.exp().sum()
            expected = (a[:, None] * hidden).sum(0)
            torch.testing.assert_close(model.attention(tokens, lengths)[row, :length], a)
        torch.testing.assert_close(model(tokens, lengths)[row], model.output(expected))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_recurrent_taggers_are_torchs(name: str, batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model: Any = made(TAGGERS[name])
    layers = model.recurrent.num_layers
    theirs = getattr(nn, name.upper())(4, 3, layers, batch_first=True, bidirectional=True).double()
    theirs.load_state_dict(model.recurrent.state_dict())
    for row, length in enumerate(LENGTHS):
        hidden = theirs(model.embedding.weight[tokens[row : row + 1, :length]])[0][0]
        torch.testing.assert_close(model(tokens, lengths)[row, :length], model.output(hidden))


def test_the_window_tagger_sees_its_window(batch: tuple[Tensor, Tensor]) -> None:
    tokens, lengths = batch
    model: Any = made(TAGGERS["window_mlp"])
    zeros = torch.zeros(2, 4, dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        x = torch.cat([zeros, model.embedding.weight[tokens[row, :length]], zeros])
        for t in range(length):
            hidden = torch.tanh(model.hidden.weight.flatten(1) @ x[t : t + 5].T.flatten() + model.hidden.bias)
            torch.testing.assert_close(model(tokens, lengths)[row, t], model.output(hidden))


def test_hierarchical_attention_is_yangs() -> None:
    """Sentence by sentence through torch.nn.GRU; several ends together end one sentence."""
    model: Any = made(CLASSIFIERS["hierarchical"])
    words, sentences = (nn.GRU(size, 3, batch_first=True, bidirectional=True).double() for size in (4, 6))
    words.load_state_dict(model.words.state_dict())
    sentences.load_state_dict(model.sentences.state_dict())

    def attend(layer: Any, hidden: Tensor) -> tuple[Tensor, Tensor]:
        u = torch.tanh(layer.hidden(hidden)) @ layer.context.weight[0]
        a = u.exp() / u.exp().sum()
        return (a[:, None] * hidden).sum(0), a

    documents = [[[1, 2, END], [3, END, END], [4]], [[END, END], [7, 8, 9]], [[6]]]
    longest = max(sum(map(len, d)) for d in documents)
    flat = [[t for s in d for t in s] for d in documents]
    tokens = torch.tensor([d + [END] * (longest - len(d)) for d in flat])  # padding that would end sentences
    lengths = torch.tensor([len(d) for d in flat])
    for row, document in enumerate(documents):
        vectors, inside = [], []
        for sentence in document:
            vector, a = attend(model.word_attention, words(model.embedding.weight[sentence][None])[0][0])
            vectors.append(vector)
            inside.append(a)
        whole, b = attend(model.sentence_attention, sentences(torch.stack(vectors)[None])[0][0])
        torch.testing.assert_close(model(tokens, lengths)[row], model.output(whole))
        expected = torch.cat([a * weight for a, weight in zip(inside, b, strict=True)])
        found = model.attention(tokens, lengths)[row]
        torch.testing.assert_close(found[: lengths[row]], expected)
        assert found[lengths[row] :].eq(0).all()
        assert found.sum().item() == pytest.approx(1)
