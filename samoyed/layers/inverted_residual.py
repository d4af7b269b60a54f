"""The inverted residual of MobileNets: widen by 1x1, look at each map alone, narrow by 1x1 (Sandler 2018, Howard 2019).

Equations: e = f(norm(W_e x)); d = f(norm(k * e)), one kernel per map; optionally d <- d s, where
s = hard_sigmoid(W_2 max(0, W_1 mean(d) + b_1) + b_2) weighs each map (squeeze and excitation, Hu 2018);
y = norm(W_p d), without activation, plus x where the shapes agree.
"""

from torch import Tensor, nn

from samoyed.layers.convolution import conv_norm, divisible


class InvertedResidual(nn.Module):
    """x [B, inputs, H, W] -> [B, outputs, H / stride, W / stride].

    Args:
        inputs: Maps that come in.
        hidden: Maps in between; where they are no more than `inputs`, nothing widens.
        outputs: Maps that go out.
        kernel: Side of the kernel that looks at each map.
        stride: Of that kernel.
        excite: Whether maps are weighed by their means.
        activation: What follows the first two convolutions.
    """

    def __init__(
        self,
        *,
        inputs: int,
        hidden: int,
        outputs: int,
        kernel: int,
        stride: int,
        excite: bool,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm(inputs, hidden, 1, activation=activation)] if hidden != inputs else []
        layers.append(conv_norm(hidden, hidden, kernel, stride, groups=hidden, activation=activation))
        layers += [SqueezeExcitation(hidden)] if excite else []
        layers.append(conv_norm(hidden, outputs, 1, activation=None))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class SqueezeExcitation(nn.Module):
    """x [B, C, H, W] -> x weighed map by map, by two layers over the maps' means.

    Args:
        maps: C.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        narrow = divisible(maps / 4)
        self.narrow, self.widen = nn.Conv2d(maps, narrow, 1), nn.Conv2d(narrow, maps, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, C, H, W]."""
        weights: Tensor = self.gate(self.widen(self.narrow(x.mean((2, 3), keepdim=True)).relu()))
        return x * weights
