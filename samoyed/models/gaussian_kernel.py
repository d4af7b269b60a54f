"""Gaussian-kernel classifier: a support vector machine, fitted by scikit-learn's SVC, answered by tensor operations.

k(x, s) = exp(-gamma |x - s|^2); for each pair of classes (i, j): d_ij(x) = sum_s w_s,ij k(x, s) + b_ij, positive for i (Cortes &
Vapnik 1995). Each pair votes; the logit of a class is its votes plus a term below 1/3 from its summed distances, which breaks
ties, as in scikit-learn. Logits are votes, not log-probabilities: their order is meant, their softmax is not calibrated.

It is the shallow baseline beside every deep model: near its examples it fits them, far from them every kernel is 0 and only
the biases b_ij are left to vote (Bengio 2005).
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.settings import Count, Positive


class GaussianKernel(nn.Module):
    """x [B, *input_shape] -> logits [B, num_classes]; brings its own `fit`, so nothing is descended.

    Args:
        input_shape: Shape of one example.
        num_classes: Number of classes.
        penalty: Price of a margin violated, SVC's C.
        gamma: Inverse squared width of the kernel; None for 1 / (inputs x their variance), SVC's "scale".
        max_examples: Most examples to fit, drawn evenly from all: time grows with their square.
    """

    support: Tensor
    weights: Tensor
    biases: Tensor
    width: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        num_classes: int,
        penalty: Positive = 10.0,
        gamma: Positive | None = None,
        max_examples: Count = 20_000,
    ) -> None:
        super().__init__()
        self.num_classes, self.penalty, self.gamma, self.max_examples = num_classes, penalty, gamma, max_examples
        pairs = num_classes * (num_classes - 1) // 2
        self.register_buffer("support", torch.zeros(0, *input_shape).flatten(1))  # [S, D]
        self.register_buffer("weights", torch.zeros(0, pairs))  # [S, pairs]
        self.register_buffer("biases", torch.zeros(pairs))
        self.register_buffer("width", torch.ones(()))

    def fit(self, inputs: Tensor, targets: Tensor) -> None:
        """inputs [N, *input_shape], targets int64 [N]. Raises ValueError if a class is missing from the targets."""
        from sklearn.svm import SVC

        if len(inputs) > self.max_examples:
            some = torch.linspace(0, len(inputs) - 1, self.max_examples).long()
            inputs, targets = inputs[some], targets[some]
        x = inputs.flatten(1).double().cpu().numpy()
        svc = SVC(C=self.penalty, gamma=self.gamma or "scale", cache_size=1000).fit(x, targets.cpu().numpy())
        if len(svc.classes_) != self.num_classes:
            raise ValueError(f"{len(svc.classes_)} of {self.num_classes} classes are among the examples")
        self.support = torch.from_numpy(svc.support_vectors_).float()
        self.weights, self.biases = (t.float() for t in _pairwise(svc, self.num_classes))
        self.width = torch.tensor(float(svc._gamma))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, *input_shape] -> logits [B, num_classes]."""
        distance = torch.cdist(x.flatten(1), self.support, compute_mode="use_mm_for_euclid_dist").square()
        decisions = torch.exp(-self.width * distance) @ self.weights + self.biases
        i, j = torch.triu_indices(self.num_classes, self.num_classes, 1, device=x.device)
        zeros = x.new_zeros(len(x), self.num_classes)
        votes = zeros.index_add(1, i, (decisions >= 0).float()).index_add(1, j, (decisions < 0).float())
        margins = zeros.index_add(1, i, decisions).index_add(1, j, -decisions)
        return votes + margins / (3 * (margins.abs() + 1))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("support", "weights"):  # their first axis, the support vectors, is known only after fitting
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name]))
        super()._load_from_state_dict(state, prefix, *rest)


def _pairwise(svc: Any, classes: int) -> tuple[Tensor, Tensor]:
    """SVC's coefficients as one matrix [S, pairs] and biases [pairs], positive decisions for the pair's first class.

    libsvm stores, for a support vector of class c, its weight in the pair with class o in row o if o < c, else o - 1.
    """
    coefficients, intercepts = torch.from_numpy(svc.dual_coef_), torch.from_numpy(svc.intercept_)
    if classes == 2:  # scikit-learn turns the sign round for two classes
        return -coefficients.T.contiguous(), -intercepts
    bounds = [0, *torch.from_numpy(svc.n_support_).cumsum(0).tolist()]
    weights = coefficients.new_zeros(coefficients.shape[1], classes * (classes - 1) // 2)
    pair = 0
    for i in range(classes):
        for j in range(i + 1, classes):
            weights[bounds[i] : bounds[i + 1], pair] = coefficients[j - 1, bounds[i] : bounds[i + 1]]
            weights[bounds[j] : bounds[j + 1], pair] = coefficients[i, bounds[j] : bounds[j + 1]]
            pair += 1
    return weights, intercepts
