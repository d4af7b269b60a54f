"""-log p of transcripts, summed over all paths (Graves, Fernández, Gomez & Schmidhuber 2006), of logits rather than of their softmax.

Legend: B utterances, T frames, V symbols with the blank at 0, L labels.
"""

import ctypes
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from samoyed.layers.ctc.library import Call, available, library
from samoyed.layers.recurrence.operators import operator

_SMALL = 2**21  # places, symbols and frames, some 5 ms, that are not worth waiting for a second thread


def ctc_loss(
    logits: Tensor,
    symbols: Tensor,
    lengths: Tensor,
    symbol_lengths: Tensor,
    engine: Literal["auto", "kernel", "torch"] = "auto",
) -> Tensor:
    """logits [B, T, V], or log-probabilities, which are logits too; symbols [B, L], of which the first symbol_lengths [B] count;
    lengths [B], from 0 to T -> the loss of each utterance [B], in nats.

    inf where no path of so many frames says the transcript, NaN where a frame within the length has a NaN or +inf, as in torch; the
    gradient of either is NaN. The kernels, which take float32 on the CPU, refuse symbols and lengths that are out of range with
    IndexError; a symbol less probable than e^-1000000 of its frame's likeliest is impossible to them.
    """
    taken = logits.device.type == "cpu" and logits.dtype == torch.float32
    if engine == "torch" or (engine == "auto" and not (taken and available())):
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        return functional.ctc_loss(log_probs, symbols.long(), lengths.long(), symbol_lengths.long(), reduction="none")
    keep = torch.is_grad_enabled() and logits.requires_grad
    loss: Tensor
    loss, _ = ctc(logits, symbols.long(), lengths.long(), symbol_lengths.long(), keep)
    return loss


def _loaded() -> ctypes.CDLL:
    found = library()
    if found is None:
        raise RuntimeError("the kernels of CTC are not built on this machine; use engine='torch'")
    return found


def forward(
    logits: Tensor, symbols: Tensor, lengths: Tensor, symbol_lengths: Tensor, keep: bool
) -> tuple[Tensor, Tensor]:
    """The losses [B], and their gradients [B, T, V], empty unless `keep`; what counts is int64."""
    kernels = _loaded()
    batch, steps, letters = logits.shape
    if logits.stride(2) != 1:
        logits = logits.contiguous()
    symbols, lengths, symbol_lengths = (part.contiguous() for part in (symbols, lengths, symbol_lengths))
    loss = logits.new_empty(batch)
    gradient = logits.new_empty(batch, steps, letters) if keep else logits.new_empty(0)
    most = symbols.shape[1]
    small = batch * steps * (2 * most + letters) < _SMALL
    threads = 1 if small else max(1, min(torch.get_num_threads(), batch))
    call = Call(batch=batch, steps=steps, letters=letters, most=most, threads=threads)
    call.logits, call.over_batch, call.over_time = logits.data_ptr(), logits.stride(0), logits.stride(1)
    call.symbols, call.lengths, call.symbol_lengths = (p.data_ptr() for p in (symbols, lengths, symbol_lengths))
    call.loss, call.gradient = loss.data_ptr(), gradient.data_ptr() if keep else None
    scratch = logits.new_empty(threads * kernels.samoyed_room(ctypes.byref(call)))
    call.scratch = scratch.data_ptr()
    wrong = kernels.samoyed_ctc(ctypes.byref(call))
    if wrong >= 0:
        raise IndexError(f"lengths or symbols of utterance {wrong} are not among {steps} frames and {letters} symbols")
    return loss, gradient


ctc = operator("ctc", forward)


@torch.library.register_fake(ctc)  # type: ignore[untyped-decorator]
def _(logits: Tensor, symbols: Tensor, lengths: Tensor, symbol_lengths: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
    return logits.new_empty(len(logits)), logits.new_empty(logits.shape if keep else 0)


def backward(slopes: Tensor, gradient: Tensor, logits: Tensor) -> Tensor:
    """slopes [B] times gradient [B, T, V]; the logits are there for whoever asks for a second derivative, to be refused."""
    out, slopes = torch.empty_like(gradient), slopes.contiguous()
    each = gradient[0].numel() if len(gradient) else 0
    _loaded().samoyed_scale(len(gradient), each, slopes.data_ptr(), gradient.data_ptr(), out.data_ptr())
    return out


ctc_backward = operator("ctc_backward", backward)


@torch.library.register_fake(ctc_backward)  # type: ignore[untyped-decorator]
def _(slopes: Tensor, gradient: Tensor, logits: Tensor) -> Tensor:
    return torch.empty_like(gradient)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    if not inputs[-1]:
        raise RuntimeError("samoyed::ctc keeps nothing for backward; call it with keep=True")
    ctx.save_for_backward(output[1], inputs[0])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, slopes: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    found: Tensor = ctc_backward(slopes, *ctx.saved_tensors)
    return found, None, None, None, None


def _twice(ctx: Any, *_: Any) -> None:
    raise RuntimeError("the kernels of CTC have no second derivative, and neither has torch's loss")


torch.library.register_autograd(ctc, _backward, setup_context=_remember)
torch.library.register_autograd(ctc_backward, _twice)
