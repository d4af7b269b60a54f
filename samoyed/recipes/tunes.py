"""New tunes: a character LSTM on tunes in ABC notation writes others, whose bars are counted.

A network that writes letters has to find out that the lengths between two bar lines add up to the metre that stands at the head of
the tune (compare Sturm et al. 2016, "Music transcription modelling and composition using deep learning"). 40 tunes are written
at temperature 0.7 and read by a parser, beside 40 by n-grams of eight letters. Without DATA the tunes are 1,000 that the program
composes with a small grammar.
"""

from collections.abc import Callable
from pathlib import Path

from samoyed import samples
from samoyed.errors import DataError, UsageError
from samoyed.features.abc_notation import Tune, read_tune, read_tunes
from samoyed.files import write_text
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting import music
from samoyed.run import Run
from samoyed.sources._reading import read_text

expected = (
    "at least half of 40 tunes well formed, none of them in the training text, more than by n-grams of eight letters"
)
seconds = 180
_WRITTEN, _LONGEST = 40, 700


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains on `data`, a text of tunes in ABC notation, or on those that the program composes."""
    where = data or out / "tunes.abc.txt"
    if data is None:
        write_text(where, samples.load("composed_tunes")[0][0].text)
    known = read_tunes(read_text(where))
    if len(known) < 50:
        raise DataError(f"holds {len(known)} tunes", where=where, remedy="give at least 50, each begun by X:")
    given = {"tokens": "characters", "epochs": 12, "max_time": "2min", "hidden_size": 256, "dropout": 0.1}
    lstm = _runs.train(out, "lstm", "text-generation", where, echo, **given)
    ngram = _runs.train(out, "ngram", "text-generation", where, echo, model="ngram", order=8)
    heads = {tuple(tune.notes) for tune in known}
    found = {name: _written(made) for name, made in (("lstm", lstm), ("ngram", ngram))}
    good = {name: [tune for tune in tunes if not tune.wrong] for name, tunes in found.items()}
    new = {name: sum(tuple(tune.notes) not in heads for tune in tunes) for name, tunes in good.items()}
    known_good = sum(not tune.wrong for tune in known)
    lines = [
        f"of {len(known):,} tunes of the data {known_good:,} are well formed",
        *(
            f"{name}: {len(good[name])} of {_WRITTEN} well formed, {new[name]} of these new; "
            f"{made.metrics['test']['bits']['value']:.3f} bits per character on unseen tunes"
            for name, made in (("lstm", lstm), ("ngram", ngram))
        ),
    ]
    shown = (good["lstm"] or found["lstm"])[:4]
    pictures = [music.rolls(shown, [f"{tune.metre}, {tune.key}" for tune in shown], out / "tunes.png")]
    try:
        lines += [f"heard: {music.write_midi(tune, out / f'tune-{i}.mid')}" for i, tune in enumerate(shown, 1)]
    except UsageError as error:  # the extra is absent
        lines.append(str(error))
    return Outcome(
        holds=len(good["lstm"]) >= _WRITTEN / 2 and new["lstm"] == len(good["lstm"]) > len(good["ngram"]),
        measured={f"{name} {what}": n for name in found for what, n in (("good", len(good[name])), ("new", new[name]))},
        sentence="\n".join(lines),
        pictures=tuple(pictures),
    )


def _written(run: Run) -> list[Tune]:
    """Tunes from the beginning of one on, to the empty line at its end."""
    found = []
    for seed in range(_WRITTEN):
        text = run.generate("\n\nX:", length=_LONGEST, temperature=0.7, seed=seed)["continuation"]
        tune, end, _ = f"X:{text}".partition("\n\n")
        made = read_tune(tune)
        found.append(made if end else made._replace(wrong=[*made.wrong, "it does not end"]))
    return found
