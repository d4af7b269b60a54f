"""Capsules: vectors whose length says whether a thing is there and whose direction says how (Sabour, Frosst & Hinton 2017).

Equations: each capsule i of the layer below predicts each one j above, u_ij = W_ij u_i. Routing begins at b_ij = 0 and repeats
c_ij = softmax_j(b_ij), s_j = sum_i c_ij u_ij, v_j = squash(s_j), b_ij += u_ij . v_j, where
squash(s) = |s|^2 / (1 + |s|^2) s / |s|. Gradients flow through every repetition. Legend: B batch, I and J capsules below and
above, P and D numbers in a capsule below and above.
"""

import torch
from torch import Tensor, nn


def squash(s: Tensor) -> Tensor:
    """s [..., D] -> the same direction, of length |s|^2 / (1 + |s|^2); 0 stays 0, with a gradient that is finite."""
    square = s.square().sum(-1, keepdim=True)
    return s * (square / (1 + square)) * torch.rsqrt(square + 1e-12)


def route(votes: Tensor, iterations: int) -> Tensor:
    """votes u_ij [B, I, J, D] -> s [B, J, D], the agreed sums before they are squashed."""
    agreement = votes.new_zeros(votes.shape[:3])
    for i in range(iterations):
        s = torch.einsum("bij,bijd->bjd", agreement.softmax(2), votes)
        if i < iterations - 1:
            agreement = agreement + torch.einsum("bijd,bjd->bij", votes, squash(s))
    return s


class RoutedCapsules(nn.Module):
    """Capsules below [B, I, P] -> the sums s [B, J, D] of the capsules above; `squash` makes capsules of them.

    Args:
        inputs: I.
        input_size: P.
        outputs: J.
        output_size: D.
        iterations: Repetitions of routing.
    """

    def __init__(self, *, inputs: int, input_size: int, outputs: int, output_size: int, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        self.weight = nn.Parameter(torch.empty(inputs, outputs, output_size, input_size))
        nn.init.normal_(self.weight, 0, 0.1)

    def forward(self, capsules: Tensor) -> Tensor:
        """capsules [B, I, P] -> [B, J, D]."""
        return route(torch.einsum("bip,ijdp->bijd", capsules, self.weight), self.iterations)
