"""Image captioning: say in a sentence what a picture shows."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.decoding.search import Hypotheses, Scored, beam, greedy
from samoyed.errors import DataError, UsageError, require, shown
from samoyed.examples import CaptionedImage
from samoyed.features.pixels import Pixels
from samoyed.features.sentences import Words
from samoyed.objectives import Mean, cross_entropy, full
from samoyed.reporting import captions as drawing
from samoyed.settings import Count, NonNegative, Share, Span
from samoyed.sources import Source, one_file
from samoyed.sources._pictures import Unreadable, decode
from samoyed.splitting import stratified
from samoyed.tasks import Metric, Picture, Split, Task
from samoyed.tasks._captioned import Captioned, State
from samoyed.tasks._pairs import as_bytes, as_texts, bleu, chrf, statistics

_SIDE_KEPT = 256  # pictures are decoded to at most this, until their final size is known


class ImageCaptioning(Task[CaptionedImage, Captioned]):
    """Say in a sentence what a picture shows, and where each word of it was looked at.

    Raw data: pictures with one or several captions each, as a table of path and caption, Flickr8k's lists, COCO's JSON, or a .txt
    beside each picture. Reported as BLEU and chrF of what a beam search finds against all captions of a picture, by sacrebleu,
    higher is better, and as nats per word.

    Splits: as named (train, valid, test; Flickr8k's lists, COCO's files), else drawn by the seed: 20 % for the test, at most 10,000,
    and of what remains 10 % for validation, at most 5,000. Pictures that are equal to the last pixel stay in one split, and all
    captions of a picture in the same.

    Args:
        image_size: Side of the square that pictures are brought to; by default their own size where all agree on one of at
            most 64 x 64, else 64, or less where the pictures are smaller.
        vocab_limit: Most words that can be said.
        lower: Whether capitals are small letters.
        max_words: Captions with more words than this are left out.
        label_smoothing: Share of the target's probability spread over all words.
        beam_width: Hypotheses of the beam search; 1 is greedy.
        length_penalty: Power of the length that divides a hypothesis's log-probability; 0 favours the short (Wu 2016).

    Examples:
        samoyed train image-captioning photos/captions.tsv image_size=96 epochs=20
        samoyed train image-captioning flickr8k/ image_size=128 hidden_size=512 dropout=0.5
        samoyed train image-captioning hard=true attention=dot
        samoyed predict runs/image-captioning/1 dog.jpg
    """

    sample = "shape_scenes"
    example = "CaptionedImage"
    model = "show_attend_tell"
    inputs = ("image_shape",)
    outputs = ("caption_vocab_size",)
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.003,
        "clip_norm": 1.0,
        "warmup": 0.05,
    }
    watch = "loss"
    unit = "pictures"
    remeasured = 1_000  # for each of them an answer is searched

    def __init__(
        self,
        *,
        image_size: Count | None = None,
        vocab_limit: Count = 10_000,
        lower: bool = True,
        max_words: Span = 50,
        label_smoothing: Share = 0.0,
        beam_width: Count = 4,
        length_penalty: NonNegative = 1.0,
    ) -> None:
        require("sacrebleu", "text")
        self.image_size, self.vocab_limit, self.lower, self.max_words = image_size, vocab_limit, lower, max_words
        self.label_smoothing, self.beam_width, self.length_penalty = label_smoothing, beam_width, length_penalty
        self.left_out = 0

    def source_options(self) -> dict[str, Any]:
        return {"longest_side": 2 * self.image_size if self.image_size else _SIDE_KEPT}

    def split(self, parts: dict[str, list[CaptionedImage]], seed: int) -> Split:
        kept = {name: [e for e in map(self._within, part) if e.captions] for name, part in parts.items()}
        self.left_out = sum(len(e.captions) for part in parts.values() for e in part)
        self.left_out -= sum(len(e.captions) for part in kept.values() for e in part)
        for name, part in kept.items():
            if not part:
                what = "the data" if name == "all" else f"the {name} split"
                raise DataError(
                    f"no picture in {what} has a caption of at most {self.max_words} words",
                    remedy="set a larger max_words",
                )
        return stratified(kept, seed, label=lambda e: "", content=lambda e: e.pixels.tobytes())

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        everything = [e for part in split[:3] for e in part]
        captions = [text for e in everything for text in e.captions]
        words = sum(len(text.split()) for text in captions) / len(captions)
        rows = [
            ("pictures", f"{len(everything):,}, brought to {self.pixels.width} x {self.pixels.height}"),
            ("captions", f"{len(captions):,} of {words:.1f} words, with {len(self.vocabulary):,} words known"),
            ("first", shown(split.train[0].captions[0], 70)),
        ]
        if self.left_out:
            rows.append(("left out", f"{self.left_out:,} captions of more than {self.max_words} words (max_words)"))
        return rows

    def fit(self, examples: Sequence[CaptionedImage]) -> None:
        self.pixels = Pixels.learn([e.pixels for e in examples], self.image_size)
        texts = [self._plain(text) for e in examples for text in e.captions]
        self.vocabulary = Words.learn(texts, "words", self.vocab_limit)
        self.longest = max(len(self.vocabulary.encode(text)) for text in texts) + 1

    def state(self) -> dict[str, Any]:
        return {"pixels": self.pixels.state(), "words": self.vocabulary.tokens, "longest": self.longest}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.pixels, self.longest = Pixels(**found.pixels.model_dump()), found.longest
        self.vocabulary = Words("words", found.words)

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.pixels.height, self.pixels.width)
        return {"image_shape": shape, "caption_vocab_size": len(self.vocabulary) + 1}  # and the boundary

    def collate(self, examples: Sequence[CaptionedImage]) -> Captioned:
        rows = [[self.vocabulary.encode(self._plain(text)) for text in e.captions] for e in examples]
        many = max(1, *(len(row) for row in rows))
        longest = max((len(tokens) for row in rows for tokens in row), default=0) + 1
        captions = torch.full((len(rows), many, longest), len(self.vocabulary), dtype=torch.int32)
        lengths = torch.zeros((len(rows), many), dtype=torch.int32)
        for i, row in enumerate(rows):
            for k, tokens in enumerate(row):
                captions[i, k, : len(tokens)] = tokens
                lengths[i, k] = len(tokens) + 1
        references = as_bytes(["\n".join(map(self._plain, e.captions)) for e in examples])
        return Captioned(self.pixels.stack([e.pixels for e in examples]), captions, lengths, references)

    def batches(
        self, data: Captioned, batch_size: int, *, seed: int = 0, epoch: int | None = None
    ) -> Iterator[Captioned]:
        indices = None if epoch is None else batching.order(len(data.images), seed, epoch)
        yield from (batch.trimmed() for batch in batching.batches(data, batch_size, indices))

    def objective(self, model: nn.Module, batch: Captioned) -> Mean:
        mask, captions = batch.mask(), batch.captions.long()
        logits, besides = model(self.pixels.normalise(batch.images), captions, mask)
        smoothing = self.label_smoothing if model.training else 0.0
        total, count = cross_entropy(full(logits), captions[mask], smoothing)
        return Mean(total + besides, count)

    @property
    def reported(self) -> dict[str, Metric]:
        return {
            "bleu": Metric("points", "higher", pooled=bleu),
            "chrf": Metric("points", "higher", pooled=chrf),
            "loss": Metric("nats/word"),
            "perplexity": Metric("per word", shown_as="exp"),
        }

    def metrics(self, model: nn.Module, batch: Captioned) -> dict[str, Mean]:
        mask, captions = batch.mask(), batch.captions.long()
        logits, _ = model(self.pixels.normalise(batch.images), captions)
        log_probs = full(logits).log_softmax(-1).gather(-1, captions[..., None])[..., 0]
        loss = Mean(-(log_probs * mask).sum((1, 2)), mask.sum((1, 2)).to(log_probs))
        said = self.texts(self.search(model, batch.images))
        references = list(itertools.zip_longest(*(text.split("\n") for text in as_texts(batch.references))))
        pooled = {name: statistics(name, said, *references) for name in ("bleu", "chrf")}
        return {name: Mean(t, torch.ones_like(t)) for name, t in pooled.items()} | {"loss": loss, "perplexity": loss}

    @torch.no_grad()
    def search(self, model: Any, images: Tensor, n_best: int = 1) -> Hypotheses:
        """The likeliest captions of pictures uint8 [B, C, H, W]."""
        memory, state = model.encode(self.pixels.normalise(images))
        end = len(self.vocabulary)
        longest = torch.full((len(images),), self.longest + 5, device=images.device)

        def step(tokens: Tensor, state: Any) -> Scored:
            logits, state, weights = model.step(tokens, state, memory)
            return Scored(full(logits).log_softmax(-1), state, weights)

        if self.beam_width == 1 and n_best == 1:
            return greedy(step, state, end, end, longest)
        width = max(self.beam_width, n_best)
        return beam(step, state, end, end, longest, width=width, n_best=n_best, length_penalty=self.length_penalty)

    def texts(self, found: Hypotheses, n: int = 0) -> list[str]:
        """The n-th answers as texts."""
        rows = zip(found.tokens[:, n].cpu(), found.lengths[:, n].tolist(), strict=True)
        return [self.vocabulary.text(tokens[:length]) for tokens, length in rows]

    @torch.no_grad()
    def looks(self, model: Any, images: Tensor, found: Hypotheses) -> list[list[tuple[str, Tensor]]]:
        """Of the best caption of each picture, its words with the weights [h, w] with which each was said."""
        weights = model.align(self.pixels.normalise(images), found.tokens[:, :1])[:, 0].float().cpu()
        names = self.vocabulary.tokens
        rows = zip(found.tokens[:, 0].tolist(), found.lengths[:, 0].tolist(), weights, strict=True)
        return [
            [(names[token].strip(), w.view(model.grid)) for token, w in zip(tokens[:length], maps, strict=False)]
            for tokens, length, maps in rows
        ]

    def read(self, raw: Any) -> CaptionedImage:
        if isinstance(raw, CaptionedImage):
            raw = raw if raw.pixels.size and raw.pixels.ndim == 3 else raw.pixels
        if isinstance(raw, CaptionedImage):
            return raw
        if isinstance(raw, np.ndarray):
            pixels = raw[:, :, None] if raw.ndim == 2 else raw
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
                raise UsageError(
                    f"an array of {raw.dtype} {raw.shape} is no picture", remedy="give uint8 [H, W] or [H, W, 3]"
                )
            return CaptionedImage(pixels, (), "array")
        path: Path = one_file(raw, "picture")
        try:
            return CaptionedImage(decode(path, self.source_options()["longest_side"]), (), str(path))
        except Unreadable as error:
            raise DataError(str(error), where=path) from error

    def answer(self, model: nn.Module, example: CaptionedImage) -> dict[str, Any]:
        """What is said, other captions with their log-probabilities, and of each word where it was looked at most, in shares of
        the width and the height from the upper left."""
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[CaptionedImage], **options: Any) -> list[dict[str, Any]]:
        images = self.pixels.stack([e.pixels for e in examples]).to(self.device)
        found = self.search(model, images, self.beam_width)
        several = [self.texts(found, n) for n in range(found.tokens.shape[1])]
        made = []
        for row, (example, words) in enumerate(zip(examples, self.looks(model, images, found), strict=True)):
            scored = [(texts[row], float(found.log_probs[row, n])) for n, texts in enumerate(several)]
            likely = [{"text": t, "log_prob": round(p, 4)} for t, p in scored if math.isfinite(p)]
            looked = [{"word": word, "at": drawing.place(weights)} for word, weights in words]
            made.append({"input": example.origin, "text": several[0][row], "alternatives": likely, "words": looked})
        return made

    def say(self, answer: dict[str, Any]) -> str:
        return f"{answer['input']}: {answer['text'] or '(nothing)'}"

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Captioned]) -> list[Picture]:
        return drawing.pictures(self, model, data["test"])

    def explain(self, model: nn.Module, example: CaptionedImage) -> dict[str, Any]:
        """Where each word of the caption was looked at, as `heats` [{word, heat [h][w]}], with a sentence: JSON."""
        images = self.pixels.stack([example.pixels]).to(self.device)
        (words,) = self.looks(model, images, self.search(model, images))
        heats = [{"word": word, "heat": [[round(v, 5) for v in row] for row in w.tolist()]} for word, w in words]
        return {"heats": heats, "sentence": "The brighter, the more a word was looked for there."}

    def explained(self, model: nn.Module, example: CaptionedImage) -> list[Picture]:
        """The picture under the attention of each word."""
        images = self.pixels.stack([example.pixels]).to(self.device)
        return [drawing.attention(images.cpu(), self.looks(model, images, self.search(model, images)))]

    def _plain(self, caption: str) -> str:
        return caption.lower() if self.lower else caption

    def _within(self, example: CaptionedImage) -> CaptionedImage:
        """Without captions that are too long."""
        kept = tuple(text for text in example.captions if len(text.split()) <= self.max_words)
        return example if len(kept) == len(example.captions) else CaptionedImage(example.pixels, kept, example.origin)
