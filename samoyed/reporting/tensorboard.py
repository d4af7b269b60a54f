"""TensorBoard events of a run, beside its own files: scalars per epoch, the report's pictures, the settings.

The writer is torch.utils.tensorboard's, from the extra samoyed[tensorboard]. Events lie in RUN/tensorboard.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samoyed.errors import UsageError
from samoyed.reporting.figures import style

if TYPE_CHECKING:
    from samoyed.tasks import Picture
    from samoyed.training.progress import Epoch


def needed() -> None:
    """Raises UsageError where the package is missing, before any work is done."""
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            "tensorboard=true needs a package that is missing", remedy="pip install 'samoyed[tensorboard]'"
        )


class Events:
    """Writes events below `folder`/tensorboard; `samoyed` runs compare when TensorBoard is pointed at their parent."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def epoch(self, epoch: "Epoch") -> None:
        """Training's figures and every validation metric, against the step."""
        shown = {
            "train/objective": epoch.loss,
            "train/gradient norm": epoch.gradient_norm,
            "train/learning rate": epoch.learning_rate,
            "speed/per second": epoch.per_second,
            **{f"valid/{name} ({result.unit})": result.value for name, result in epoch.valid.items()},
        }
        for name, value in shown.items():
            self._writer.add_scalar(name, value, epoch.step)

    def end(self, pictures: "list[Picture]", settings: dict[str, Any], measured: dict[str, float]) -> None:
        """The report's pictures and the settings with the figures they led to; closes the file."""
        import numpy as np
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        with style():
            for picture in pictures:
                picture.figure.set_facecolor("white")
                canvas = FigureCanvasAgg(picture.figure)
                canvas.draw()  # type: ignore[no-untyped-call]
                self._writer.add_image(
                    f"report/{picture.name}", np.asarray(canvas.renderer.buffer_rgba())[..., :3], dataformats="HWC"
                )
        plain = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in settings.items()}
        self._writer.add_hparams(plain, {f"test/{name}": value for name, value in measured.items()}, run_name=".")
        self._writer.close()
