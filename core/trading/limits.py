"""Scopes: tables of limits, and what counts against each of them.

::

    risk                              everything
    risk.accounts.main                what goes to one [venues.<name>] table
    risk.venues.binance               one market, whichever accounts trade it
    risk.instruments.BTC-USDT.binance
    risk.strategies.rsi

An order is judged by every scope it is in; only scopes that have a table cost anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.model.errors import InvariantError, did_you_mean
from core.model.facts import DayOpened, PeakReached
from core.model.ids import InstrumentId, StrategyId, VenueName
from core.model.settings import LimitSettings, RiskSettings
from core.trading.ledger import EXACT

if TYPE_CHECKING:
    from core.trading.exposure import Line

_ZERO: Final = Decimal(0)
_ENDLESS: Final = Decimal("Infinity")
_NO_LIMIT: Final = 1 << 62
_SECOND_NS: Final = 1_000_000_000
_SUMS: Final = (
    "max_gross_exposure", "max_net_exposure", "max_leverage", "max_correlated_exposure",
)  # fmt: skip


class Window:
    """Counts what happened within the last second."""

    __slots__ = ("times",)

    def __init__(self) -> None:
        self.times: deque[int] = deque()
        """When, the oldest first; those older than a second are dropped when it is counted."""

    def add(self, monotonic_ns: int) -> None:
        """Note that it happened."""
        self.count(monotonic_ns)
        self.times.append(monotonic_ns)

    def full(self, most: int, monotonic_ns: int) -> bool:
        """Return whether it happened `most` times within the last second."""
        return len(self.times) >= most and self.count(monotonic_ns) >= most

    def count(self, monotonic_ns: int) -> int:
        """Return how often it happened within the last second."""
        times, before = self.times, monotonic_ns - _SECOND_NS
        while times and times[0] <= before:
            times.popleft()
        return len(times)


class Scope:
    """One table of limits and everything that counts against it; money is in the equity asset."""

    __slots__ = (
        "cool_down_ns", "day_base", "drift", "equity", "floor", "gross", "gross_cap",
        "last_loss_ns", "limits", "lines", "long", "messages", "name", "nearest", "norm",
        "open_orders", "orders", "own_lines", "peak", "pending", "pnl", "prefix", "room", "short",
        "streak", "told_peak", "told_peak_ns", "unvalued",
    )  # fmt: skip

    def __init__(self, name: str, limits: LimitSettings, cool_down_s: float) -> None:
        self.name = name
        """Such as ``accounts.main``; empty: everything."""
        self.prefix = f"risk.{name}." if name else "risk."
        self.limits = limits
        self.cool_down_ns = int((limits.cool_down_s or cool_down_s) * _SECOND_NS)
        self.own_lines = name.startswith("strategies.")
        """Whether its lines are shares of positions, not whole ones."""
        self.lines: dict[InstrumentId, list[Line]] = {}
        """What of it is held and ordered, by instrument."""
        self.gross = _ZERO
        self.long = _ZERO
        """What it would be worth, signed, with every open buy filled."""
        self.short = _ZERO
        """The same with every open sale filled."""
        self.pending = _ZERO
        """What open entries may add at most, line by line."""
        self.norm = _ZERO
        """sqrt(w'Cw) of what was held when it was last worked out."""
        self.drift = _ZERO
        """What was opened since; more than it can have added to `norm`."""
        self.unvalued: set[InstrumentId] = set()
        """Instruments held or ordered that nothing gives a value to."""
        self.pnl = _ZERO
        """Realised + unrealised + funding - fees since the journal began."""
        self.day_base: Decimal | None = None if name else _ZERO
        """`pnl` when the day began; None: it is not known, and counted from the next `refresh`."""
        self.peak = _ZERO
        """The highest `pnl`."""
        self.floor: Decimal | None = None
        """The `pnl` at which some loss is too large, None: none ever is."""
        self.gross_cap: Decimal | None = None
        """What `gross` may be, its own limit and leverage together; None: anything."""
        self.room: Decimal | None = None
        """What an order may add to every sum alike before any limit of sums is met; None: to be
        worked out, as something it rests on has changed."""
        self.told_peak: Decimal | None = None
        """The peak as the journal has it."""
        self.told_peak_ns = 0
        self.equity: Decimal | None = None
        self.nearest: Decimal | None = None
        """Per cent to the nearest liquidation price, None where none is stated."""
        self.streak = 0
        self.last_loss_ns = 0
        self.open_orders = 0
        self.orders = Window()
        self.messages = Window()

    @property
    def day_pnl(self) -> Decimal:
        """Profit since 00:00 UTC."""
        return _ZERO if self.day_base is None else self.pnl - self.day_base

    @property
    def drawdown(self) -> Decimal:
        """Loss since the peak."""
        return max(self.peak - self.pnl, _ZERO)

    @property
    def drawdown_pct(self) -> Decimal:
        """The same in per cent of what the equity was then, 0 where the equity is not known."""
        lost = self.drawdown
        if not lost or self.equity is None or self.equity + lost <= 0:
            return _ZERO
        return lost / (self.equity + lost) * 100

    def least_room(self) -> Decimal:
        """Return by how much every sum may grow before a limit is met; below 0: none may."""
        if self.room is None:
            self.room = self._work_room_out()
        return self.room

    def _work_room_out(self) -> Decimal:
        limits, less = self.limits, EXACT.subtract
        rooms = [_ENDLESS]
        if self.gross_cap is not None:
            rooms.append(less(self.gross_cap, self.gross))
            if self.unvalued:
                return less(_ZERO, 1)
        most = limits.max_net_exposure
        if most is not None:
            rooms += [less(most, self.long), EXACT.add(most, self.short)]
        most = limits.max_correlated_exposure
        if most is not None:
            rooms.append(less(less(less(most, self.norm), self.drift), self.pending))
        return min(rooms)

    def set_caps(self) -> None:
        """Work out at which profit and exposure its limits are met."""
        self.room = None
        limits, found = self.limits, []
        if limits.max_daily_loss is not None and self.day_base is not None:
            found.append(self.day_base - limits.max_daily_loss)
        if limits.max_drawdown is not None:
            found.append(self.peak - limits.max_drawdown)
        if limits.max_drawdown_pct is not None and self.equity is not None:
            best = self.equity + self.drawdown
            if best > 0:
                found.append(self.peak - best * limits.max_drawdown_pct / 100)
        self.floor = max(found, default=None)
        caps = [] if limits.max_gross_exposure is None else [limits.max_gross_exposure]
        if limits.max_leverage is not None and self.equity is not None:
            caps.append(limits.max_leverage * self.equity)
        self.gross_cap = min(caps, default=None)

    def on_trip(self, gain: Decimal, ts_ns: int) -> None:
        """Take the result of a round trip, from flat to flat."""
        if gain > 0:
            self.streak = 0
        elif gain < 0:
            most = self.limits.max_loss_streak
            rested = most is not None and self.streak >= most and not self.rests(ts_ns)
            self.streak = 1 if rested else self.streak + 1
            self.last_loss_ns = ts_ns

    def rests(self, now_ns: int) -> bool:
        """Return whether entries rest after too many losses."""
        most = self.limits.max_loss_streak
        return (
            most is not None
            and self.streak >= most
            and now_ns < self.last_loss_ns + self.cool_down_ns
        )


class Stack(NamedTuple):
    """The scopes of an order, and the strictest of those limits that only look at the order."""

    scopes: tuple[Scope, ...]
    order_size: Decimal | None
    order_notional: Decimal | None
    price_band_pct: Decimal | None
    book_share_pct: Decimal | None
    book_share: float
    """The same, 0 for none."""
    clock_skew_ms: int | None
    confidence: float | None
    self_trade: Scope | None
    """The scope that forbids to trade with ourselves; the most special one that says decides."""
    exposed: bool
    """Whether any scope limits sums of positions."""
    position_size: Decimal | None
    """The least of what whole positions may be; a strategy's shares have a limit of their own."""
    position_notional: Decimal | None
    flows: tuple[tuple[Scope, deque[int], int, deque[int], int, int], ...]
    """(scope, times of orders, most a second, times of messages, most a second, most open)."""
    least_orders: int
    """The least of what the scopes allow of each."""
    least_messages: int
    least_open: int

    def first(self, name: str, value: Decimal | float) -> tuple[Scope, Any]:
        """Return the first scope whose most, by name, a value is above, or least below."""
        least = name.startswith("min_")
        for scope in self.scopes:
            limit = getattr(scope.limits, name)
            if limit is not None and (value < limit if least else value > limit):
                return scope, limit
        raise InvariantError(f"no scope forbids {name} of {value}")


def stack(scopes: tuple[Scope, ...]) -> Stack:
    """Return what an order in these scopes is held to."""

    def all_of(name: str) -> list[Any]:
        found = (getattr(scope.limits, name) for scope in scopes)
        return [limit for limit in found if limit is not None]

    def whole(name: str) -> Decimal | None:
        found = (getattr(scope.limits, name) for scope in scopes if not scope.own_lines)
        return min((limit for limit in found if limit is not None), default=None)

    share = min(all_of("max_book_share_pct"), default=None)
    said = [scope for scope in scopes if scope.limits.self_trade is not None]
    flows = tuple(_flow(scope) for scope in scopes)
    return Stack(
        scopes=scopes,
        order_size=min(all_of("max_order_size"), default=None),
        order_notional=min(all_of("max_order_notional"), default=None),
        price_band_pct=min(all_of("price_band_pct"), default=None),
        book_share_pct=share,
        book_share=float(share or 0),
        clock_skew_ms=min(all_of("max_clock_skew_ms"), default=None),
        confidence=max(all_of("min_confidence"), default=None),
        self_trade=said[-1] if said and said[-1].limits.self_trade == "deny" else None,
        exposed=any(all_of(name) for name in _SUMS),
        position_size=whole("max_position_size"),
        position_notional=whole("max_position_notional"),
        flows=flows,
        least_orders=min(flow[2] for flow in flows),
        least_messages=min(flow[4] for flow in flows),
        least_open=min(flow[5] for flow in flows),
    )


def _flow(scope: Scope) -> tuple[Scope, deque[int], int, deque[int], int, int]:
    limits = scope.limits
    each = (limits.max_orders_per_second, limits.max_messages_per_second, limits.max_open_orders)
    orders, messages, most_open = (_NO_LIMIT if most is None else most for most in each)
    return scope, scope.orders.times, orders, scope.messages.times, messages, most_open


class Scopes:
    """All scopes that have a table, and which of them an order is in."""

    def __init__(self, risk: RiskSettings) -> None:
        def table(kind: str, tables: Mapping[str, LimitSettings]) -> dict[str, Scope]:
            return {
                name: Scope(f"{kind}.{name}", limits, risk.cool_down_s)
                for name, limits in tables.items()
            }

        self.total = Scope("", risk, risk.cool_down_s)
        self.accounts = table("accounts", risk.accounts)
        self.venues = table("venues", risk.venues)
        self.instruments = table("instruments", risk.instruments)
        self.strategies = table("strategies", risk.strategies)
        self._unchecked = set(risk.instruments)
        """Instruments named, whose market has not said yet what it lists."""
        self._found: dict[tuple[InstrumentId, VenueName, StrategyId | None], Stack] = {}

    def __iter__(self) -> Iterator[Scope]:
        yield self.total
        for tables in (self.accounts, self.venues, self.instruments, self.strategies):
            yield from tables.values()

    def unlisted(self, listed: Mapping[InstrumentId, object]) -> list[str]:
        """Return in words which limits are of instruments that their market does not list, once."""
        words: list[str] = []
        for name in sorted(self._unchecked):
            market = name.rpartition(".")[2]
            if name not in listed:
                names = [other for other in listed if other.rpartition(".")[2] == market]
                if not names:
                    continue
                words.append(
                    f"risk.instruments.{name}: {market} lists no such instrument"
                    f"{did_you_mean(name, names)}; these limits are held to nothing"
                )
            self._unchecked.discard(name)
        return words

    def open_day(self, record: DayOpened) -> None:
        """Count each scope's profit of the day from a recorded one."""
        self.total.day_base = record.total_pnl
        for scope in self:
            if scope.name:
                scope.day_base = record.parts.get(scope.name)
            scope.set_caps()

    def reach(self, record: PeakReached) -> None:
        """Count drawdowns from recorded peaks."""
        for scope in self:
            if scope.name in record.profits:
                scope.peak = scope.told_peak = record.profits[scope.name]
                scope.told_peak_ns = record.ts_ns
                scope.set_caps()

    def of(
        self, instrument_id: InstrumentId, account: VenueName, strategy: StrategyId | None = None
    ) -> tuple[Scope, ...]:
        """Return the scopes of what a strategy, or nobody in particular, orders at an account."""
        return self.stack(instrument_id, account, strategy).scopes

    def stack(
        self, instrument_id: InstrumentId, account: VenueName, strategy: StrategyId | None
    ) -> Stack:
        """Return what such an order is held to."""
        key = (instrument_id, account, strategy)
        found = self._found.get(key)
        if found is None:
            market = instrument_id.rpartition(".")[2]
            each = (
                self.accounts.get(account),
                self.venues.get(market),
                self.instruments.get(instrument_id),
                self.strategies.get(strategy) if strategy is not None else None,
            )
            found = stack((self.total, *(scope for scope in each if scope is not None)))
            self._found[key] = found
        return found

    def strategy(self, strategy: StrategyId | None) -> Scope | None:
        """Return a strategy's own scope, None where it has no table."""
        return None if strategy is None else self.strategies.get(strategy)
