"""Trouble by the dice: faults drawn from a seed and armed as the market's time passes."""

from __future__ import annotations

from typing import Final

import msgspec

from emulator.clock import SECOND
from emulator.faults import (
    BAR_FAULTS,
    BOOK_FAULTS,
    ORDER_FAULTS,
    PRIVATE_FAULTS,
    REST_FAULTS,
    STREAM_FAULTS,
    Fault,
)
from emulator.market.latent import stream
from emulator.wire.venue import Venue

GENTLE: Final = (
    "gap",
    "duplicate",
    "reorder",
    "unknown_field",
    "unknown_message",
    "number_exponent",
    "crossed_book",
    "delta_before_snapshot",
    "frozen_snapshot",
    "rate_limit_now",
    "html_5xx",
    "truncated_json",
    "latency_ms",
)
"""What is drawn from unless told otherwise: faults a client gets over without help."""
_DRAWABLE: Final = {
    **STREAM_FAULTS,
    **BOOK_FAULTS,
    **BAR_FAULTS,
    **REST_FAULTS,
    **ORDER_FAULTS,
    **PRIVATE_FAULTS,
}
_VALUES: Final = {
    "latency_ms": 50.0,
    "html_5xx": 502.0,
    "delay_ms": 50.0,
    "slow_ack_ms": 50.0,
    "delay_reports_ms": 50.0,
    "delay_visible_ms": 200.0,
    "expire_after_ack": 50.0,
}
_OF_ONE_ORDER: Final = {**ORDER_FAULTS, **PRIVATE_FAULTS}
_HORIZON: Final = 1_000
_MOST_ARMED: Final = 100
"""Faults that wait for something nobody asks for are not piled up."""


class Chaos(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A plan of faults; the same plan strikes the same in the same market."""

    seed: int = 7
    per_minute: float = 1.0
    """How many are armed in a minute of the market, on average; 0 ends the plan."""
    kinds: tuple[str, ...] = GENTLE
    venue: str = ""

    def __post_init__(self) -> None:
        """Refuse kinds that cannot be drawn.

        Raises:
            ValueError: Naming the kind.
        """
        for kind in self.kinds:
            if kind not in _DRAWABLE:
                raise ValueError(f"kinds must be of {', '.join(_DRAWABLE)}, was {kind!r}")
        if not self.kinds or not 0 <= self.per_minute <= 6_000:
            raise ValueError(
                f"per_minute must be 0 to 6000 with at least one kind, was {self.per_minute:g}"
            )


class Dice:
    """Arms the faults of a plan at one venue."""

    def __init__(self, plan: Chaos, venue: Venue) -> None:
        self.armed = 0
        """How many it has armed."""
        self._plan = plan
        self._venue = venue
        self._rng = stream(plan.seed, "chaos", venue.name)
        self._next_ns = venue.market.acted_ns
        self._draw_time()

    def roll(self, now_ns: int) -> None:
        """Arm what is due; called once a second of the market."""
        for _ in range(_HORIZON):
            if now_ns < self._next_ns:
                return
            self._draw_time()
            self._arm()

    def _draw_time(self) -> None:
        mean_s = 60.0 / self._plan.per_minute
        self._next_ns += int(self._rng.exponential(mean_s) * SECOND)

    def _arm(self) -> None:
        kinds, symbols = self._plan.kinds, list(self._venue.market.shards)
        kind = kinds[int(self._rng.integers(len(kinds)))]
        symbol = symbols[int(self._rng.integers(len(symbols)))]
        if kind in REST_FAULTS or kind in _OF_ONE_ORDER:
            symbol = ""
        on = "cancel" if kind in ORDER_FAULTS and self._rng.integers(3) == 0 else "place"
        fault = Fault(kind=kind, symbol=symbol, value=_VALUES.get(kind, 0.0), on=on)
        if len(self._venue.faults.armed) < _MOST_ARMED:
            self._venue.faults.arm(fault)
            self.armed += 1
