"""RNN, LSTM and GRU: torch.nn's arguments and parameters, and those of the variants."""

from typing import Any, Literal

from torch import nn

from samoyed.layers.recurrence.cells import GRUCell, LSTMCell, RNNCell
from samoyed.layers.recurrence.stack import Engine, Recurrent


class RNN(Recurrent):
    """h_t = f(W x_t + b + U h_{t-1} + d): torch.nn.RNN, and its ReLU form with identity initialisation.

    Args:
        input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional, device, dtype: As in
            torch.nn.RNN.
        identity: U starts as the identity, b and d as 0, so that with ReLU a state without input stays as it is (Le, Jaitly
            & Hinton 2015, who also draw W from a normal distribution of deviation 0.001; here it is as in torch.nn).
        lags: How many states back h_t sees, h_{t-1} to h_{t-lags}, through the parameter weight_lags; more than one has no kernel.
        variational, weight_dropout, engine: See Recurrent.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        identity: bool = False,
        lags: int = 1,
        variational: bool = False,
        weight_dropout: float = 0.0,
        engine: Engine = "auto",
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
        if lags < 1:
            raise ValueError(f"lags must be at least 1, not {lags}")
        self.nonlinearity, self.identity = nonlinearity, identity
        cell = RNNCell(nonlinearity, lags)
        super().__init__(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            engine,
            device,
            dtype,
            variational,
            weight_dropout,
        )

    def reset_parameters(self) -> None:
        """As torch.nn, and then U = 1, of older states 0, and b = d = 0 if so chosen."""
        super().reset_parameters()
        for name, parameter in self.named_parameters() if self.identity else ():
            if name.startswith("weight_hh"):
                nn.init.eye_(parameter)
            elif name.startswith(("bias", "weight_lags")):
                nn.init.zeros_(parameter)


class LSTM(Recurrent):
    """Long short-term memory: torch.nn.LSTM, and the variants that LSTMCell describes.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype: As in
            torch.nn.LSTM.
        forget: "gate", "none" (f = 1) or "coupled" (f = 1 - i). Without a gate of its own, f has no rows in the parameters.
        forget_bias: Where the forget gate's bias starts; 1 to 2 keeps memory from the first step on (Gers et al. 2000;
            Jozefowicz, Zaremba & Sutskever 2015). None leaves it as torch.nn draws it.
        peephole: Connections from c to the gates, parameters weight_peephole [G - 1, H].
        layer_norm: Normalised products and memory, parameters weight_norm and bias_norm; no kernel.
        variational, weight_dropout, engine: See Recurrent.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        forget: Literal["gate", "none", "coupled"] = "gate",
        forget_bias: float | None = None,
        peephole: bool = False,
        layer_norm: bool = False,
        variational: bool = False,
        weight_dropout: float = 0.0,
        engine: Engine = "auto",
    ) -> None:
        if forget not in ("gate", "none", "coupled"):
            raise ValueError(f"forget must be 'gate', 'none' or 'coupled', not {forget!r}")
        if forget_bias is not None and (forget != "gate" or not bias):
            raise ValueError("forget_bias needs forget='gate' and bias=True")
        self.forget_bias = forget_bias
        cell = LSTMCell(forget, peephole, layer_norm, proj_size > 0)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, engine, device,
            dtype, variational, weight_dropout,
        )  # fmt: skip

    def reset_parameters(self) -> None:
        """As torch.nn, and then the forget gate's bias if so chosen: all of it in bias_ih."""
        super().reset_parameters()
        if self.forget_bias is not None:
            for name, parameter in self.named_parameters():
                if name.startswith(("bias_ih", "bias_hh")):
                    value = self.forget_bias if name.startswith("bias_ih") else 0.0
                    nn.init.constant_(parameter[self.hidden_size : 2 * self.hidden_size], value)


class GRU(Recurrent):
    """Gated recurrent unit: torch.nn.GRU, and the paper's reset before the product.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: As in torch.nn.GRU.
        reset: "after" the product with U, as in torch.nn, or "before" it.
        variational, weight_dropout, engine: See Recurrent.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        reset: Literal["after", "before"] = "after",
        variational: bool = False,
        weight_dropout: float = 0.0,
        engine: Engine = "auto",
    ) -> None:
        if reset not in ("after", "before"):
            raise ValueError(f"reset must be 'after' or 'before', not {reset!r}")
        super().__init__(
            GRUCell(reset), input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, engine, device,
            dtype, variational, weight_dropout,
        )  # fmt: skip
