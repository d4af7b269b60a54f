"""Recordings -> log energies in mel bands, as speech recognisers hear (Davis & Mermelstein 1980), by kaldi-native-fbank.

Windows of 25 ms, one each 10 ms, as Kaldi computes them, without dither; each band is brought to mean 0 and deviation 1 by what
the training split has. Legend: T samples, N frames, M bands.
"""

from collections import Counter
from collections.abc import Iterable
from math import gcd
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from samoyed.errors import require
from samoyed.stored import Stored

WINDOW, SHIFT = 0.025, 0.010  # seconds


class FilterbankState(Stored):
    """What was learned from the training split."""

    rate: Annotated[int, Ge(2_000), Le(400_000)]
    mean: list[float]
    deviation: list[Annotated[float, Gt(0)]]


class Filterbank:
    """Mel bands at one rate, scaled: `rate` samples a second, `mean` and `deviation` [M]."""

    def __init__(self, rate: int, mean: list[float], deviation: list[float]) -> None:
        require("kaldi_native_fbank", "audio")
        if len(mean) != len(deviation) or not mean:
            raise ValueError("a mean and a deviation for each band")
        self.rate, self.mean, self.deviation = rate, mean, deviation

    @classmethod
    def learn(cls, sounds: Iterable[tuple[NDArray[np.float32], int]], bands: int | None = None) -> "Filterbank":
        """From sounds (samples, rate): the commonest rate, and means and deviations of each band. `bands` None is 80, or 40
        where fewer than 16,000 samples a second leave high bands empty."""
        sounds = list(sounds)
        rate = Counter(rate for _, rate in sounds).most_common(1)[0][0]
        bands = bands or (80 if rate >= 16_000 else 40)
        bare = cls(rate, [0.0] * bands, [1.0] * bands)
        count, total, squares = 0, np.zeros(bands), np.zeros(bands)
        for samples, own in sounds:
            frames = bare.frames(samples, own).double().numpy()
            count, total, squares = count + len(frames), total + frames.sum(0), squares + (frames**2).sum(0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
        return cls(rate, mean.round(6).tolist(), deviation.round(6).tolist())

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"rate": self.rate, "mean": self.mean, "deviation": self.deviation}

    def count(self, samples: int, rate: int) -> int:
        """How many frames a sound gives, without computing them: at least one."""
        return max(1, round(samples * self.rate / rate / round(SHIFT * self.rate)))

    def frames(self, samples: NDArray[np.float32], rate: int) -> Tensor:
        """samples float32 [T] at `rate` -> float32 [N, M]."""
        import kaldi_native_fbank

        if rate != self.rate:
            from scipy.signal import resample_poly

            common = gcd(rate, self.rate)
            samples = resample_poly(samples, self.rate // common, rate // common).astype(np.float32)
        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.samp_freq = self.rate
        options.frame_opts.dither = 0.0
        options.frame_opts.snip_edges = False
        options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 1000 * WINDOW, 1000 * SHIFT
        options.mel_opts.num_bins = len(self.mean)
        options.mel_opts.debug_mel = False
        computed = kaldi_native_fbank.OnlineFbank(options)
        least = int(WINDOW * self.rate) + 1  # a window must fit
        padded = np.pad(samples, (0, max(0, least - len(samples)))) * 32768.0
        computed.accept_waveform(self.rate, padded.tolist())
        computed.input_finished()
        rows = np.stack([computed.get_frame(i) for i in range(computed.num_frames_ready)])
        scaled = (rows - np.asarray(self.mean)) / np.asarray(self.deviation)
        return torch.from_numpy(scaled.astype(np.float32))


def stacked(frames: Tensor, count: int) -> Tensor:
    """Neighbouring frames side by side, so that sequences are shorter: [N, M] -> [ceil(N / count), count M], padded with 0."""
    rest = -len(frames) % count
    return torch.nn.functional.pad(frames, (0, 0, 0, rest)).view(-1, count * frames.shape[1])


def masked(frames: Tensor, lengths: Tensor, bands: int, widest: int, longest: float) -> Tensor:
    """SpecAugment (Park 2019) without warping: in each recording of [B, N, C M], two runs of at most `widest` of its M = `bands`
    bands, and two of at most the share `longest` of its frames, are 0. Draws from the global generator."""
    batch, steps = frames.shape[:2]
    width = torch.randint(0, widest + 1, (batch, 2, 1))
    begin = (torch.rand(batch, 2, 1) * (bands - width + 1)).long()
    place = torch.arange(bands)
    hidden = ((place >= begin) & (place < begin + width)).any(1)  # [B, M]
    hidden = hidden.repeat(1, frames.shape[2] // bands)[:, None]
    span = (torch.rand(batch, 2, 1) * longest * lengths.cpu()[:, None, None]).long()
    first = (torch.rand(batch, 2, 1) * (lengths.cpu()[:, None, None] - span)).long()
    time = torch.arange(steps)
    lost = ((time >= first) & (time < first + span)).any(1)[..., None]  # [B, N, 1]
    return frames.masked_fill((hidden | lost).to(frames.device), 0.0)
