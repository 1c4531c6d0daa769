"""What the account was, is and is exposed to: its curve, and profit by strategy, instrument, day.

The curve has a point for every quarter of an hour, which the journal keeps, and finer ones of the
last hours, which only this process knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final

from core.model import commands as c
from core.model.ids import InstrumentId
from core.model.inspection import EquityPoint, Exposure, PnlLine, PortfolioView
from core.model.instruments import Instrument
from core.model.orders import OrderFilled
from core.trading.desk import TradingDesk
from core.trading.listing import listed
from core.trading.net import Net

MARK_NS: Final = 15 * 60 * 1_000_000_000
"""Time between points of the curve that are kept for ever."""
FINE_NS: Final = 10_000_000_000
"""Time between the points of the last hours."""
PATIENCE_NS: Final = 60_000_000_000
"""How long the curve waits for a price of everything held."""
_APART_NS: Final = MARK_NS * 3 // 2
"""Points kept for ever that are further apart have a gap between them."""
_FINE: Final = 1080
"""Three hours of them."""
_HOUR_NS: Final = 3_600_000_000_000
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


class Portfolio:
    """Follows the desk; everything is worked out when asked for, but the points of the curve."""

    def __init__(self, desk: TradingDesk, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self._desk = desk
        self._instruments = instruments
        self._fine: deque[EquityPoint] = deque(maxlen=_FINE)
        self._quarter = 0
        self._fine_ns = 0
        self._since_ns = 0
        """When something held was first known of."""

    def on_timer(self, now_ns: int) -> None:
        """Note a point where one is due."""
        if not self._known(now_ns):
            return
        quarter = now_ns // MARK_NS
        if quarter != self._quarter:
            # The first call only learns the time: an account just opened has no course yet.
            if self._quarter:
                self._desk.mark_equity()
            self._quarter = quarter
        if now_ns - self._fine_ns >= FINE_NS:
            self._fine_ns = now_ns
            account = self._desk.books.account
            self._fine.append(EquityPoint(now_ns, account.equity(), account.total_pnl()))

    def _known(self, now_ns: int) -> bool:
        """Return whether everything held has a price; what none has is waited for a while only.

        Else the curve would begin with a fall that never was.
        """
        account = self._desk.books.account
        held = [item for item in self._desk.balances() if item.total]
        if not held or not account.marked():
            return False
        self._since_ns = self._since_ns or now_ns
        waited = now_ns - self._since_ns >= PATIENCE_NS
        return waited or all(account.rate(item.asset) is not None for item in held)

    def view(self, ask: c.GetPortfolio) -> PortfolioView:
        """Return everything there is to say."""
        account = self._desk.books.account
        exposure = tuple(self._exposure())
        known = [item.value for item in exposure if item.value is not None]
        strategies, since_ns = self._by_strategy()
        points = self._points(ask.hours)
        return PortfolioView(
            asset=account.equity_asset,
            equity=account.equity(),
            day_pnl=account.day_pnl(),
            total_pnl=account.total_pnl(),
            gross=sum((abs(value) for value in known), _ZERO),
            net=sum(known, _ZERO),
            points=thinned(points, ask.points),
            gaps=self._gaps(points),
            exposure=exposure,
            by_instrument=tuple(self._by_instrument()),
            by_strategy=strategies,
            by_day=tuple(self._by_day()),
            strategies_since_ns=since_ns,
        )

    # -- the curve ---------------------------------------------------------------------------

    def _points(self, hours: int) -> list[EquityPoint]:
        marks = self._desk.books.equity_marks
        first_fine = self._fine[0].ts_ns if self._fine else 1 << 63
        points = [
            EquityPoint(mark.ts_ns, mark.equity, mark.total_pnl)
            for mark in marks
            if mark.ts_ns < first_fine
        ]
        points += self._fine
        since_ns = self._desk.now_ns() - hours * _HOUR_NS if hours else 0
        return [point for point in points if point.ts_ns >= since_ns]

    def _gaps(self, points: Sequence[EquityPoint]) -> tuple[tuple[int, int], ...]:
        """Return where points are further apart than they are kept: nobody ran, or knew prices."""
        fine_ns = self._fine[0].ts_ns if self._fine else 1 << 63
        return tuple(
            (before.ts_ns, after.ts_ns)
            for before, after in pairwise(points)
            if after.ts_ns - before.ts_ns > (FINE_NS * 3 if before.ts_ns >= fine_ns else _APART_NS)
        )

    # -- what moves it -----------------------------------------------------------------------

    def _exposure(self) -> Iterator[Exposure]:
        """Yield what is held and what contracts stand for, the largest first."""
        found = [*self._holdings(), *self._contracts()]
        yield from sorted(found, key=lambda item: -abs(item.value or _ZERO))

    def _holdings(self) -> Iterator[Exposure]:
        account = self._desk.books.account
        for balance in self._desk.balances():
            if balance.asset == account.equity_asset or not balance.total:
                continue
            rate = account.rate(balance.asset)
            value = balance.total * rate if rate is not None else None
            yield self._part(balance.asset, balance.venue, balance.total, value)

    def _contracts(self) -> Iterator[Exposure]:
        account = self._desk.books.account
        for position in self._desk.positions():
            item = listed(self._instruments, position.instrument_id)
            if not item.derivative or not position.size:
                continue
            rate, value = account.rate(item.pays_in), None
            if rate is not None and position.mark_price:
                worth = Net(item).worth(abs(position.size), position.mark_price)
                value = worth * rate * (1 if position.size > 0 else -1)
            yield self._part(item.symbol, position.venue or item.venue, position.size, value)

    def _part(self, name: str, venue: str, size: Decimal, value: Decimal | None) -> Exposure:
        equity = self._desk.equity()
        share = value / equity * _HUNDRED if value is not None and equity > 0 else None
        return Exposure(
            name=name,
            venue=venue,
            size=size,
            value=value.quantize(_CENT) if value is not None else None,
            of_equity_pct=share.quantize(_CENT) if share is not None else None,
        )

    # -- what it brought ---------------------------------------------------------------------

    def _by_instrument(self) -> Iterator[PnlLine]:
        account = self._desk.books.account
        fills: dict[InstrumentId, int] = {}
        for fill in self._desk.books.fills:
            fills[fill.instrument_id] = fills.get(fill.instrument_id, 0) + 1
        lines: dict[str, PnlLine] = {}
        for position in self._desk.positions():
            item = listed(self._instruments, position.instrument_id)
            rate = account.rate(item.pays_in)
            if rate is None:
                continue
            count = fills.pop(position.instrument_id, 0)
            line = _line(
                position.instrument_id,
                position.realised_pnl * rate,
                position.unrealised_pnl * rate,
                position.fees * rate,
                position.funding * rate,
                count,
            )
            known = lines.get(line.name)
            lines[line.name] = line if known is None else _sum(known, line)
        yield from sorted(lines.values(), key=lambda line: -abs(line.total))

    def _by_strategy(self) -> tuple[tuple[PnlLine, ...], int]:
        """Return a line for each proposer, netted apart from the others, and since when."""
        nets: dict[tuple[str, InstrumentId], Net] = {}
        counts: dict[str, int] = {}
        fees: dict[tuple[str, InstrumentId], Decimal] = {}
        fills = self._desk.books.fills
        for fill in fills:
            who = self._proposer(fill)
            key = (who, fill.instrument_id)
            item = listed(self._instruments, fill.instrument_id)
            net = nets.get(key)
            if net is None:
                net = nets[key] = Net(item)
            net.trade(fill.size * fill.side.sign, fill.price)
            counts[who] = counts.get(who, 0) + 1
            fees[key] = fees.get(key, _ZERO) + self._fee(fill)
        lines: dict[str, PnlLine] = {}
        for (who, name), net in nets.items():
            line = self._net_line(who, name, net, fees[who, name], counts.pop(who, 0))
            known = lines.get(who)
            lines[who] = line if known is None else _sum(known, line)
        ordered = sorted(lines.values(), key=lambda line: -abs(line.total))
        return tuple(ordered), fills[0].ts_ns if fills else 0

    def _net_line(
        self, who: str, name: InstrumentId, net: Net, fees: Decimal, count: int
    ) -> PnlLine:
        item, account = listed(self._instruments, name), self._desk.books.account
        rate, mark = account.rate(item.pays_in) or _ZERO, account.mark(item)
        open_ = net.unrealised(mark) if net.size and mark is not None else _ZERO
        return _line(who, net.realised * rate, open_ * rate, fees, _ZERO, count)

    def _proposer(self, fill: OrderFilled) -> str:
        tracked = self._desk.books.orders.get(fill.client_order_id)
        if tracked is None:
            return "not ours"
        intent = tracked.order.intent
        return intent.strategy_id or f"by hand ({intent.origin})"

    def _fee(self, fill: OrderFilled) -> Decimal:
        rate = self._desk.books.account.rate(fill.fee_asset)
        return fill.fee * rate if rate is not None else _ZERO

    def _by_day(self) -> Iterator[PnlLine]:
        """Yield what each day brought, newest first; the first day counts from the journal's."""
        later = self._desk.books.account.total_pnl()
        for opened in reversed(self._desk.books.days):
            day = datetime.fromtimestamp(opened.ts_ns / 1e9, UTC)
            yield PnlLine(name=f"{day:%Y-%m-%d}", total=(later - opened.total_pnl).quantize(_CENT))
            later = opened.total_pnl


def thinned(points: Sequence[EquityPoint], most: int) -> tuple[EquityPoint, ...]:
    """Return at most so many points, evenly apart, the first and the newest among them."""
    if len(points) <= most:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(at * last / (most - 1))] for at in range(most))


def _line(
    name: str, realised: Decimal, open_: Decimal, fees: Decimal, funding: Decimal, fills: int
) -> PnlLine:
    total = realised + open_ - fees + funding
    figures: Iterable[Decimal] = (realised, open_, fees, funding, total)
    realised, open_, fees, funding, total = (figure.quantize(_CENT) for figure in figures)
    return PnlLine(
        name=name, realised=realised, unrealised=open_, fees=fees, funding=funding,
        total=total, fills=fills,
    )  # fmt: skip


def _sum(one: PnlLine, other: PnlLine) -> PnlLine:
    return PnlLine(
        name=one.name,
        realised=one.realised + other.realised,
        unrealised=one.unrealised + other.unrealised,
        fees=one.fees + other.fees,
        funding=one.funding + other.funding,
        total=one.total + other.total,
        fills=one.fills + other.fills,
    )
