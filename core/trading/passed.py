"""What the risk gate saw when it let an order through, for whoever asks later.

It is taken right after the order has left, when nothing but the order has changed since it was
judged; words are made of it when somebody asks, or in the thread that writes it down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from core.model.accounts import LimitUse
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.inspection import ChecksPassed
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent
from core.trading.books import Books
from core.trading.judging import Latest, added_by
from core.trading.ledger import EXACT
from core.trading.limits import Scope
from core.trading.risk import RiskGate
from core.trading.uses import Asked, Sums, bars_of, sums_of

KEPT: Final = 2000
"""Orders remembered where there is no shelf; the oldest give way."""
_ZERO: Final = Decimal(0)
_SPOT: Final = InstrumentKind.SPOT


class Shelf(Protocol):
    """Where it outlives the process."""

    def keep(self, name: ClientOrderId, told: Callable[[], ChecksPassed]) -> None:
        """Take what `told` will say; never blocks, never raises."""
        ...

    def find(self, name: ClientOrderId) -> list[ChecksPassed]:
        """Return what is known of an order, oldest first; reads files."""
        ...


class Seen(NamedTuple):
    """What there was to see of one order."""

    intent: OrderIntent
    instrument: Instrument
    ts_ns: int
    later: bool
    """It waits for another order and is judged when it goes out."""
    latest: Latest | None
    """How it stood to the market; None: an exit, which no limit holds up."""
    sums: tuple[Sums, ...]
    skew_ms: int
    unit: Decimal | None
    """What one of it is worth."""
    asset: str
    position: Decimal
    need: Decimal
    """What it takes of a balance, the fee included; 0: no balance is asked."""
    free: Decimal
    """What was left of the balance with the order sent."""

    def told(self) -> ChecksPassed:
        """Return it in words and bars."""
        return ChecksPassed(
            client_order_id=self.intent.client_order_id,
            ts_ns=self.ts_ns,
            text="; ".join(self._words()),
            limits=tuple(self._limits()),
        )

    def _words(self) -> Iterator[str]:
        if self.later:
            yield "it waits for another order, limits and balance are judged when it goes out"
        elif self.latest is None:
            held = f"{self.position.normalize():f}"
            yield f"an exit beside a position of {held}, which no limit holds up"
        else:
            worth = "" if self.unit is None else f" worth {self._worth():,.2f} {self.asset}"
            yield f"an entry{worth}, market data live"
        yield f"{self.instrument.venue}'s filters: {', '.join(self._filters())}"
        if self.need:
            spot = self.instrument
            asset = spot.quote if self.intent.side is Side.BUY else spot.base
            yield f"needs {_plain(self.need)} {asset}, {_plain(self.free)} free"

    def _worth(self) -> Decimal:
        return EXACT.multiply(self.intent.size, self.unit or _ZERO)

    def _filters(self) -> Iterator[str]:
        item = self.instrument
        yield f"tick {_plain(item.price_tick)}"
        yield f"lot {_plain(item.size_lot)}"
        if item.min_notional:
            yield f"worth at least {_plain(item.min_notional)} {item.quote}"
        if item.max_size:
            yield f"size up to {_plain(item.max_size)}"

    def _limits(self) -> Iterator[LimitUse]:
        latest = self.latest
        if latest is None:
            return
        asked = Asked(
            asset=self.asset,
            size=self.intent.size,
            worth=self._worth(),
            away_pct=latest.away_pct,
            book_share_pct=latest.book_share_pct,
            confidence=latest.confidence,
            skew_ms=self.skew_ms,
            newest="",
        )
        for sums in self.sums:
            for use in bars_of(sums, asked):
                # What a person orders has no confidence, and is not held to one.
                sure = self.intent.strategy_id is None and use.rule.endswith("min_confidence")
                far = sums.nearest is None and use.rule.endswith("min_liquidation_pct")
                if not sure and not far:
                    yield use


class Passed:
    """Keeps what the gate saw of the orders that went out, or were held to go out later."""

    def __init__(
        self,
        books: Books,
        gate: RiskGate,
        instruments: Mapping[InstrumentId, Instrument],
        fee_rate: Decimal,
    ) -> None:
        self._books = books
        self._gate = gate
        self._instruments = instruments
        self._with_fee = 1 + fee_rate
        self._shelf: Shelf | None = None
        self._seen: deque[Seen] = deque(maxlen=0)

    def remember(self, shelf: Shelf | None = None) -> None:
        """Keep it from now on, on a shelf or in memory; before that nothing is kept."""
        self._shelf = shelf
        self._seen = deque(maxlen=KEPT)

    def note(
        self,
        intent: OrderIntent,
        venue: VenueName,
        latest: Latest | None,
        ts_ns: int,
        monotonic_ns: int,
        *,
        counted: bool,
        later: bool = False,
    ) -> None:
        """Take an order that was let through; `counted` says whether all sums have it by now.

        `ts_ns` is that of the record it was let through for.
        """
        if not self._seen.maxlen:
            return
        instrument = self._instruments[intent.instrument_id]
        books = self._books
        line = books.exposure.find(intent.instrument_id, intent.position_side, venue)
        price = unit = None
        sums: tuple[Sums, ...] = ()
        need = free = _ZERO
        if not later:
            price = self._gate.price(intent, instrument)
            unit = None if price is None else books.exposure.unit_worth(instrument, price)
            need, free = self._balance(intent, instrument, venue, price, counted=counted)
        if latest is not None:
            latest = self._gate.judge.measure(intent, instrument, latest)
            sums = tuple(
                self._sums(scope, intent, venue, unit or _ZERO, monotonic_ns, counted)
                for scope in latest.scopes
            )
        seen = Seen(
            intent=intent,
            instrument=instrument,
            ts_ns=ts_ns,
            later=later,
            latest=latest,
            sums=sums,
            skew_ms=abs(self._gate.judge.skew_ms.get(instrument.venue, 0)),
            unit=unit,
            asset=books.account.equity_asset,
            position=line.size,
            need=need,
            free=free,
        )
        if self._shelf is not None:
            self._shelf.keep(intent.client_order_id, seen.told)
        else:
            self._seen.append(seen)

    def find(self, name: ClientOrderId) -> list[ChecksPassed]:
        """Return what the gate saw of an order, oldest first; may read files, in any thread."""
        if self._shelf is not None:
            return self._shelf.find(name)
        mine: Iterable[Seen] = tuple(self._seen)
        return [seen.told() for seen in mine if seen.intent.client_order_id == name]

    def _sums(
        self,
        scope: Scope,
        intent: OrderIntent,
        venue: VenueName,
        unit: Decimal,
        monotonic_ns: int,
        counted: bool,
    ) -> Sums:
        exposure, side, more = self._books.exposure, intent.side, _ZERO
        strategy = intent.strategy_id if scope.own_lines else None
        line = exposure.find(intent.instrument_id, intent.position_side, venue, strategy)
        if not counted:
            more = intent.size
        lines = (line,) if scope.own_lines else scope.lines.get(intent.instrument_id, (line,))
        reach = max(sum((item.reach(side) for item in lines), more), _ZERO)
        if line.unit is not None and line.unit > unit:
            unit = line.unit
        found = sums_of(scope, monotonic_ns, reach, EXACT.multiply(reach, unit))
        if counted:
            return found
        added = added_by(line, intent, unit)
        net = (scope.long if side is Side.BUY else -scope.short) + added.net
        return found._replace(
            gross=found.gross + added.gross,
            net=max(net, _ZERO),
            correlated=found.correlated + added.pending,
        )

    def _balance(
        self,
        intent: OrderIntent,
        instrument: Instrument,
        venue: VenueName,
        price: Decimal | None,
        *,
        counted: bool,
    ) -> tuple[Decimal, Decimal]:
        """Return what a holding's order takes and what was free before it."""
        if instrument.kind is not _SPOT or (price is None and intent.side is Side.BUY):
            return _ZERO, _ZERO
        if intent.side is Side.BUY:
            assert price is not None
            asset = instrument.quote
            need = EXACT.multiply(EXACT.multiply(intent.size, price), self._with_fee)
        else:
            asset, need = instrument.base, intent.size
        left = self._books.ledger.total(venue, asset) - self._books.holds.claimed(venue, asset)
        return need, left + need if counted else left


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"
