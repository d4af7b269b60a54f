"""The pictures that others are compared with: whose they are, where they came from, and their embeddings as float16.

Legend: N known pictures, E numbers of an embedding.
"""

import base64
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from samoyed.stored import Stored
from samoyed.tasks._matching import units


class KnownState(Stored):
    """As a run's JSON holds them: `vectors` are float16 [N, E] in base64."""

    identities: list[str]
    origins: list[str]
    vectors: str


class Known(NamedTuple):
    """identities [N], origins [N], vectors float16 [N, E]."""

    identities: list[str]
    origins: list[str]
    vectors: NDArray[np.float16]

    @classmethod
    def none(cls, size: int) -> "Known":
        """No picture yet, of embeddings of that many numbers."""
        return cls([], [], np.zeros((0, size), np.float16))

    @classmethod
    def of(cls, state: KnownState, size: int) -> "Known":
        """What `state` holds. Raises ValueError where it does not hold an embedding of `size` numbers for each."""
        try:
            vectors = np.frombuffer(base64.b64decode(state.vectors, validate=True), "<f2")
        except ValueError as error:
            raise ValueError(f"the known pictures: {error}") from error
        count = len(state.identities)
        if len(state.origins) != count or vectors.size != count * size or not np.isfinite(vectors).all():
            raise ValueError("the known pictures: an identity, an origin and an embedding for each")
        return cls(state.identities, state.origins, vectors.reshape(count, size).astype(np.float16))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        packed = base64.b64encode(self.vectors.astype("<f2").tobytes()).decode()
        return {"identities": self.identities, "origins": self.origins, "vectors": packed}

    def nearest(self, vectors: NDArray[np.float64], origins: list[str], most: int) -> list[list[dict[str, Any]]]:
        """For each of `vectors` [B, E] of length 1 the likest known pictures, the likest first; never the picture itself."""
        likeness = vectors @ units(self.vectors.astype(np.float64)).T
        found = []
        for origin, row in zip(origins, likeness, strict=True):
            order = [i for i in np.argsort(-row, kind="stable").tolist() if self.origins[i] != origin][:most]
            found.append(
                [
                    {"identity": self.identities[i], "picture": self.origins[i], "likeness": round(float(row[i]), 6)}
                    for i in order
                ]
            )
        return found

    def likest(self, vector: NDArray[np.float64], origin: str) -> tuple[str | None, NDArray[np.float64]]:
        """Whose known picture is nearest to a vector [E] of length 1, and its embedding; (None, the vector) where none is known. Never
        the picture itself."""
        near = self.nearest(vector[None], [origin], 1)[0]
        if not near:
            return None, vector
        place = self.origins.index(near[0]["picture"])
        return near[0]["identity"], units(self.vectors[place : place + 1].astype(np.float64))[0]
