"""The loops that people write in PyTorch, over torch.nn's recurrent layers."""

from torch import Tensor, nn

from benchmarks.lenet import loops
from benchmarks.lenet.data import Floats
from benchmarks.scanned.sizes import Sizes

_CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class Network(nn.Module):
    """pictures [B, C, Y, X] -> logits [B, K], from the last hidden state."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.by_pixel = sizes.scan == "pixels"
        self.recurrent = _CELLS[sizes.cell](sizes.inputs, sizes.hidden_size, batch_first=True)
        self.output = nn.Linear(sizes.hidden_size, sizes.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        steps = images.permute(0, 2, 3, 1).flatten(1, 2) if self.by_pixel else images.transpose(1, 2).flatten(2)
        hidden, _ = self.recurrent(steps)
        logits: Tensor = self.output(hidden[:, -1])
        return logits


class Plain(loops.Plain):
    """DataLoader, zero_grad, forward, backward, step."""

    def network(self) -> tuple[nn.Module, list[Floats]]:
        sizes = Sizes.of(self.settings)
        return Network(sizes), sizes.weights(self.settings["seed"])


class Tuned(Plain, loops.Tuned):
    """The same with whole batches picked at once, and the fused optimiser."""
