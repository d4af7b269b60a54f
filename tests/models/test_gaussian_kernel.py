"""The kernel classifier against scikit-learn's SVC, which fits it but does not answer for it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from samoyed.models.gaussian_kernel import GaussianKernel


def digits(classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(inputs, targets) to fit, and others to ask about: digits below `classes`, as pictures [1, 8, 8]."""
    found = load_digits(n_class=classes)
    x, y = torch.from_numpy(found.images).float()[:, None] / 16, torch.from_numpy(found.target)
    half = len(x) // 2
    return x[:half], y[:half], x[half:], y[half:]


def fitted(classes: int, **given: float) -> tuple[GaussianKernel, SVC, torch.Tensor]:
    x, y, others, _ = digits(classes)
    model = GaussianKernel(input_shape=(1, 8, 8), num_classes=classes, **given)  # type: ignore[arg-type]
    model.fit(x, y)
    gamma = given.get("gamma") or "scale"
    reference = SVC(C=given.get("penalty", 10.0), gamma=gamma, break_ties=True, decision_function_shape="ovr")
    return model, reference.fit(x.flatten(1).double().numpy(), y.numpy()), others


@pytest.mark.parametrize("given", [{}, {"penalty": 0.05}, {"gamma": 0.4, "penalty": 3.0}])
def test_ten_classes(given: dict[str, float]) -> None:
    model, reference, others = fitted(10, **given)
    x = others.flatten(1).double().numpy()
    logits = model(others).numpy()
    assert np.abs(logits - reference.decision_function(x)).max() < 1e-3
    assert (logits.argmax(1) == reference.predict(x)).all()
    assert len(model.support) == len(reference.support_)
    reference.decision_function_shape = "ovo"
    distance = torch.cdist(others.flatten(1).double(), model.support.double()).square()
    pairs = torch.exp(-model.width.double() * distance) @ model.weights.double() + model.biases.double()
    assert np.abs(pairs.numpy() - reference.decision_function(x)).max() < 1e-4


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes(classes: int) -> None:
    model, reference, others = fitted(classes, penalty=0.02)  # so small that some are answered wrongly
    x = others.flatten(1).double().numpy()
    answers = model(others).argmax(1).numpy()
    assert (answers == reference.predict(x)).all()
    assert set(answers.tolist()) == set(range(classes))
    if classes == 2:
        distance = torch.cdist(others.flatten(1), model.support).square()
        decision = (torch.exp(-model.width * distance) @ model.weights + model.biases)[:, 0]
        assert np.abs(-decision.numpy() - reference.decision_function(x)).max() < 1e-4


def test_it_is_as_good_as_the_reference_on_digits() -> None:
    model, _, others = fitted(10)
    assert float((model(others).argmax(1) == digits(10)[3]).float().mean()) > 0.95


def test_far_from_its_examples_only_the_biases_vote() -> None:
    model, _, _ = fitted(10)
    far = model(torch.full((2, 1, 8, 8), 1e3))
    nowhere = torch.zeros(1, 10)
    for pair, (i, j) in enumerate(torch.triu_indices(10, 10, 1).T.tolist()):
        nowhere[0, i if model.biases[pair] >= 0 else j] += 1
    assert torch.equal(far.round(), nowhere.expand(2, -1))


@pytest.mark.parametrize("classes", [2, 10])
def test_it_survives_being_saved(classes: int) -> None:
    model, _, others = fitted(classes)
    fresh = GaussianKernel(input_shape=(1, 8, 8), num_classes=classes)
    assert len(fresh.support) == 0
    fresh.load_state_dict(load(save({k: v.contiguous() for k, v in model.state_dict().items()})))
    assert torch.equal(fresh(others), model(others))


def test_at_most_so_many_examples_are_fitted() -> None:
    x, y, _, _ = digits(2)
    model = GaussianKernel(input_shape=(1, 8, 8), num_classes=2, max_examples=20, penalty=1e-4)  # type: ignore[arg-type]
    model.fit(x, y)
    some = torch.linspace(0, len(x) - 1, 20).long()
    assert 0 < len(model.support) <= 20
    chosen = x[some].flatten(1)
    assert all(any(torch.equal(s, c) for c in chosen) for s in model.support)


def test_a_class_without_examples_is_refused() -> None:
    x, y, _, _ = digits(3)
    with pytest.raises(ValueError, match="3 of 4 classes are among the examples"):
        GaussianKernel(input_shape=(1, 8, 8), num_classes=4).fit(x, y)
