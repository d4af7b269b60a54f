"""Pictures of tags through time: what is there and what is answered, frame by frame, and how often each tag is right.

Legend: T frames, C channels, H height, W width, K tags.
"""

import torch
from torch import Tensor

from samoyed.reporting.blocks import strip
from samoyed.reporting.figures import AGAINST, AGAINST_FOR, COLOURS, FOR, figure, rectangle
from samoyed.tasks import Picture

_CLIPS, _TAGS, _FRAMES = 4, 12, 8
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


def around(heat: Tensor, place: int) -> slice:
    """At most 8 frames in a row, `place` among them, whose heat [T, H, W] is largest in sum of absolute values; `place` near the middle
    where others have as much."""
    each, count = heat.abs().sum((1, 2)), min(_FRAMES, len(heat))
    most = float(each.max()) or 1.0
    first, last = max(0, place - count + 1), min(place, len(heat) - count)

    def worth(begin: int) -> tuple[int, int]:
        return round(100 * float(each[begin : begin + count].sum()) / most), -abs(2 * (place - begin) - count)

    begin = max(range(first, last + 1), key=worth)
    return slice(begin, begin + count)


def evidence(
    frames: Tensor, begins: list[str], place: int, heat: Tensor, hidden: Tensor, said: str, off: float
) -> Picture:
    """What one tag at one frame rests on: frames uint8 [T, C, H, W], when each begins, heat [T, H, W], and falls where a frame is hidden
    [T]. Above, the frames around it; below, all of them."""
    some, steps = around(heat, place), range(len(frames))
    across = (some.stop - some.start) * frames.shape[3] / frames.shape[2]
    tall = min(1.3, 7.6 / across)
    sizes = [tall + 0.1, tall + 0.1, 1.0, 1.0]
    drawn, axes = figure(7.6, sum(sizes) + 1.2, 4, 1, squeeze=False, gridspec_kw={"height_ratios": sizes})
    above, hot, *bars = axes[:, 0]
    above.imshow(strip(frames[some].float() / 255).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    most = float(heat.abs().flatten().kthvalue(max(1, round(0.998 * heat.numel()))).values) or 1.0
    grey = strip(frames[some].float().mean(1, keepdim=True) / 255).numpy()
    hot.imshow(grey, cmap="gray", vmin=-0.6, vmax=1.6, interpolation="nearest")
    hot.imshow(
        strip(heat[some][:, None]).numpy(), cmap=AGAINST_FOR, vmin=-most, vmax=most, alpha=0.75, interpolation="nearest"
    )
    high, wide = frames.shape[2:]
    left = (place - some.start) * (wide + max(1, round(0.06 * wide))) - 0.5
    above.add_patch(rectangle((left, -0.5), wide, high, fill=False, edgecolor=COLOURS[4], linewidth=2.5, clip_on=False))
    for cell in (above, hot):
        cell.axis("off")
        cell.set_anchor("W")
    span = f"{begins[some.start]} to {begins[some.stop - 1]}".replace("frame ", "frames ", 1).replace("frame ", "")
    above.set_title(f"{span}, as they are seen; framed: the one that has the tag")
    hot.set_title("integrated gradients")
    sums = heat.sum((1, 2))
    for cell, values, what in zip(
        bars,
        (sums, hidden),
        ("integrated gradients, summed over each frame", "occlusion: lost where the frame is hidden"),
        strict=True,
    ):
        cell.bar(steps, values.tolist(), color=[FOR if v >= 0 else AGAINST for v in values.tolist()], width=0.8)
        cell.axvspan(some.start - 0.5, some.stop - 0.5, color=COLOURS[6], alpha=0.15, linewidth=0)
        cell.axvline(place, color=COLOURS[6], linewidth=1.0, linestyle=":")
        cell.axhline(0, color=COLOURS[6], linewidth=0.8)
        cell.set_xlim(-0.6, len(frames) - 0.4)
        cell.set_title(what)
        ticks = list(steps)[:: max(1, round(len(frames) / 6))]
        cell.set_xticks(ticks, [begins[i].removeprefix("frame ") for i in ticks])
    bars[0].set_xticklabels([])
    bars[-1].set_xlabel("frame" if begins[0].startswith("frame") else "begin of the frame")
    caption = (
        f"For the answer {said}: blue speaks for it, orange against it. Shaded: the frames above; dotted: the frame that has the tag. The shares of "
        f"integrated gradients add up to the answer within {off:.1%}."
    )
    return Picture("evidence", f"Which frames mattered: {said}", caption, drawn)


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
