"""Two hidden units bend the plane until a straight line parts two nested curves.

    h = tanh(W x + c)     x a point of the input plane, h its place in the plane of the two hidden units
    p = s(v . h + d)      s the logistic function, p the probability of the blue class

The output unit can only draw a straight line, v . h + d = 0; seen from the inputs, that line is the curved boundary.
After Figure 1a of LeCun, Bengio and Hinton (2015), itself after Olah (2014, "Neural networks, manifolds, and
topology").

Measured: the errors of logistic regression, a straight line on the inputs; those of the 2-2-1 network; how many of
its 60 starts reach no error. Drawn: a grid over the inputs with the boundary, and the same grid where the hidden
layer puts it.

Departures: some starts end in a poor minimum, so 60 are trained side by side and the best is kept. A penalty of 0.006
times the squared weights of the hidden layer keeps its units from saturating, so that the warp is gentle enough to be
seen. The hidden units are then numbered and signed so that h_1 grows to the right and blue lies low; the function
stays the same.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import Normal, Stroke
from torch import Tensor
from torch.nn import functional as F

from samoyed.recipes._small import Crowd, plane, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "a straight line on the inputs errs; after the hidden layer of a 2-2-1 network one makes no error"
seconds = 3

STARTS = 60
SIDE = 1.1  # the grid covers [-SIDE, SIDE]^2
TINTS = LinearSegmentedColormap.from_list("classes", ["#F4CDB4", "#FBFBF8", "#B4D6EB"])


def curves(points: int = 200) -> tuple[Tensor, Tensor]:
    """Two arches, one under the other: x [2 * points, 2], and classes [2 * points], 1 for the lower, blue one."""
    across = torch.linspace(-1, 1, points)
    lower = torch.stack([across, 0.35 - 1.15 * across.square()], 1)
    return torch.cat([lower, lower + torch.tensor([0.0, 0.5])]), torch.cat([torch.ones(points), torch.zeros(points)])


def train(sizes: list[int], starts: int, steps: int, penalty: float = 0.0) -> tuple[Crowd, float, int]:
    """The best of `starts` networks, the share of points it gets wrong, and how many of the starts get none wrong."""
    x, classes = curves()
    crowd = Crowd(sizes, [1.0] * starts, torch.tanh)

    def objective(logits: Tensor, targets: Tensor) -> Tensor:
        each = F.binary_cross_entropy_with_logits(logits.squeeze(2), targets.expand(starts, -1), reduction="none")
        return each.mean(1) + penalty * crowd.weights[0].square().sum((1, 2))

    for _ in crowd.descend(x, classes, rates=0.3, steps=steps, momentum=0.9, loss=objective):
        pass
    with torch.no_grad():
        logits = crowd(x)
        wrong = ((logits.squeeze(2) > 0) != (classes > 0)).double().mean(1)
        best = int((wrong + objective(logits, classes)).argmin())
    return crowd.only(best), float(wrong[best]), int((wrong == 0).sum())


def network() -> tuple[Crowd, float, int]:
    """The 2-2-1 network of the picture with its errors and successes, its hidden units in a fixed order and sign."""
    with seeded(0):
        crowd, wrong, successes = train([2, 2, 1], STARTS, steps=1000, penalty=0.006)
    inward, bias, outward = crowd.weights[0][0], crowd.biases[0][0], crowd.weights[1][0]
    sign = -outward[:, 0].sign()  # tanh is odd: a unit and its outgoing weight may change sign together
    order = (inward[0] * sign).argsort(descending=True)
    crowd.weights[0][0], crowd.biases[0][0] = (inward * sign)[:, order], (bias * sign)[:, order]
    crowd.weights[1][0] = (outward * sign[:, None])[order]
    return crowd, wrong, successes


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains a straight line and the 2-2-1 network on the two curves, and draws the warped grid."""
    with seeded(0):
        _, line_error, _ = train([2, 1], starts=1, steps=2000)
    crowd, network_error, successes = network()
    echo(f"straight line: {line_error:.1%} wrong; 2-2-1 network: {network_error:.1%} wrong")
    measured = {
        "line_error": line_error,
        "network_error": network_error,
        "starts": float(STARTS),
        "starts_without_error": float(successes),
    }
    sentence = (
        f"A straight line on the inputs gets {line_error:.0%} of the points wrong (logistic regression); behind the "
        f"hidden layer of the best of {STARTS} starts, a straight line gets {network_error:.1%} wrong ({successes} "
        "starts reach no error)."
    )
    return Outcome(line_error > 0.05 and network_error == 0, measured, sentence, (_draw(out / "warping.png", crowd),))


def draw(out: Path) -> Path:
    """Trains the network and draws its picture: `out` is a folder, or the name of a .png file. Returns the file."""
    return _draw(out if out.suffix == ".png" else out / "warping.png", network()[0])


@torch.no_grad()
@style()
def _draw(path: Path, crowd: Crowd) -> Path:
    made, (before, after) = figure(10.4, 5.5, 1, 2)
    x, classes = (values.numpy() for values in curves())
    across, up, lattice = plane(-SIDE, SIDE, 331)
    belief = torch.sigmoid(crowd(lattice)[0, :, 0]).reshape(across.shape).numpy()
    warp = crowd.layers(lattice)[0][0].reshape(*across.shape, 2).numpy()
    for panel, first, second, places in (
        (before, across.numpy(), up.numpy(), x),
        (after, warp[..., 0], warp[..., 1], crowd.layers(torch.from_numpy(x))[0][0].numpy()),
    ):
        panel.pcolormesh(first, second, belief, cmap=TINTS, vmin=0, vmax=1, shading="gouraud", rasterized=True)
        for a, b in zip((*first[::15], *first.T[::15]), (*second[::15], *second.T[::15]), strict=True):
            panel.plot(a, b, color="#4E5A68", linewidth=0.6, alpha=0.6)
        panel.contour(first, second, belief, levels=[0.5], colors="#111111", linewidths=1.5)
        for value, colour in ((1, COLOURS[0]), (0, COLOURS[1])):
            halo = [Stroke(linewidth=5.5, foreground="white"), Normal()]
            panel.plot(
                *places[classes == value].T, color=colour, linewidth=3.2, solid_capstyle="round", path_effects=halo
            )
        panel.set(aspect="equal", box_aspect=1)
        panel.grid(False)
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.tick_params(length=0)
    before.set(title="The inputs: no straight line parts the two curves", xlabel="x₁", ylabel="x₂")
    after.set(title="The hidden layer bends the grid: now a straight line does", xlabel="h₁", ylabel="h₂")
    before.text(0, 0.63, "boundary", ha="center", fontsize=9)
    after.text(-0.37, -0.35, "boundary", ha="center", va="center", rotation=-45, fontsize=9)
    before.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    after.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlim=(-1.06, 1.06), ylim=(-1.06, 1.06))
    return to_png(made, path)
