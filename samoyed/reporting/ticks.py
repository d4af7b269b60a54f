"""Labels of a logarithmic axis."""

from matplotlib.axis import Axis
from matplotlib.ticker import LogFormatterMathtext, LogFormatterSciNotation


class Powers(LogFormatterSciNotation):
    """Labels of a logarithmic axis without mathematical markup: 0.01, 1, 100, and 10⁻⁵ or 2·10⁶ further out.

    >>> [Powers.label(x) for x in (1e-5, 0.02, 1.0, 300.0, 2e6, 1e12)]
    ['10⁻⁵', '0.02', '1', '300', '2·10⁶', '10¹²']
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.label(x) if super().__call__(x, pos) else ""  # the superclass knows which ticks have a label

    @staticmethod
    def label(x: float) -> str:
        """One number."""
        if x == 0 or 0.01 <= abs(x) < 1e4:
            return f"{x:g}"
        factor, _, power = f"{x:.3e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        shown = f"{float(factor):g}"
        return f"10{raised}" if shown == "1" else f"{shown}·10{raised}"


def plain(axis: Axis) -> None:
    """Writes the powers of ten of an axis without markup."""
    if axis.get_scale() == "log" and isinstance(axis.get_major_formatter(), LogFormatterMathtext):
        axis.set_major_formatter(Powers())
        if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
            axis.set_minor_formatter(Powers(labelOnlyBase=False, minor_thresholds=(1, 0.4)))
