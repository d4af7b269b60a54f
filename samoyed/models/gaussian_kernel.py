"""Gaussian-kernel classifier: a support vector machine, fitted by scikit-learn's SVC, answered by tensor operations.

k(x, s) = exp(-gamma |x - s|^2); for each pair of classes (i, j): d_ij(x) = sum_s w_s,ij k(x, s) + b_ij, positive for i (Cortes &
Vapnik 1995). Each pair votes; the logit of a class is its votes plus a term below 1/3 from its summed distances, which breaks
ties, as in scikit-learn. Logits are votes, not log-probabilities: their order is meant, their softmax is not calibrated.

The kernel of a pair's examples is made by matrix products, a block for each two classes, and libsvm searches in that: of
pictures of thousands of numbers it would else spend nearly all of its time on distances, one after another.

It is the shallow baseline beside every deep model: near its examples it fits them, far from them every kernel is 0 and only
the biases b_ij are left to vote (Bengio 2005).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samoyed.settings import Count, Positive

_AT_ONCE = 12_000  # examples of a pair whose kernel is held, in 1.2 GB


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
        if len(inputs) > self.max_examples:
            some = torch.linspace(0, len(inputs) - 1, self.max_examples).long()
            inputs, targets = inputs[some], targets[some]
        x, y = inputs.flatten(1).double().cpu(), targets.cpu()
        rows = [(y == label).nonzero()[:, 0] for label in range(self.num_classes)]
        there = sum(len(some) > 0 for some in rows)
        if there < self.num_classes:
            raise ValueError(f"{there} of {self.num_classes} classes are among the examples")
        variance = float(x.var(correction=0))
        width = self.gamma or (1 / (x.shape[1] * variance) if variance else 1.0)
        weights, biases = _fitted(x, rows, width, self.penalty)
        used = weights.abs().amax(1) > 0
        self.support, self.weights, self.biases = x[used].float(), weights[used].float(), biases.float()
        self.width = torch.tensor(width)

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


def _fitted(x: Tensor, rows: list[Tensor], width: float, penalty: float) -> tuple[Tensor, Tensor]:
    """x float64 [N, D], the rows of each class -> weights [N, pairs] and biases [pairs], positive decisions for the first."""
    from sklearn.svm import SVC

    pairs = [(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    weights, biases = x.new_zeros(len(x), len(pairs)), x.new_zeros(len(pairs))
    own: dict[int, NDArray[np.float64]] = {}
    for pair, (i, j) in enumerate(pairs):
        both, labels = torch.cat([rows[i], rows[j]]), np.repeat([0, 1], [len(rows[i]), len(rows[j])])
        if len(both) > _AT_ONCE:
            svc = SVC(C=penalty, gamma=width, cache_size=1000).fit(x[both].numpy(), labels)
        else:
            for label in (i, j):
                if label not in own:
                    own[label] = _kernel(x[rows[label]], x[rows[label]], width)
            across = _kernel(x[rows[i]], x[rows[j]], width)
            svc = SVC(C=penalty, kernel="precomputed").fit(np.block([[own[i], across], [across.T, own[j]]]), labels)
        # scikit-learn decides positively for the second of two
        weights[both[svc.support_.astype(np.int64)], pair] = -torch.from_numpy(svc.dual_coef_[0])
        biases[pair] = -float(svc.intercept_[0])
    return weights, biases


def _kernel(a: Tensor, b: Tensor, width: float) -> NDArray[np.float64]:
    """k of every row of a [N, D] with every one of b [M, D]: [N, M]."""
    distance = torch.addmm(a.square().sum(1)[:, None] + b.square().sum(1), a, b.T, alpha=-2).clamp_(min=0)
    return distance.mul_(-width).exp_().numpy()
