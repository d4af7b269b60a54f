"""Pictures of tags through time: what is there and what is answered, frame by frame, and how often each tag is right.

Legend: T frames, C channels, H height, W width, K tags.
"""

import torch
from torch import Tensor

from samoyed.reporting.blocks import strip
from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

_CLIPS, _TAGS = 4, 12
Shown = tuple[Tensor, Tensor, Tensor]  # frames uint8 [T, C, H, W], probabilities [T, K], tags [T, K]


def telling(tags: list[Tensor]) -> list[int]:
    """The clips in which most tags come and go, at most 4, in their order: tags [T, K] of each."""
    changes = [int((one[1:] != one[:-1]).sum()) for one in tags]
    return sorted(sorted(range(len(tags)), key=lambda i: -changes[i])[:_CLIPS])


def clips(some: list[Shown], names: list[str]) -> Picture:
    """Each clip's frames, and under them a lane for each tag: where it is (bar), and its probability (line)."""
    kept = _commonest([tags for _, _, tags in some], len(names))
    heights = [h for _ in some for h in (0.75, 0.3 * len(kept) + 0.2)]
    drawn, axes = figure(
        7.6,
        sum(heights) + 0.45 * len(some) + 0.5,
        2 * len(some),
        1,
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for (frames, probs, tags), above, lanes in zip(some, axes[::2, 0], axes[1::2, 0], strict=True):
        above.imshow(strip(frames.float() / 255).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        above.axis("off")
        steps = torch.arange(len(tags) + 1)
        for lane, k in enumerate(kept):
            y, colour = len(kept) - 1 - lane, COLOURS[lane % (len(COLOURS) - 1)]
            truth = torch.cat([tags[:, k], tags[-1:, k]]).float()
            said = torch.cat([probs[:, k], probs[-1:, k]])
            lanes.fill_between(
                steps.numpy(), y, (y + 0.8 * truth).numpy(), step="post", color=colour, alpha=0.3, linewidth=0
            )
            lanes.step(steps.numpy(), (y + 0.8 * said).numpy(), where="post", color=colour, linewidth=1.4)
            lanes.axhline(y, color=COLOURS[6], linewidth=0.4)
        lanes.set_yticks([len(kept) - 0.6 - lane for lane in range(len(kept))], [names[k][:24] for k in kept])
        lanes.set_ylim(-0.1, len(kept))
        lanes.set_xlim(0, len(tags))
        lanes.grid(visible=False, axis="y")
        lanes.tick_params(axis="y", length=0)
    axes[-1, 0].set_xlabel("frame that is seen")
    more = f" The {_TAGS} tags that are there most often." if len(kept) < len(names) else ""
    caption = (
        "Test clips, at most 8 of their frames side by side; below, for each tag, the frames that have it (filled) and the probability that "
        f"is answered (line, from 0 at the foot of the lane to 1).{more}"
    )
    return Picture("timeline", "What is seen when", caption, drawn)


def outcomes(logits: list[Tensor], tags: list[Tensor], names: list[str]) -> Picture:
    """logits [T, K] and tags [T, K] of each clip -> of each tag, the frames that are right, missed and wrongly given it."""
    said, true = torch.cat(logits) >= 0, torch.cat(tags) > 0
    kept = _commonest(tags, len(names))
    counts = {"right": (said & true).sum(0), "missed": (~said & true).sum(0), "not there": (said & ~true).sum(0)}
    drawn, axes = figure(6.4, 0.34 * len(kept) + 1.1)
    places = list(range(len(kept)))[::-1]
    left = torch.zeros(len(kept))
    for (word, found), colour in zip(counts.items(), (COLOURS[0], COLOURS[4], COLOURS[1]), strict=True):
        wide = found[kept].float()
        axes.barh(places, wide.tolist(), left=left.tolist(), height=0.62, color=colour, label=word)
        left += wide
    for place, k, end in zip(places, kept, left.tolist(), strict=True):
        both = 2 * int(counts["right"][k]) + int(counts["missed"][k]) + int(counts["not there"][k])
        f1 = f"F1 {200 * int(counts['right'][k]) / both:.0f} %" if both else ""
        axes.annotate(f1, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, [names[k][:24] for k in kept])
    axes.set_xlim(0, 1.15 * max(1.0, float(left.max())))
    axes.set_xlabel("test frames")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    caption = "Test frames that have a tag and were given it (right), that have it and were not (missed), and that were given it and lack it."
    return Picture("tags", "How often each tag is right", caption, drawn)


def _commonest(tags: list[Tensor], count: int) -> list[int]:
    """The places of at most 12 tags that are there most often, in the order of their names."""
    total = torch.stack([one.sum(0) for one in tags]).sum(0) if tags else torch.zeros(count)
    return sorted(total.argsort(descending=True, stable=True)[:_TAGS].tolist())
