"""What time-series forecasting hands its models, and what it keeps beside them."""

from typing import Annotated, NamedTuple, Self

from annotated_types import Ge, Le, MinLen
from pydantic import model_validator
from torch import Tensor

from samoyed.features.scale import ScaleState
from samoyed.stored import Stored


class Windows(NamedTuple):
    """past float32 [B, T, F], scaled, the target as feature 0; future float32 [B, horizon], the target, scaled alike."""

    past: Tensor
    future: Tensor


_Steps = Annotated[int, Ge(1), Le(2**24)]


class State(Stored):
    """What was learned from the training split, and what the settings left open."""

    target: str
    columns: Annotated[list[str], MinLen(1)]
    horizon: _Steps
    context: _Steps
    season: _Steps
    scale: ScaleState
    band: list[Annotated[float, Ge(0)]] | None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        count, scale = len(self.columns), self.scale
        if not count == len(scale.log) == len(scale.mean) == len(scale.deviation) or self.columns[0] != self.target:
            raise ValueError("a scale for each column, the target first")
        if self.band is not None and len(self.band) != self.horizon:
            raise ValueError("a band for each step ahead")
        return self
