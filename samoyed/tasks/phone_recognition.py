"""Phone recognition: which sound is made at each moment of a recording."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn
from torch.nn import functional

from samoyed import batching
from samoyed.errors import DataError, printable, require
from samoyed.examples import LabelledRecording
from samoyed.features.filterbank import SHIFT, Filterbank, FilterbankState
from samoyed.layers.crf import viterbi
from samoyed.layers.texts import mask_of
from samoyed.objectives import Mean, full
from samoyed.reporting import phones as drawing
from samoyed.settings import Count, NonNegative
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Metric, Picture, Split, Task, _why_phones
from samoyed.tasks._phones import (
    NOTHING,
    Labelled,
    at_frames,
    folded,
    log_shares,
    phone_errors,
    stretches,
    transitions,
)
from samoyed.tasks._sounds import checked, one_recording, summary


class State(Stored):
    """What was learned from the training split."""

    filterbank: FilterbankState
    phones: Annotated[list[str], MinLen(2)]
    first: list[Annotated[int, Ge(0)]]
    between: list[list[Annotated[int, Ge(0)]]]


class PhoneRecognition(Task[LabelledRecording, Labelled]):
    """Say which phone, or other sound, is heard at each moment of a recording.

    Raw data: recordings (WAV, FLAC, OGG, MP3) with a list of the same name beside each, of begin, end and label: .phn in samples, as
    TIMIT's, or .tsv, .lab or .txt in seconds, as Audacity writes label tracks. Reported as the phone error rate of the
    sequence and as the share of frames that are wrong, lower is better.

    Splits: as named (train, valid, test), else drawn by the seed: 20 % for the test, and of what remains 10 % for validation;
    recordings that are equal stay together. Recordings are heard as log energies in mel bands each 10 ms, scaled by the
    training split. A network says how probable each phone is at each frame; the sequence is the likeliest path through scaled
    likelihoods p(phone | frames) / p(phone) and the transitions from frame to frame that the training split has (Viterbi; Bourlard
    & Morgan 1994), in which neighbours that are equal are one phone. Frames without a label are a class that is in no sequence.

    Args:
        bands: Mel bands; by default 80, or 40 where there are fewer than 16,000 samples a second.
        labels: timit39 folds TIMIT's 61 labels into the 39 that are customary (Lee & Hon 1989).
        transitions: Weight of transitions and priors; at 0 each frame is answered by itself.

    Examples:
        samoyed train phone-recognition recordings/
        samoyed train phone-recognition TIMIT/ labels=timit39 reach=7 hidden_sizes=2048,2048,2048 epochs=30
        samoyed train phone-recognition recordings/ model=tdnn
        samoyed predict runs/phone-recognition/1 recording.wav
    """

    sample = "synthetic_phones"
    example = "LabelledRecording"
    model = "frame_mlp"
    inputs = ("frame_size",)
    outputs = ("num_phones",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 16,
        "learning_rate": 0.001,
        "clip_norm": 1.0,
        "warmup": 0.05,
    }
    watch = "frame error"
    unit = "frames"

    def __init__(
        self,
        *,
        bands: Count | None = None,
        labels: Literal["as_labelled", "timit39"] = "as_labelled",
        transitions: NonNegative = 1.0,
    ) -> None:
        require("kaldi_native_fbank", "audio")
        require("jiwer", "audio")
        self.bands, self.labels, self.transitions = bands, labels, transitions

    def split(self, parts: dict[str, list[LabelledRecording]], seed: int) -> Split:
        drawn = stratified(parts, seed, label=lambda e: "", content=lambda e: e.samples.tobytes())
        return drawn._replace(rule=drawn.rule.replace("drawn per class", "drawn"))

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [e for part in split[:3] for e in part]
        seconds: dict[str, float] = defaultdict(float)
        for begin, end, label in (i for e in everything for i in self._intervals(e)):
            seconds[label] += end - begin
        ranked = sorted(seconds.items(), key=lambda item: -item[1])
        listed = [f"{name} {length:.1f} s" for name, length in ranked[:10]]
        total, labelled = sum(len(e.samples) / e.rate for e in everything), sum(seconds.values())
        rest = f"; {1 - labelled / total:.1%} of the time has no label" if labelled < 0.995 * total else ""
        more = ", ..." if len(seconds) > 10 else ""
        guess = 1 - max([*seconds.values(), total - labelled]) / total
        return [
            ("recordings", summary(everything)),
            ("phones", printable(f"{len(seconds)}: {', '.join(listed)}{more}{rest}")),
            ("guessing", f"the most frequent is wrong of {guess:.1%} of the time"),
        ]

    def fit(self, examples: Sequence[LabelledRecording]) -> None:
        self.filterbank = Filterbank.learn(((e.samples, e.rate) for e in examples), self.bands)
        rows = [at_frames(self._intervals(e), self.filterbank.count(len(e.samples), e.rate)) for e in examples]
        self.phones = sorted({label for row in rows for label in row})
        if len(self.phones) < 2:
            raise DataError(
                f"only one label was found ({printable(''.join(self.phones))}), which leaves nothing to tell apart",
                where=examples[0].origin,
            )
        index = {phone: i for i, phone in enumerate(self.phones)}
        self.first, self.between = transitions([[index[label] for label in row] for row in rows], len(self.phones))

    def state(self) -> dict[str, Any]:
        kept = {"phones": self.phones, "first": self.first, "between": self.between}
        return {"filterbank": self.filterbank.state(), **kept}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        if {len(found.phones)} != {len(found.first), len(found.between), *map(len, found.between)}:
            raise ValueError("phones and transitions are of unequal numbers")
        self.filterbank = Filterbank(**found.filterbank.model_dump())
        self.phones, self.first, self.between = found.phones, found.first, found.between

    def sizes(self) -> dict[str, Any]:
        return {"frame_size": len(self.filterbank.mean), "num_phones": len(self.phones)}

    def collate(self, examples: Sequence[LabelledRecording]) -> Labelled:
        index = {phone: i for i, phone in enumerate(self.phones)}
        rows = [self.filterbank.frames(e.samples, e.rate) for e in examples]
        lengths = torch.tensor([len(row) for row in rows])
        frames = torch.zeros((len(rows), int(lengths.max()), rows[0].shape[1]), dtype=torch.float16)
        labels = torch.full(frames.shape[:2], -1, dtype=torch.int32)
        spoken = [[index.get(label, -1) for _, _, label in self._intervals(e)] for e in examples]
        phones = torch.full((len(rows), max(1, *map(len, spoken)) if spoken else 1), -1, dtype=torch.int32)
        for i, (row, example) in enumerate(zip(rows, examples, strict=True)):
            frames[i, : len(row)] = row
            phones[i, : len(spoken[i])] = torch.tensor(spoken[i], dtype=torch.int32)
            if example.intervals is not None:
                named = at_frames(self._intervals(example), len(row))
                labels[i, : len(row)] = torch.tensor([index.get(name, -1) for name in named], dtype=torch.int32)
        return Labelled(frames, lengths, labels, phones, torch.tensor([len(row) for row in spoken], dtype=torch.int32))

    def batches(
        self, data: Labelled, batch_size: int, *, seed: int = 0, epoch: int | None = None
    ) -> Iterator[Labelled]:
        """As every task's; for an epoch, recordings of similar length together, each batch cut to its longest."""
        if epoch is None:
            pieces = batching.batches(data, batch_size)
        else:
            chunks = batching.bucketed(data.lengths, batch_size, seed, epoch)
            pieces = (batching.take(data, chunk.to(data.lengths.device)) for chunk in chunks)
        for piece in pieces:
            longest = int(piece.lengths.max())
            yield piece._replace(frames=piece.frames[:, :longest], labels=piece.labels[:, :longest])

    def objective(self, model: nn.Module, batch: Labelled) -> Mean:
        logits, labels = full(model(batch.frames.float(), batch.lengths)), batch.labels.long()
        total = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1, reduction="sum")
        return Mean(total, (labels >= 0).sum().float())

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "per": Metric("% of phones", percent=True),
            "frame error": Metric("% of frames", percent=True),
            "loss": Metric("nats/frame"),
        }

    def metrics(self, model: nn.Module, batch: Labelled) -> dict[str, Mean]:
        log_probs = self.log_probs(model, batch)
        labels, mask = batch.labels.long(), mask_of(batch.lengths, batch.labels.shape[1])
        known = labels >= 0
        surprise = -log_probs.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        paths = zip(self.paths(log_probs, batch.lengths), batch.lengths.tolist(), strict=True)
        said = [self._spoken(path[:n]) for path, n in paths]
        right = [row[:n].tolist() for row, n in zip(batch.phones + 1, batch.phone_lengths.tolist(), strict=True)]
        return {
            "per": phone_errors(right, [[phone + 1 for phone in row] for row in said]),
            "frame error": Mean(((log_probs.argmax(-1) != labels) & mask).sum(1).float(), batch.lengths.float()),
            "loss": Mean((surprise * known).sum(1), known.sum(1).float()),
        }

    def log_probs(self, model: nn.Module, batch: Labelled) -> Tensor:
        """[B, T, P]."""
        return full(model(batch.frames.float(), batch.lengths)).log_softmax(-1)

    def paths(self, log_probs: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest phone at each frame int64 [B, T], with the transitions that training had."""
        between = torch.tensor(self.between, dtype=log_probs.dtype, device=log_probs.device)
        first = log_shares(torch.tensor(self.first, dtype=log_probs.dtype, device=log_probs.device))
        priors = log_shares(between.sum(0))
        weight = self.transitions
        last = torch.zeros_like(first)
        return viterbi(log_probs - weight * priors, lengths, weight * first, weight * log_shares(between), last)

    def read(self, raw: Any) -> LabelledRecording:
        if isinstance(raw, LabelledRecording):
            checked(raw.samples, raw.rate, raw.origin)
            return raw
        samples, rate, path = one_recording(raw)
        return LabelledRecording(samples, rate, None, path)

    def answer(self, model: nn.Module, example: LabelledRecording) -> dict[str, Any]:
        """The phones with their times in seconds, and the mean probability that their frames gave them."""
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[LabelledRecording], **options: Any) -> list[dict[str, Any]]:
        rows = self.collate([LabelledRecording(e.samples, e.rate, None, e.origin) for e in examples])
        made = [{"input": e.origin, "seconds": round(len(e.samples) / e.rate, 3)} for e in examples]
        for some in batching.alike(rows.lengths):
            batch = Labelled(*(tensor.to(self.device) for tensor in batching.take(rows, some)))
            longest = int(batch.lengths.max())
            log_probs = self.log_probs(model, batch._replace(frames=batch.frames[:, :longest]))
            found = zip(self.paths(log_probs, batch.lengths), log_probs.exp(), batch.lengths.tolist(), strict=True)
            for place, (path, probs, length) in zip(some.tolist(), found, strict=True):
                made[place]["phones"] = self._heard(path[:length], probs)
        return made

    def _heard(self, path: Tensor, probs: Tensor) -> list[dict[str, Any]]:
        """The stretches of a path [T], with the probabilities [T, P]."""
        return [
            {
                "phone": self.phones[s.phone],
                "begin": round(s.begin * SHIFT, 3),
                "end": round(s.end * SHIFT, 3),
                "probability": round(float(probs[s.begin : s.end, s.phone].mean()), 4),
            }
            for s in stretches(path)
            if self.phones[s.phone] != NOTHING
        ]

    def say(self, answer: dict[str, Any]) -> str:
        listed = " ".join(f"{p['phone']}({p['begin']:.2f}-{p['end']:.2f})" for p in answer["phones"])
        return printable(f"{answer['input']}: {listed or '(nothing)'}")

    def explain(self, model: nn.Module, example: LabelledRecording) -> dict[str, Any]:
        """Where hiding makes what was heard less probable, as `heat` over the `spectrogram`, and when each phone was heard: JSON."""
        return _why_phones.as_json(_why_phones.of_phones(self, model, example))

    def explained(self, model: nn.Module, example: LabelledRecording) -> list[Picture]:
        """The spectrogram under integrated gradients and occlusion, and what each moment adds to each phone."""
        return _why_phones.drawn(_why_phones.of_phones(self, model, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Labelled]) -> list[Picture]:
        return drawing.pictures(self, model, data["test"])

    def _intervals(self, example: LabelledRecording) -> tuple[tuple[float, float, str], ...]:
        given = example.intervals or ()
        return folded(given) if self.labels == "timit39" else given

    def _spoken(self, path: Tensor) -> list[int]:
        """The phones of a path, without those that are nothing."""
        return [s.phone for s in stretches(path) if self.phones[s.phone] != NOTHING]
