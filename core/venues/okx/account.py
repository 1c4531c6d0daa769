"""What an OKX account says when it is asked: orders, fills, balances, positions, bills."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from core.model.accounts import Balance, VenuePosition
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import InstrumentKind
from core.model.orders import Order, OrderFilled, VenueOrder
from core.model.ports import Clock
from core.venues.okx.messages import (
    AccountRow,
    AlgoRow,
    BillRow,
    ConfigRow,
    FillRow,
    OrderRow,
    PositionRow,
)
from core.venues.okx.names import from_wire, to_wire
from core.venues.okx.parse import (
    MS,
    balance,
    flow,
    listed_fill,
    name_of,
    position,
    venue_algo,
    venue_order,
)
from core.venues.okx.rest import OkxRest, Param
from core.venues.symbols import Symbols

_DAY_MS: Final = 86_400_000
_MISSING: Final = frozenset({"51603", "51001", "51405"})
_WAITING: Final = ("conditional,oco", "trigger", "move_order_stop")
"""Each has a list of its own; the first two share one."""
_TYPES: Final = {
    InstrumentKind.SPOT: "SPOT",
    InstrumentKind.PERPETUAL: "SWAP",
    InstrumentKind.FUTURE: "FUTURES",
    InstrumentKind.OPTION: "OPTION",
}
_RECENT_FILLS_MS: Final = 2 * _DAY_MS
"""``trade/fills`` has three days; older ones are asked for elsewhere, more slowly."""
_RECENT_BILLS_MS: Final = 6 * _DAY_MS
_REMEMBERED: Final = 50_000

Row = TypeVar("Row")
Triggered = Callable[[ClientOrderId, AlgoRow], None]


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self,
        venue: VenueName,
        rest: OkxRest,
        *,
        clock: Clock,
        symbols: Symbols,
        on_triggered: Triggered,
    ) -> None:
        """`on_triggered` is told of an order that is found to wait no longer."""
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._symbols = symbols
        self._on_triggered = on_triggered
        self._names: OrderedDict[str, ClientOrderId] = OrderedDict()

    async def hedged(self) -> bool:
        """Return whether the account holds long and short apart.

        Raises:
            TemporaryError: The venue did not answer.
        """
        rows = await self._ask("account/config", [], ConfigRow, "its settings")
        return bool(rows) and rows[0].posMode == "long_short_mode"

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue says it knows none.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            name = to_wire(order.id)
            symbol = self._symbols.wire(order.intent.instrument_id)
            if order.intent.type.conditional:
                waits = await self.find_algo(order)
                if waits is not None:
                    return await self._behind(order, waits, symbol)
            row = await self._order(symbol, ("clOrdId", name))
            return None if row is None else venue_order(row, self._symbols)
        except (ConfigError, DataError, VenueError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def find_algo(self, order: Order) -> AlgoRow | None:
        """Ask for what waits for a trigger, None when the venue knows none of this name.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            rows = await self._rest.read(
                "trade/order-algo", [("algoClOrdId", to_wire(order.id))], AlgoRow
            )
        except VenueError as error:
            if error.code in _MISSING:
                return None
            raise self._unanswered(f"order {order.id}", error) from error
        except ConfigError as error:
            raise self._unanswered(f"order {order.id}", error) from error
        return rows[0] if rows else None

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account and all that wait, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        what = "open orders"
        waits: list[AlgoRow] = []
        # What waits is read first: an order triggered in between is seen at least once.
        for kind in _WAITING:
            waits += await self._pages(
                "trade/orders-algo-pending", [("ordType", kind)], AlgoRow, "algoId", what
            )
        rows = await self._pages("trade/orders-pending", [], OrderRow, "ordId", what)
        try:
            orders = [venue_order(row, self._symbols) for row in rows]
            known = {order.client_order_id for order in orders}
            algos = [venue_algo(row, self._symbols) for row in waits]
        except DataError as error:
            raise self._unanswered(what, error) from error
        return orders + [order for order in algos if order.client_order_id not in known]

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        what = f"fills of {instrument_id}"
        try:
            instrument = self._symbols.instrument(instrument_id)
            kind = _TYPES.get(instrument.kind, "SPOT")
            since_ms = max(0, since_ns // MS)
            recent = self._rest.now_ms() - since_ms < _RECENT_FILLS_MS
            rows = await self._pages(
                "trade/fills" if recent else "trade/fills-history",
                [
                    ("instType", kind),
                    ("instId", instrument.venue_symbol),
                    ("begin", str(since_ms)),
                ],
                FillRow,
                "billId",
                what,
            )
            now_ns = self._clock.now_ns()
            return [
                listed_fill(row, await self._name(row), self._venue, self._symbols, now_ns)
                for row in reversed(rows)
            ]
        except (ConfigError, DataError, VenueError) as error:
            raise self._unanswered(what, error) from error

    async def balances(self) -> list[Balance]:
        """Return what the account holds; assets it has none of are left out.

        Raises:
            TemporaryError: The venue did not answer.
        """
        rows = await self._ask("account/balance", [], AccountRow, "balances")
        try:
            told = [balance(each, self._venue) for row in rows for each in row.details]
        except DataError as error:
            raise self._unanswered("balances", error) from error
        return [each for each in told if each.total or each.held]

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts.

        Raises:
            TemporaryError: The venue did not answer.
        """
        rows = await self._ask("account/positions", [], PositionRow, "positions")
        try:
            told = [position(row, self._venue, self._symbols) for row in rows]
        except DataError as error:
            raise self._unanswered("positions", error) from error
        return [each for each in told if each is not None]

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved without a fill since a time, oldest first.

        Raises:
            TemporaryError: The venue did not answer.
        """
        since_ms = max(0, since_ns // MS)
        recent = self._rest.now_ms() - since_ms < _RECENT_BILLS_MS
        path = "account/bills" if recent else "account/bills-archive"
        rows = await self._pages(path, [("begin", str(since_ms))], BillRow, "billId", "bills")
        now_ns = self._clock.now_ns()
        try:
            told = [flow(row, self._venue, self._symbols, now_ns) for row in reversed(rows)]
        except DataError as error:
            raise self._unanswered("bills", error) from error
        return [each for each in told if each is not None]

    async def _behind(self, order: Order, waits: AlgoRow, symbol: str) -> VenueOrder | None:
        """Return the order that a trigger has placed, or what waits for it."""
        if waits.ordId:
            self._on_triggered(order.id, waits)
            row = await self._order(symbol, ("ordId", waits.ordId))
            if row is not None:
                return venue_order(row, self._symbols)
        return venue_algo(waits, self._symbols)

    async def _order(self, symbol: str, which: Param) -> OrderRow | None:
        try:
            rows = await self._rest.read("trade/order", [("instId", symbol), which], OrderRow)
        except VenueError as error:
            if error.code in _MISSING:
                return None
            raise
        return rows[0] if rows else None

    async def _name(self, row: FillRow) -> ClientOrderId:
        """Return our id of the order behind a fill, asking once for what was triggered."""
        if row.clOrdId:
            return from_wire(row.clOrdId)
        known = self._names.get(row.ordId)
        if known is None:
            found = await self._order(row.instId, ("ordId", row.ordId))
            known = ClientOrderId(row.ordId) if found is None else name_of(found)
            self._names[row.ordId] = known
            if len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
        return known

    async def _ask(self, path: str, params: list[Param], into: type[Row], what: str) -> list[Row]:
        try:
            return await self._rest.read(path, params, into)
        except VenueError as error:
            raise self._unanswered(what, error) from error

    async def _pages(
        self, path: str, params: list[Param], into: type[Row], key: str, what: str
    ) -> list[Row]:
        try:
            return await self._rest.pages(path, params, into, key)
        except VenueError as error:
            raise self._unanswered(what, error) from error

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")
