"""Automatic speech recognition: what is said in a recording, written down."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Le, MinLen
from torch import nn

from samoyed.errors import DataError, require
from samoyed.examples import Utterance
from samoyed.features.filterbank import SHIFT, Filterbank, FilterbankState, masked, stacked
from samoyed.features.vocabulary import Vocabulary
from samoyed.objectives import Mean
from samoyed.reporting import transcripts as drawing
from samoyed.settings import Count, NonNegative
from samoyed.sources import Source
from samoyed.splitting import stratified
from samoyed.stored import Stored
from samoyed.tasks import Picture, Split, _why_frames
from samoyed.tasks._sounds import checked, one_recording, summary
from samoyed.tasks._transcribing import Sequences, Transcribing, feasible


class State(Stored):
    """What was learned from the training split."""

    filterbank: FilterbankState
    tokens: Annotated[list[str], MinLen(1)]
    words: list[str]
    stack: Annotated[int, Ge(1)]
    densest: Annotated[float, Gt(0), Le(1)] = 1.0


class AutomaticSpeechRecognition(Transcribing[Utterance]):
    """Write down what is said in a recording.

    Raw data: recordings (WAV, FLAC, OGG, MP3) with transcripts, as a table of path and text, with a .txt beside each, or as
    LibriSpeech's folders. Reported as the share of characters and of words that are wrong, lower is better. Models answer at each
    step and are trained by connectionist temporal classification, but las, which listens to the whole and then spells.

    Splits: as named (train, valid, test; train-..., dev-..., test-...), else drawn by the seed: 20 % for the test, and of what
    remains 10 % for validation; recordings that are equal stay together. Recordings are heard as log energies in mel bands,
    scaled by the training split, and trained on with stretches of time and of bands blotted out (SpecAugment, Park 2019).

    Args:
        bands: Mel bands; by default 80, or 40 where there are fewer than 16,000 samples a second.
        stack: Neighbouring frames of 10 ms that are joined to one step.
        lowercase: Whether transcripts are learned in lower case.
        augment: Whether training blots out stretches of time and of bands.
        beam_width: Prefixes, or hypotheses, kept in the search; 1 is the likeliest path, or letter each time.
        lexicon: Whether only words of the training split are written.
        lm: A run of text-generation with tokens=characters, trained on a text with a transcript in each line, n-gram or network:
            what is read is then ranked by log p of the network + lm_weight log p of the language model + length_bonus a symbol.
        lm_weight: Weight of the language model.
        length_bonus: What each symbol adds, against the language model's love of short readings.

    Examples:
        samoyed train automatic-speech-recognition recordings.tsv
        samoyed train automatic-speech-recognition LibriSpeech/ model=bilstm_ctc num_layers=4 hidden_size=320 epochs=30
        samoyed train automatic-speech-recognition recordings.tsv model=las beam_width=8 epochs=60
        samoyed train automatic-speech-recognition recordings.tsv lm=runs/text-generation/1 lm_weight=0.4
        samoyed predict runs/automatic-speech-recognition/1 recording.wav
    """

    sample = "synthetic_speech"
    example = "Utterance"
    model = "bilstm_ctc"
    inputs = ("frame_size", "num_bands")
    outputs = ("num_symbols",)
    relearns = ("tokens", "words", "densest")
    inherits = ("bands", "stack", "lowercase")
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 16,
        "learning_rate": 0.003,
        "clip_norm": 1.0,
        "warmup": 0.05,
    }
    watch = "loss"
    unit = "characters"

    def __init__(
        self,
        *,
        bands: Count | None = None,
        stack: Count = 3,
        lowercase: bool = True,
        augment: bool = True,
        beam_width: Count = 1,
        lexicon: bool = False,
        lm: str | None = None,
        lm_weight: NonNegative = 0.5,
        length_bonus: NonNegative = 0.0,
    ) -> None:
        require("kaldi_native_fbank", "audio")
        require("jiwer", "audio")
        self.lm, self.lm_weight, self.length_bonus = lm, lm_weight, length_bonus
        self.bands, self.stack, self.lowercase, self.augment = bands, stack, lowercase, augment
        self.beam_width, self.lexicon, self.left_out = beam_width, lexicon, 0

    def split(self, parts: dict[str, list[Utterance]], seed: int) -> Split:
        kept = {name: [e for e in part if self._fits(e)] for name, part in parts.items()}
        self.left_out = sum(map(len, parts.values())) - sum(map(len, kept.values()))
        if not all(kept.values()):
            raise DataError(
                f"no transcript is short enough for its recording at {100 / self.stack:.0f} steps a second",
                remedy="check that transcripts belong to their recordings, or set a smaller stack",
            )
        return stratified(kept, seed, label=lambda e: "", content=lambda e: e.samples.tobytes())

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        about = summary([e for part in split[:3] for e in part])
        rows = [("recordings", about), ("first", f"{split.train[0].transcript[:70]}")]
        if self.left_out:
            rows.append(("left out", f"{self.left_out:,} whose transcript is longer than the recording has steps"))
        return rows

    def fit(self, examples: Sequence[Utterance]) -> None:
        self.filterbank = Filterbank.learn(((e.samples, e.rate) for e in examples), self.bands)
        self.learn([self._text(e) for e in examples])
        densest = max(len(self._text(e)) / self._steps(e) for e in examples)
        self.densest = min(1.0, max(0.01, 1.25 * densest))

    def state(self) -> dict[str, Any]:
        kept = {"tokens": self.vocabulary.tokens, "words": self.words, "stack": self.stack, "densest": self.densest}
        return {"filterbank": self.filterbank.state(), **kept}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.filterbank = Filterbank(**found.filterbank.model_dump())
        self.vocabulary, self.words = Vocabulary("characters", found.tokens), found.words
        self.stack, self.densest = found.stack, found.densest

    def sizes(self) -> dict[str, Any]:
        bands = len(self.filterbank.mean)
        return {"frame_size": self.stack * bands, "num_bands": bands, "num_symbols": len(self.vocabulary) + 1}

    def collate(self, examples: Sequence[Utterance]) -> Sequences:
        rows = [stacked(self.filterbank.frames(e.samples, e.rate), self.stack) for e in examples]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int32)
        frames = torch.zeros((len(rows), int(lengths.max()), rows[0].shape[1]), dtype=torch.float16)
        for i, row in enumerate(rows):
            frames[i, : len(row)] = row
        return Sequences(frames, lengths, *self.coded([self._text(e) for e in examples]))

    def objective(self, model: nn.Module, batch: Sequences) -> Mean:
        longest = int(batch.lengths.max())
        frames = batch.frames[:, :longest]
        if model.training and self.augment:
            bands = len(self.filterbank.mean)
            frames = masked(frames, batch.lengths, bands, max(1, bands // 6), 0.1)
        return super().objective(model, batch._replace(frames=frames))

    def read(self, raw: Any) -> Utterance:
        if isinstance(raw, Utterance):
            checked(raw.samples, raw.rate, raw.origin)
            return raw
        samples, rate, path = one_recording(raw)
        return Utterance(samples, rate, None, path)

    def about(self, example: Utterance) -> dict[str, Any]:
        return {"input": example.origin, "seconds": round(len(example.samples) / example.rate, 3)}

    def say(self, answer: dict[str, Any]) -> str:
        return f"{answer['input']}: {answer['text'] or '(nothing)'}"

    def explain(self, model: nn.Module, example: Utterance) -> dict[str, Any]:
        """Where hiding makes the reading less probable, as `heat` over the `spectrogram`, and when each symbol was heard: JSON."""
        return _why_frames.as_json(self._why(model, example), SHIFT)

    def explained(self, model: nn.Module, example: Utterance) -> list[Picture]:
        """The spectrogram under integrated gradients and occlusion, and when each symbol was heard."""
        return _why_frames.drawn(self._why(model, example), "lower", "Mel bands over time", SHIFT)

    def _why(self, model: nn.Module, example: Utterance) -> _why_frames.Reading:
        bands = len(self.filterbank.mean)
        frames = self.filterbank.count(len(example.samples), example.rate)  # without those that fill the last step
        return _why_frames.of_reading(self, model, example, 1, lambda heat: heat.reshape(-1, bands).T[:, :frames])

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Sequences]) -> list[Picture]:
        return drawing.pictures(self, model, data["test"], len(self.filterbank.mean))

    def _text(self, example: Utterance) -> str:
        text = " ".join((example.transcript or "").split())
        return text.lower() if self.lowercase else text

    def _fits(self, example: Utterance) -> bool:
        return feasible(self._steps(example), self._text(example))

    def _steps(self, example: Utterance) -> int:
        return max(1, -(-int(len(example.samples) / example.rate / 0.01) // self.stack))
