"""The built-in RSI strategy: buy what is oversold, leave (or sell) what is overbought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.model.ids import InstrumentId
from core.model.signals import Signal, TargetPosition
from core.strategies.api import BarInput, Direction, Indicator, Parameter, Strategy


class Rsi(Strategy):
    """Hold the size while the RSI was last oversold; leave, or go short, once it is overbought."""

    title: ClassVar[str] = "RSI reversal"

    period = Parameter(14, 2, 500, help="bars the RSI looks back")
    overbought = Parameter(70.0, 50.0, 100.0, help="leave at or above this RSI")
    oversold = Parameter(30.0, 0.0, 50.0, help="buy at or below this RSI")
    cooldown_ms = Parameter(
        100, 0, 86_400_000, help="least event time between two signals of an instrument"
    )
    short = Parameter(False, help="go short when overbought instead of only leaving")

    rsi = Indicator("rsi({period})")

    def on_start(self) -> None:
        """No signal was given yet."""
        self._signalled_ns: dict[InstrumentId, int] = {}

    def on_bar(self, bar: BarInput) -> Iterator[Signal | TargetPosition]:
        """Signal and aim while beyond a threshold; in between, say nothing.

        The confidence is how far beyond the threshold the RSI is, of how far it can be.
        """
        if self.rsi <= self.oversold:
            direction, size = Direction.LONG, self.size
            confidence = (self.oversold - self.rsi) / max(self.oversold, 1e-9)
        elif self.rsi >= self.overbought:
            direction = Direction.SHORT if self.short else Direction.FLAT
            size = -self.size if self.short else 0 * self.size
            confidence = (self.rsi - self.overbought) / max(100.0 - self.overbought, 1e-9)
        else:
            return
        last_ns = self._signalled_ns.get(self.instrument_id)
        if last_ns is not None and self.now_ns - last_ns < self.cooldown_ms * 1_000_000:
            return
        if not bar.warmup:
            self._signalled_ns[self.instrument_id] = self.now_ns
        confidence = min(1.0, max(0.0, confidence))
        reason = f"RSI {self.rsi:.1f} {'<=' if direction is Direction.LONG else '>='} " + (
            f"{self.oversold:g}" if direction is Direction.LONG else f"{self.overbought:g}"
        )
        yield self.signal(direction, confidence, reason)
        yield self.target(size, confidence, reason)
