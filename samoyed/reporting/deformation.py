"""A sheet of training pictures as they are and as the network sees them. Legend: N pictures, F forms, C channels, H, W sides."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from samoyed.reporting.figures import figure
from samoyed.tasks import Picture


def sheet(images: Tensor, kinds: Sequence[str]) -> Picture:
    """images uint8 [N, F, C, H, W], the first form being the picture itself -> one row for each picture."""
    count, forms, channels, height, width = images.shape
    gap = max(1, round(0.1 * width))
    drawn, axes = figure(0.85 * forms + 0.2, 0.85 * count * height / width + 0.35)
    spaced = functional.pad(images, (0, gap, 0, gap), value=255)
    whole = spaced.permute(0, 3, 1, 4, 2).reshape(count * (height + gap), forms * (width + gap), channels)
    axes.imshow(whole.squeeze(2).numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.axis("off")
    for form in range(forms):
        label = "as it is" if form == 0 else f"epoch {form}"
        axes.text(form * (width + gap) + width / 2, -gap, label, ha="center", va="bottom", fontsize=8.5)
    caption = f"{count} training pictures and what {forms - 1} epochs make of them, by {', '.join(kinds)}. They should still be easy to name."
    return Picture("deformed", "What training sees", caption, drawn)
