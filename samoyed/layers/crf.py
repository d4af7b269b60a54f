"""A linear-chain conditional random field over tags (Lafferty, McCallum & Pereira 2001). Legend: B batch, T time, K tags.

With the scores s_t of the tags at each step, p(y | x) = exp(F(y)) / Z, F(y) = a_{y_1} + sum_t s_t(y_t) + sum_{t>1} A_{y_{t-1} y_t} + b_{y_n}.
Z is summed by the forward algorithm, p(y_t | x) by forward and backward, and the likeliest y is found by Viterbi 1967; each
is exact, costs T K^2, and takes a whole batch a step at a time.
"""

import torch
from torch import Tensor, nn

from samoyed.layers.texts import mask_of


class LinearChain(nn.Module):
    """Scores [B, T, K] and lengths [B] -> log Z, log p(y | x), log p(y_t | x), and the likeliest tags.

    `between` is A [K, K], from the row's tag to the column's; `first` is a and `last` b, both [K].
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(num_tags))
        self.last = nn.Parameter(torch.zeros(num_tags))
        self.between = nn.Parameter(torch.empty(num_tags, num_tags).uniform_(-0.1, 0.1))

    def log_normaliser(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """log Z [B]."""
        return (self._forward(scores, lengths)[-1] + self.last).logsumexp(-1)

    def log_prob(self, scores: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """log p of tags int64 [B, T] -> [B]; what is beyond a length does not count."""
        mask = mask_of(lengths, scores.shape[1])
        said = scores.gather(-1, tags[..., None])[..., 0]
        steps = self.between[tags[:, :-1], tags[:, 1:]]
        ends = tags.gather(1, lengths[:, None] - 1)[:, 0]
        total = (said * mask).sum(1) + (steps * mask[:, 1:]).sum(1) + self.first[tags[:, 0]] + self.last[ends]
        return total - self.log_normaliser(scores, lengths)

    def log_marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """log p(y_t | x) [B, T, K]; beyond a length, that of the last tag."""
        mask = mask_of(lengths, scores.shape[1])
        forward = self._forward(scores, lengths)
        backward = [self.last.expand_as(forward[-1])]
        for t in range(scores.shape[1] - 2, -1, -1):
            after = (self.between + (scores[:, t + 1] + backward[-1])[:, None]).logsumexp(2)
            backward.append(torch.where(mask[:, t + 1, None], after, self.last))
        total = (forward[-1] + self.last).logsumexp(-1)
        return torch.stack(forward, 1) + torch.stack(backward[::-1], 1) - total[:, None, None]

    @torch.no_grad()
    def best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest tags int64 [B, T]; beyond a length, the last one again."""
        return viterbi(scores, lengths, self.first, self.between, self.last)

    def _forward(self, scores: Tensor, lengths: Tensor) -> list[Tensor]:
        """log of the summed weight of all beginnings that end in each tag, [B, K] for each step; it stays beyond a length."""
        mask = mask_of(lengths, scores.shape[1])
        found = [self.first + scores[:, 0]]
        for t in range(1, scores.shape[1]):
            after = (found[-1][:, :, None] + self.between).logsumexp(1) + scores[:, t]
            found.append(torch.where(mask[:, t, None], after, found[-1]))
        return found


@torch.no_grad()
def viterbi(scores: Tensor, lengths: Tensor, first: Tensor, between: Tensor, last: Tensor) -> Tensor:
    """The tags int64 [B, T] of the greatest F, for scores [B, T, K], lengths int64 [B], first and last [K], between [K, K]; beyond a
    length, the last one again."""
    mask = mask_of(lengths, scores.shape[1])
    score, same = first + scores[:, 0], torch.arange(scores.shape[2], device=scores.device).expand_as(scores[:, 0])
    came: list[Tensor] = []
    for t in range(1, scores.shape[1]):
        best, before = (score[:, :, None] + between).max(1)
        on = mask[:, t, None]
        score = torch.where(on, best + scores[:, t], score)
        came.append(torch.where(on, before, same))
    found = [(score + last).argmax(-1)]
    for before in reversed(came):
        found.append(before.gather(1, found[-1][:, None])[:, 0])
    return torch.stack(found[::-1], 1)
