"""A sheet of training pictures as they are and as the network sees them. Legend: N pictures, F forms, C channels, H, W sides."""

from collections.abc import Sequence

from torch import Tensor

from samoyed.reporting.figures import figure
from samoyed.tasks import Picture


def sheet(images: Tensor, kinds: Sequence[str]) -> Picture:
    """images uint8 [N, F, C, H, W], the first form being the picture itself -> one row for each picture."""
    count, forms = images.shape[:2]
    drawn, axes = figure(0.85 * forms + 0.2, 0.85 * count + 0.35, count, forms, squeeze=False)
    for row in range(count):
        for form in range(forms):
            cell, image = axes[row, form], images[row, form]
            shown = image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
            cell.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            cell.axis("off")
            if row == 0:
                cell.set_title("as it is" if form == 0 else f"epoch {form}", loc="center", fontsize=8.5)
    caption = f"{count} training pictures and what {forms - 1} epochs make of them, by {', '.join(kinds)}. They should still be easy to name."
    return Picture("deformed", "What training sees", caption, drawn)
