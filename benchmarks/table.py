"""Results as text for a terminal."""

from benchmarks.results import Entrant, Floor, Result

_HEADS = (
    "contestant", "per second", "ms/step", "floor", "time over ours", "target", "cpu/wall", "loss", "peak MB", "import s",
    "first s",
)  # fmt: skip


def floor(found: Floor) -> str:
    """This machine in two lines."""
    disturbed = found.others is not None and found.others > 0.05
    one, every = found.gemm_one / 1e9, found.gemm_all / 1e9
    return (
        f"floor: fp32 GEMM {one:.0f} GF/s on 1 thread, {every:.0f} on {found.threads}; "
        f"copy {found.copy / 1e9:.0f} GB/s read and written\n"
        f"       {found.cores} cores, torch {found.torch}, load average {_or_dash(found.load_average, '.2f')}"
        f"{f'; NOT QUIET, others took {found.others:.0%}: too low' if disturbed else ''}"
    )


def row(result: Result) -> str:
    """A row: what is done, the table, the agreement, who is absent, the claims."""
    least, bound = result.floor.seconds(result.row.work)
    work = result.row.work
    entered = [e for e in result.entrants if not e.note]
    lines = [
        f"{result.row.name}: {result.row.title}; {result.parameters:,} parameters",
        f"  a step: {work.operations / 1e6:,.0f} MFLOP, {work.traffic / 1e6:.1f} MB; its floor is {1000 * least:.2f} ms ({bound})",
        f"    {work.formula}",
        "",
        *_columns([_HEADS, *(_cells(result, e) for e in entered)]),
        "",
        f"  {_conditions(result)}",
        *_agreement(result),
    ]
    lines += [f"  {e.name}: {e.note}" for e in result.entrants if e.note]
    lines += [
        f"  against {claim.family}: {claim.ratio:.2f}x, the smaller win (over {claim.against}); "
        f"target {claim.target:.1f}x: {'met' if claim.met else 'NOT met'}"
        for claim in result.claims()
    ]
    return "\n".join(lines)


def _cells(result: Result, entrant: Entrant) -> tuple[str, ...]:
    seconds = entrant.middle("seconds", result.most_load)
    cpu = entrant.middle("cpu_seconds", result.most_load)
    step = None if seconds is None else seconds / result.row.steps
    ratio, target = result.ratio(entrant), entrant.contestant.target
    shown = "1" if entrant.ours else "no clean round"
    if ratio:
        shown = f"{ratio.median:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})"
    aim = "" if target is None else f"{target:.1f}x"
    if ratio and target is not None:
        aim += " met" if ratio.median >= target else " NOT met"
    return (
        entrant.name,
        _or_dash(seconds and result.row.examples / seconds, ",.0f"),
        _or_dash(step and 1000 * step, ".2f"),
        _or_dash(step and result.floor.seconds(result.row.work)[0] / step, ".0%"),
        shown,
        aim,
        _or_dash(cpu and seconds and cpu / seconds, ".2f"),
        _or_dash(entrant.middle("loss", result.most_load), ".4f"),
        _or_dash(entrant.peak_bytes and entrant.peak_bytes / 1e6, ",.0f"),
        _or_dash(entrant.built.get("import_seconds"), ".1f"),
        _or_dash(entrant.first_seconds, ".2f"),
    )


def _conditions(result: Result) -> str:
    ratios = [r for e in result.entrants if (r := result.ratio(e))]
    kept = min((r.rounds for r in ratios), default=0)
    lost = max((r.discarded for r in ratios), default=0)
    known = any(t is not None and t.others is not None for e in result.entrants for t in e.timings)
    begin, end = (_or_dash(value, ".2f") for value in result.load_averages)
    why = f"others took more than {result.most_load:.0%} of the machine" if known else "the load is unknown here"
    return (
        f"{result.rounds} rounds of {result.row.steps} steps, interleaved: {kept} or more pairs kept, {lost} or fewer "
        f"discarded ({why}); load average {begin} to {end}"
    )


def _agreement(result: Result) -> list[str]:
    found = [(e.name, e.errors) for e in result.entrants if e.errors and not e.note]
    if not found:
        return []
    parts = [f"{name} {e.loss:.0e}, {e.gradient:.0e}, {e.losses:.0e}" for name, e in found]
    lines = ["  same answer (relative error of the loss, the gradient, the losses of further steps):"]
    return [*lines, *(f"    {part}" for part in parts)]


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])
        for cells in rows
    ]


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
