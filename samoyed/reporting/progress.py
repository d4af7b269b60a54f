"""What a person sees while waiting: one permanent line per epoch, a live bar inside it, on standard error.

Where standard error is no terminal, lines are written without the bar. Runs of many short epochs print a line for about forty
of them; metrics.jsonl holds all.
"""

import math
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from samoyed.errors import printable
from samoyed.training.progress import Epoch

_LINES = 40


class Reporter:
    """Prints to standard error; `quiet` prints nothing. Also told when to stop, through `request_stop`."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, quiet=quiet, soft_wrap=True, emoji=False)
        self.live = self.console.is_terminal and not quiet
        self.epochs, self.unit = 1, "examples"
        self._stop = False
        self._bar: Progress | None = None
        self._row: TaskID | None = None
        self._shown, self._last = 0.0, ""

    def say(self, text: str = "") -> None:
        """One line for people."""
        self.console.print(printable(text), markup=False)

    def block(self, title: str, rows: list[tuple[str, str]]) -> None:
        """A heading and its lines, the names in one column."""
        self.say(title)
        for name, text in rows:
            self.say(f"  {name:<10} {text}")

    def warn(self, text: str) -> None:
        """One line that should not be overlooked."""
        self.console.print(f"warning: {printable(text)}", style="yellow", markup=False)

    def request_stop(self, *_: Any) -> None:
        """Asks training to end at the next step."""
        self._stop = True

    def stopping(self) -> bool:
        """Whether somebody asked training to end."""
        return self._stop

    def begin(self, epochs: int, unit: str) -> None:
        """Before the first epoch; `unit` is what is counted per second."""
        self.epochs, self.unit = epochs, unit
        if self.live:
            columns = (
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[loss]}"),
            )
            self._bar = Progress(
                *columns, TimeRemainingColumn(compact=True), console=self.console, transient=True, refresh_per_second=4
            )
            self._row = self._bar.add_task("", epoch=1, loss="", total=1)
            self._bar.start()

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Moves the bar, a few times a second."""
        if self._bar is None or self._row is None:
            return
        now = time.monotonic()
        if now - self._shown > 0.2 or done == of:
            self._shown = now
            self._bar.update(self._row, epoch=epoch, completed=done, total=of, loss=f"loss {loss:.4g}")

    def passed(self, epoch: Epoch, left: float) -> None:
        """The epoch's permanent line."""
        every = math.ceil(self.epochs / _LINES)
        line = self._line(epoch, left)
        self._last = line if epoch.epoch % every and epoch.epoch not in (1, self.epochs) else ""
        if not self._last:
            self.say(line)

    def _line(self, epoch: Epoch, left: float) -> str:
        name, first = next(iter(epoch.valid.items()))
        unit = first.unit if first.unit.startswith("%") else f" {first.unit}"
        return (
            f"epoch {epoch.epoch:>3}/{self.epochs}  loss {epoch.loss:<8.4g} valid {name} {first.value:.4g}{unit}"
            f"{' *' if epoch.best else '  '}  {epoch.step_ms:6.1f} ms/step  {epoch.per_second:>9,.0f} {self.unit}/s"
            f"  lr {epoch.learning_rate:.2e}  {duration(max(0.0, left))} left"
        )

    def end(self) -> None:
        """After the last epoch, however it came; its line is never left out."""
        if self._last:
            self.say(self._last)
            self._last = ""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def track(self, items: Any, total: int, what: str) -> Any:
        """Yields from `items` with a bar, if it takes longer than half a second."""
        if not self.live:
            yield from items
            return
        started, bar, row = time.monotonic(), None, None
        try:
            for item in items:
                yield item
                if bar is None and time.monotonic() - started > 0.5:
                    columns = TextColumn(what), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn(compact=True)
                    bar = Progress(*columns, console=self.console, transient=True)
                    row = bar.add_task(what, total=total)
                    bar.start()
                if bar is not None and row is not None:
                    bar.advance(row)
        finally:
            if bar is not None:
                bar.stop()


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(4.2), duration(75), duration(7300)
    ('4 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
