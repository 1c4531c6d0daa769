"""Bars cut by activity instead of time: so many trades, so much volume, or so much money each.

A bar closes with the trade that reaches its size; a trade is never split, so a bar may hold more
than its size by part of one trade. Trades count in the order they came: a late one joins the bar
that forms then. Where a venue's ids leave none out, a hole in them makes the bar it falls into not
whole; what the venue tells of it later is put where it belongs, and the bars since are cut anew, as
long as the trades of that time are known. See López de Prado, "Advances in Financial Machine
Learning" (2018), section 2.3.

The builders look at the market's newest trades a few times a second, so messages cost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, NamedTuple, TypeAlias, cast

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

_MAX_HOLES: Final = 64
"""Of one rule that may still be filled; the oldest give way."""

_KINDS: Final = ("tick", "volume", "dollar")


_State: TypeAlias = tuple[int, bool, ActivityBar | None]
"""What a builder holds, whether trades are missing before the next, and the bar that forms."""


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

    @property
    def state(self) -> _State:
        """How far it has got; `restore` goes back there."""
        return self._held, self._whole, self._bar

    def restore(self, state: _State) -> None:
        """Be as it was."""
        self._held, self._whole, self._bar = state

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


class _Hole(NamedTuple):
    """Ids that were left out, and how the builder stood before the trade that came instead."""

    after_id: int
    before_id: int
    anchor_id: int
    """A trade that came before all of higher ids than the hole's."""
    state: _State
    closed: int


class _Followed:
    """One rule of one instrument."""

    def __init__(self, builder: ActivityBuilder, market: Followed) -> None:
        self.builder = builder
        self.bars: deque[ActivityBar] = deque(maxlen=KEPT)
        self._seen = market.tally.trades - len(market.trades)
        self._outages = market.tally.outages
        self._closed = 0
        """Bars closed in all."""
        self._chained = False
        """A trade has all ids from its first to its own."""
        self._last: Trade | None = None
        """The trade with the highest id."""
        self._holes: deque[_Hole] = deque(maxlen=_MAX_HOLES)

    def catch_up(self, market: Followed) -> None:
        """Take the trades that came since the last look."""
        traits = market.gate.traits
        numbered = traits.consecutive_trades or traits.chained_trades
        self._chained = traits.chained_trades
        cut_off = market.tally.outages != self._outages and not numbered
        self._outages = market.tally.outages
        if cut_off:
            # Which trade was the first after it nobody can tell: what this look touches is unsure.
            self.builder.interrupt()
        fresh = market.tally.trades - self._seen
        if fresh:
            self._seen = market.tally.trades
            trades = market.trades
            if fresh > min(len(trades), MAX_TRADES):
                self.builder.interrupt()
                self._holes.clear()
                self._last = None
                fresh = len(trades)
            news = [trades[at] for at in range(len(trades) - fresh, len(trades))]
            if numbered:
                self._add_numbered(news, market)
            else:
                self._add(news, unsure=cut_off)

    def _add(self, trades: Iterable[Trade], *, unsure: bool = False) -> None:
        for trade in trades:
            bar = self.builder.add(trade)
            if bar is not None:
                self._closed += 1
                self.bars.append(bar)
                if unsure:
                    self.builder.interrupt()

    def _add_numbered(self, trades: Iterable[Trade], market: Followed) -> None:
        first: _Hole | None = None
        for trade in trades:
            late = self._hole_of(trade)
            if late is None:
                self._add_next(trade)
            elif first is None or late.after_id < first.after_id:
                first = late
        if first is not None:
            self._cut_anew(first, market)

    def _hole_of(self, trade: Trade) -> _Hole | None:
        """Return the hole a trade was missing in, None for one that comes in its turn."""
        if self._last is None or trade.trade_id > self._last.trade_id:
            return None
        number = trade.trade_id
        return next((h for h in self._holes if h.after_id < number < h.before_id), None)

    def _add_next(self, trade: Trade, anchor_id: int = 0) -> None:
        last = self._last
        # Aggregates are numbered otherwise than single trades.
        same = last is not None and bool(last.first_trade_id) is bool(trade.first_trade_id)
        first = (self._chained and trade.first_trade_id) or trade.trade_id
        if last is not None and same and first > last.trade_id + 1:
            anchor_id = anchor_id or last.trade_id
            state = self.builder.state
            self._holes.append(_Hole(last.trade_id, trade.trade_id, anchor_id, state, self._closed))
            self.builder.interrupt()
        if last is None or not same or trade.trade_id > last.trade_id:
            self._last = trade
        self._add((trade,))

    def _cut_anew(self, hole: _Hole, market: Followed) -> None:
        """Go back to before a hole and cut what is known now, in the order of the ids."""
        known = list(market.trades)
        at = next((n for n, each in enumerate(known) if each.trade_id == hole.anchor_id), None)
        before = next((each for each in known if each.trade_id == hole.after_id), None)
        if at is None or before is None:
            # Too long ago: nobody knows all that came after it.
            return
        came = known[at:]
        if any(
            each.trade_id <= hole.after_id and each.ts_event_ns > before.ts_event_ns
            for each in came
        ):
            # Numbered anew since: the ids say no order.
            return
        while self._closed > hole.closed:
            self._closed -= 1
            if self.bars:
                self.bars.pop()
        self._holes = deque((h for h in self._holes if h.after_id < hole.after_id), _MAX_HOLES)
        self.builder.restore(hole.state)
        self._last = before
        since = (each for each in came if each.trade_id > hole.after_id)
        for trade in sorted(since, key=lambda each: each.trade_id):
            self._add_next(trade, hole.anchor_id)


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
            found = _Followed(ActivityBuilder(market.instrument, rule), market)
            while len(self._rules) >= MAX_RULES:
                del self._rules[next(iter(self._rules))]
        self._rules[key] = found
        found.catch_up(market)
        return list(found.bars)[-limit:]

    def look(self, markets: dict[InstrumentId, Followed]) -> None:
        """Take the trades that came since the last look."""
        for (name, _), found in self._rules.items():
            market = markets.get(name)
            if market is not None:
                found.catch_up(market)
