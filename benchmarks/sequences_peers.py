"""pyctcdecode's and Transformers' part in benchmarks/sequences.py, in the peers' environment. Each has `agree`, which answers, and
`step`, which is timed."""

import os
from importlib.metadata import version
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np

_LETTERS = 0x4E00  # where the letters of the search begin among characters


class Prefixes:
    """pyctcdecode, with or without the language model, by a pool of processes where there are several threads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from pyctcdecode.alphabet import Alphabet  # type: ignore[import-not-found]
        from pyctcdecode.decoder import BeamSearchDecoderCTC  # type: ignore[import-not-found]

        self.versions = {"pyctcdecode": version("pyctcdecode")}
        given = np.load(settings["file"])
        logits = given["logits"].astype(np.float64)
        top = logits - logits.max(-1, keepdims=True)
        self.log_probs = list((top - np.log(np.exp(top).sum(-1, keepdims=True))).astype(np.float32))
        fused, letters = settings.get("language"), [chr(_LETTERS + i) for i in range(1, logits.shape[2])]
        labels = (
            ["", *(f"\u2581{c}" for c in letters)] if fused else ["", *letters]
        )  # each a word of its own, or a part
        language = _table(given["after"], given["first"], letters, **fused) if fused else None
        self.decoder = BeamSearchDecoderCTC(Alphabet.build_alphabet(labels), language)
        self.width = settings["width"]
        several = settings["threads"] > 1
        self.pool = get_context("fork").Pool(settings["threads"]) if several else None

    def agree(self, out: str) -> dict[str, Any]:
        return {"read": [[ord(c) - _LETTERS for c in text if c != " "] for text in self._read()]}

    def step(self) -> dict[str, Any]:
        begin = perf_counter()
        self._read()
        return {"seconds": perf_counter() - begin}

    def _read(self) -> list[str]:
        found: list[str] = self.decoder.decode_batch(self.pool, self.log_probs, beam_width=self.width)
        return found


def _table(after: Any, first: Any, letters: list[str], weight: float, bonus: float) -> Any:
    """3-grams as pyctcdecode asks for them: a list per two letters, 0 being the end of a line."""
    from pyctcdecode.language_model import AbstractLanguageModel  # type: ignore[import-not-found]

    number = {letter: i + 1 for i, letter in enumerate(letters)}
    rows = [[list(map(float, row)) for row in part] for part in weight * after]
    begin = list(map(float, weight * first))

    class Table(AbstractLanguageModel):  # type: ignore[misc]
        """Its states are the last two letters."""

        order = 3

        def get_start_state(self) -> tuple[int, int]:
            return (-1, 0)

        def score_partial_token(self, partial_token: str) -> float:
            return 0.0

        def score(
            self, prev_state: tuple[int, int], word: str, is_last_word: bool = False
        ) -> tuple[float, tuple[int, int]]:
            before, last = prev_state
            here = number.get(word)
            if here is None:  # nothing is said
                here, total = last, 0.0
                state = prev_state
            else:
                total = (begin if before < 0 else rows[before][last])[here] + bonus
                state = (last, here)
            if is_last_word:
                total += (begin if state[0] < 0 else rows[state[0]][state[1]])[0]
            return total, state

    return Table()


class Generate:
    """Transformers' `generate`: beam search over the network in torch.nn's layers, whose state goes from token to token."""

    def __init__(self, settings: dict[str, Any]) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch

        from benchmarks.sequences_generate import network

        torch.set_num_threads(settings["threads"])
        self.versions = {"transformers": version("transformers"), "torch": version("torch")}
        given = dict(np.load(settings["file"]))
        self.model = network({k: torch.from_numpy(v) for k, v in given.items()})
        few = settings["sentences"]
        self.sources, lengths = (torch.from_numpy(given[name][:few]) for name in ("sources", "lengths"))
        self.mask = (torch.arange(self.sources.shape[1]) < lengths[:, None]).long()
        self.options = {
            "num_beams": settings["width"],
            "max_new_tokens": settings["tokens"],
            "length_penalty": 0.0,
            "do_sample": False,
        }

    def agree(self, out: str) -> dict[str, Any]:
        return {"tokens": self._say()[:, 1:].tolist()}

    def step(self) -> dict[str, Any]:
        begin = perf_counter()
        self._say()
        return {"seconds": perf_counter() - begin}

    def _say(self) -> Any:
        import torch

        with torch.inference_mode():
            return self.model.generate(input_ids=self.sources, attention_mask=self.mask, **self.options)
