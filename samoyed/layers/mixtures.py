"""What a pen does next, as a distribution: a mixture of bivariate normals, and whether the pen lifts, and whether it is done.

Graves 2013, equations 19 to 25. From the 6 M + 2 numbers that a network says: w = softmax(w^); mu as it is; sigma = d + exp(s^);
rho = r tanh(r^); and with z_i = (x_i - mu_i) / sigma_i

    p(x) = sum_m w_m exp(-(z_1^2 + z_2^2 - 2 rho z_1 z_2) / (2 (1 - rho^2))) / (2 pi sigma_1 sigma_2 sqrt(1 - rho^2))

Departures: d and r keep the density finite where recorded points repeat exactly; the pen's lift is logistic(e), not of -e; a second
Bernoulli says at a lift whether the drawing ends there, as in Ha & Eck 2017, so that what is drawn stops by itself.

Legend: M components.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

LEAST_DEVIATION = 0.01  # d, in units of the data's own deviation
MOST_CORRELATION = 0.99  # r


class PenMixture(NamedTuple):
    """log_weights [..., M], means and deviations [..., M, 2], correlations [..., M], the logits of lift and end [...]."""

    log_weights: Tensor
    means: Tensor
    deviations: Tensor
    correlations: Tensor
    lift: Tensor
    end: Tensor

    @classmethod
    def of(cls, numbers: Tensor, bias: float = 0.0) -> "PenMixture":
        """The distribution that 6 M + 2 numbers [..., 6 M + 2] stand for.

        `bias` b favours the likely: w = softmax((1 + b) w^), sigma = d + exp(s^ - b) (Graves 2013, equations 61 and 62); infinite
        neatness leaves the most likely path. It is for drawing from; densities are of bias 0.
        """
        count = (numbers.shape[-1] - 2) // 6
        sizes = [count, 2 * count, 2 * count, count, 2]
        weights, means, deviations, correlations, pen = torch.split(numbers, sizes, -1)
        return cls(
            ((1 + bias) * weights).log_softmax(-1),
            torch.unflatten(means, -1, (count, 2)),
            LEAST_DEVIATION + torch.unflatten((deviations - bias).exp(), -1, (count, 2)),
            MOST_CORRELATION * correlations.tanh(),
            pen[..., 0],
            pen[..., 1],
        )

    def log_density(self, offsets: Tensor) -> Tensor:
        """log p of offsets [..., 2] -> [...]."""
        z = (offsets[..., None, :] - self.means) / self.deviations
        rest = 1 - self.correlations.square()
        exponent = (z.square().sum(-1) - 2 * self.correlations * z.prod(-1)) / (2 * rest)
        scale = math.log(2 * math.pi) + self.deviations.log().sum(-1) + 0.5 * rest.log()
        return (self.log_weights - exponent - scale).logsumexp(-1)

    def log_pen(self, lifted: Tensor, ended: Tensor) -> Tensor:
        """log-probability that the pen lifts (1) or not (0), and if it does, ends or not, each float [...] -> [...]."""
        up = -functional.binary_cross_entropy_with_logits(self.lift, lifted, reduction="none")
        done = -functional.binary_cross_entropy_with_logits(self.end, ended, reduction="none")
        return up + lifted * done

    def mean(self) -> Tensor:
        """The expected offset [..., 2]."""
        return (self.log_weights.exp()[..., None] * self.means).sum(-2)

    def draw(self, uniform: Tensor, normal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uniform [..., M + 2], normal [..., 2] noise -> an offset [..., 2], and whether the pen lifts and ends, bool [...]."""
        count = self.log_weights.shape[-1]
        chosen = (self.log_weights - (-uniform[..., :count].log()).log()).argmax(-1)  # Gumbel's way to draw one of M
        at = chosen[..., None, None].expand(*chosen.shape, 1, 2)
        mean, deviation = (part.gather(-2, at)[..., 0, :] for part in (self.means, self.deviations))
        rho = self.correlations.gather(-1, chosen[..., None])[..., 0]
        second = rho * normal[..., 0] + (1 - rho.square()).sqrt() * normal[..., 1]
        offset = mean + deviation * torch.stack([normal[..., 0], second], -1)
        lifts = uniform[..., count] < self.lift.sigmoid()
        return offset, lifts, lifts & (uniform[..., count + 1] < self.end.sigmoid())
