"""Bars cut by activity instead of time: so many trades, so much volume, or so much money each.

A bar closes with the trade that reaches its size; a trade is never split, so a bar may hold more
than its size by part of one trade. Trades count in the order they came: a late one joins the bar
that forms then. See López de Prado, "Advances in Financial Machine Learning" (2018), section 2.3.

The builders look at the market's newest trades a few times a second, so messages cost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, cast

import msgspec

from core.engine.followed import MAX_TRADES, Followed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import ActivityBar, Trade

KEPT: Final = 2000
"""Closed bars kept per rule."""

MAX_RULES: Final = 32
"""Rules followed at once; the one asked for least lately gives way."""

_KINDS: Final = ("tick", "volume", "dollar")


class ActivityRule(msgspec.Struct, frozen=True):
    """When a bar is full: ``tick:100``, ``volume:5`` (base units) or ``dollar:1000000`` (quote)."""

    kind: Literal["tick", "volume", "dollar"]
    size: Decimal

    def __str__(self) -> str:
        return f"{self.kind}:{self.size.normalize():f}"

    def units(self, instrument: Instrument) -> int:
        """Return the size as a count of trades, of lots, or of ticks times lots.

        Raises:
            ConfigError: It is less than one lot of the instrument.
        """
        step = {
            "tick": Decimal(1),
            "volume": instrument.size_lot,
            "dollar": instrument.price_tick * instrument.size_lot,
        }[self.kind]
        units = int(self.size / step)
        if units < 1:
            raise ConfigError(f"{self} is less than one step of {instrument.id}, which is {step:f}")
        return units


def parse_rule(text: str) -> ActivityRule:
    """Return the rule a text names.

    Raises:
        ConfigError: It is none.
    """
    kind, _, size = text.partition(":")
    try:
        value = Decimal(size)
    except InvalidOperation:
        value = Decimal(0)
    if kind not in _KINDS or not value.is_finite() or value <= 0:
        raise ConfigError(
            f"bars by activity are tick:N, volume:SIZE or dollar:AMOUNT above 0, was {text!r}"
        )
    if kind == "tick" and value != int(value):
        raise ConfigError(f"tick bars hold a whole number of trades, was {text!r}")
    return ActivityRule(cast("Literal['tick', 'volume', 'dollar']", kind), value)


class ActivityBuilder:
    """Cuts one instrument's trades into bars."""

    def __init__(self, instrument: Instrument, rule: ActivityRule) -> None:
        """Start an empty bar.

        Raises:
            ConfigError: The rule is finer than the instrument's steps.
        """
        self._id = instrument.id
        self._rule = str(rule)
        self._kind = rule.kind
        self._full = rule.units(instrument)
        self._held = 0
        self._whole = True
        self._bar: ActivityBar | None = None

    def add(self, trade: Trade) -> ActivityBar | None:
        """Take a trade and return the bar it fills."""
        bar = self._bar = self._with(trade)
        match self._kind:
            case "tick":
                self._held += 1
            case "volume":
                self._held += trade.size_lots
            case _:
                self._held += trade.price_ticks * trade.size_lots
        if self._held < self._full:
            return None
        self._bar = None
        self._held = 0
        self._whole = True
        return bar

    def interrupt(self) -> None:
        """Note that trades are missing: the bar that forms is not whole."""
        self._whole = False
        if self._bar is not None:
            self._bar = msgspec.structs.replace(self._bar, whole=False)

    def _with(self, trade: Trade) -> ActivityBar:
        """Return the bar that forms with one more trade in it."""
        bar, price = self._bar, trade.price_ticks
        if bar is None:
            return ActivityBar(
                instrument_id=self._id,
                rule=self._rule,
                ts_open_ns=trade.ts_event_ns,
                ts_close_ns=trade.ts_event_ns,
                open_ticks=price,
                high_ticks=price,
                low_ticks=price,
                close_ticks=price,
                volume_lots=trade.size_lots,
                trades=1,
                whole=self._whole,
            )
        return msgspec.structs.replace(
            bar,
            ts_close_ns=trade.ts_event_ns,
            high_ticks=max(bar.high_ticks, price),
            low_ticks=min(bar.low_ticks, price),
            close_ticks=price,
            volume_lots=bar.volume_lots + trade.size_lots,
            trades=bar.trades + 1,
        )


class _Followed:
    def __init__(self, builder: ActivityBuilder, seen: int) -> None:
        self.builder = builder
        self.seen = seen
        self.bars: deque[ActivityBar] = deque(maxlen=KEPT)


class Activity:
    """The rules asked for, and their bars."""

    def __init__(self) -> None:
        self._rules: dict[tuple[InstrumentId, str], _Followed] = {}

    def bars(self, market: Followed, rule: ActivityRule, limit: int) -> Sequence[ActivityBar]:
        """Return the newest closed bars, oldest first.

        The first question starts with the trades still known; from then on the rule is followed.

        Raises:
            ConfigError: The rule is finer than the instrument's steps.
        """
        key = (market.instrument.id, str(rule))
        found = self._rules.pop(key, None)
        if found is None:
            builder = ActivityBuilder(market.instrument, rule)
            found = _Followed(builder, market.tally.trades - len(market.trades))
            while len(self._rules) >= MAX_RULES:
                del self._rules[next(iter(self._rules))]
        self._rules[key] = found
        self._catch_up(found, market)
        return list(found.bars)[-limit:]

    def look(self, markets: dict[InstrumentId, Followed]) -> None:
        """Take the trades that came since the last look."""
        for (name, _), found in self._rules.items():
            market = markets.get(name)
            if market is not None:
                self._catch_up(found, market)

    @staticmethod
    def _catch_up(found: _Followed, market: Followed) -> None:
        fresh = market.tally.trades - found.seen
        if not fresh:
            return
        found.seen = market.tally.trades
        trades = market.trades
        if fresh > min(len(trades), MAX_TRADES):
            found.builder.interrupt()
            fresh = len(trades)
        for index in range(len(trades) - fresh, len(trades)):
            bar = found.builder.add(trades[index])
            if bar is not None:
                found.bars.append(bar)
