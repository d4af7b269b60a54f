"""The loss of connectionist temporal classification, and its gradient, at the speed of the hardware.

| file | holds |
| --- | --- |
| kernels.c, ctc.h | equations and arithmetic in C, for float32 on the CPU |
| library.py | the C compiled, when Samoyed is installed or when it is first used |
| loss.py | the C as a PyTorch operator, and torch's loss where it does not run |
"""

from samoyed.layers.ctc.loss import ctc_loss

__all__ = ["ctc_loss"]
