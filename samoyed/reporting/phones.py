"""Pictures of a network that hears phones: one recording with what is right and what was heard, and what is taken for what.

Legend: B recordings, T frames, M mel bands, P phones.
"""

from typing import Any

import torch
from torch import Tensor

from samoyed.errors import printable
from samoyed.features.filterbank import SHIFT
from samoyed.layers.texts import mask_of
from samoyed.reporting import classification, texts
from samoyed.reporting.figures import COLOURS, MAP, figure
from samoyed.tasks import Picture
from samoyed.tasks._phones import stretches

_LONGEST = 300  # frames of the recording that is drawn


def pictures(task: Any, model: Any, data: Any) -> list[Picture]:
    """All of them, from the test split."""
    every, labels = [], []
    for number, batch in enumerate(task.batches(data, 32)):
        log_probs = task.log_probs(model, batch)
        mask = mask_of(batch.lengths, log_probs.shape[1])
        every.append(log_probs[mask].cpu())
        labels.append(batch.labels[mask].long().cpu())
        if number == 0:
            first = heard(task, batch, log_probs)
    names = [printable(name) or "(none)" for name in task.phones]
    flat, truth = torch.cat(every), torch.cat(labels)
    return [
        first,
        classification.confusion(flat, truth, names, "frames"),
        texts.classes(flat, truth, names, "frames"),
    ]


def heard(task: Any, batch: Any, log_probs: Tensor) -> Picture:
    """The first recording: its spectrogram, what is right and what was heard above one another, and how probable each phone is."""
    count = min(_LONGEST, int(batch.lengths[0]))
    path = task.paths(log_probs[:1], batch.lengths[:1])[0, :count].cpu()
    names = [printable(name) or "-" for name in task.phones]
    end = count * SHIFT
    drawn, (above, between, below) = figure(
        7.6, 3.4 + 0.11 * len(names), 3, 1, sharex=True, height_ratios=(2.2, 1.1, 1.2 + 0.11 * len(names))
    )
    frames = batch.frames[0, :count].float().cpu().T
    above.imshow(frames.numpy(), origin="lower", aspect="auto", cmap=MAP, extent=(0, end, 0, len(frames)))
    above.set_ylabel("mel band")
    above.set_title("what is heard")
    rows = (("right", batch.labels[0, :count].cpu().long()), ("heard", path))
    for row, (_, said) in enumerate(rows):
        for n, (phone, begin, stop) in enumerate(stretches(said)):
            wrong = row == 1 and bool((rows[0][1][begin:stop] != phone).float().mean() > 0.5)
            colour = COLOURS[1] if wrong else COLOURS[0]
            between.barh(
                row, (stop - begin) * SHIFT, 0.82, begin * SHIFT, color=colour, alpha=0.35 if n % 2 else 0.2, lw=0
            )
            if (stop - begin) * SHIFT > 0.012 * end:
                name = names[phone] if phone >= 0 else "?"
                between.text((begin + stop) / 2 * SHIFT, row, name, ha="center", va="center", fontsize=7.5)
    between.set_yticks([0, 1], ["right", "heard"])
    between.set_ylim(1.5, -0.5)
    probs = log_probs[0, :count].exp().cpu().T
    below.imshow(probs.numpy(), aspect="auto", cmap=MAP, vmin=0, vmax=1, extent=(0, end, len(names), 0))
    every = max(1, len(names) // 40)
    below.set_yticks([i + 0.5 for i in range(0, len(names), every)], names[::every], fontsize=7)
    below.set_title("how probable each phone is")
    below.set_xlabel("seconds")
    below.set_xlim(0, end)
    for axes in (above, between, below):
        axes.grid(visible=False)
    caption = (
        "A test recording: its mel bands; the phones as they were labelled and as they were heard, orange where most of a stretch is "
        "wrong; and the probability of each at each frame, brighter where it is greater."
    )
    return Picture("heard", "What it hears, and when", caption, drawn)
