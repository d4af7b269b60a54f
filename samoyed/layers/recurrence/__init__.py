"""Recurrent layers at hardware speed: torch.nn's RNN, LSTM and GRU, and the variants of them that torch.nn does not have.

`RNN`, `LSTM` and `GRU` take what torch.nn's take, answer what they answer, and name their parameters alike, so that a
state_dict goes from either to the other. What is more: `lengths`, ReLU with identity initialisation, peepholes, an LSTM with
coupled gates or without a forget gate, layer normalisation, and both resets of the GRU.

| file | holds |
| --- | --- |
| cells.py | each cell's equations, once, in PyTorch |
| reference.py | a cell taken through time by autograd |
| kernels.c, cells.h, normed.h, lanes.h, sets.h | the same in C, for float32 on the CPU |
| build.py, library.py | the C compiled, when Samoyed is installed or when it is first used |
| kernel.py, normed.py, calls.py, layer.py | the C as PyTorch operators |
| gpu.py, triton_cells.py | the same operators on GPUs, in Triton, for the cells that cuDNN lacks |
| whole.py, whole_steps.py, products.h, whole.h | products and whole sequences with int8 matrices, forward only, on the CPU |
| stack.py | layers, directions, lengths, and which of these computes |
| layers.py | RNN, LSTM and GRU |
"""

from samoyed.layers.recurrence.layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
