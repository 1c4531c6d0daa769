"""Ask Binance about the account: orders, executions, balances."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from core.model.accounts import Balance, VenuePosition
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.orders import Order, OrderFilled, VenueOrder
from core.model.ports import Clock
from core.venues.binance.messages import ACCOUNT, ORDER, ORDERS, TRADES, TradeRow
from core.venues.binance.parse import MS, trade_fill, venue_order
from core.venues.binance.rest import BinanceRest
from core.venues.symbols import Symbols

_DAY_MS: Final = 86_400_000
_PAGE: Final = 1000
_OLD_MS: Final = 7 * _DAY_MS
"""Beyond this, walking all own trades from the first costs less than walking days."""
_REMEMBERED: Final = 50_000


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self, venue: VenueName, rest: BinanceRest, *, clock: Clock, symbols: Symbols
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._symbols = symbols
        self._client_ids: OrderedDict[int, ClientOrderId] = OrderedDict()

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue says it knows none.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            symbol = self._symbols.wire(order.intent.instrument_id)
            row = await self._rest.read(
                "/api/v3/order",
                [("symbol", symbol), ("origClientOrderId", order.id)],
                ORDER,
                weight=4,
            )
            return venue_order(row, self._symbols)
        except VenueError as error:
            if error.code == "-2013":
                return None
            raise self._unanswered(f"order {order.id}", error) from error
        except (ConfigError, DataError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self._rest.read("/api/v3/openOrders", [], ORDERS, weight=80)
            return [venue_order(row, self._symbols) for row in rows]
        except (VenueError, DataError) as error:
            raise self._unanswered("open orders", error) from error

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            symbol = self._symbols.wire(instrument_id)
            rows = await self._trades(symbol, since_ns // MS)
            now_ns = self._clock.now_ns()
            return [
                trade_fill(
                    row,
                    await self._client_id(symbol, row.order_id),
                    instrument_id,
                    self._venue,
                    now_ns,
                )
                for row in rows
            ]
        except (VenueError, DataError, ConfigError) as error:
            raise self._unanswered(f"fills of {instrument_id}", error) from error

    async def balances(self) -> list[Balance]:
        """Return what the account holds; assets it has none of are left out.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            account = await self._rest.read(
                "/api/v3/account", [("omitZeroBalances", "true")], ACCOUNT, weight=20
            )
        except (VenueError, DataError) as error:
            raise self._unanswered("balances", error) from error
        return [
            Balance(
                venue=self._venue, asset=row.asset, total=row.free + row.locked, held=row.locked
            )
            for row in account.balances
            if row.free or row.locked
        ]

    async def positions(self) -> list[VenuePosition]:
        """Return none: a spot account has holdings."""
        return []

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return none: deposits show in the balances."""
        return []

    async def _trades(self, symbol: str, since_ms: int) -> list[TradeRow]:
        rows = page = await self._first_trades(symbol, since_ms)
        while page:
            page = await self._trades_page(symbol, [("fromId", str(page[-1].id + 1))])
            rows = rows + page
        return sorted((row for row in rows if row.time >= since_ms), key=lambda row: row.id)

    async def _first_trades(self, symbol: str, since_ms: int) -> list[TradeRow]:
        """Find the oldest page that reaches `since_ms`; time windows are a day at most."""
        now_ms = self._rest.timestamp_ms()
        if now_ms - since_ms > _OLD_MS:
            return await self._trades_page(symbol, [("fromId", "0")])
        for start_ms in range(since_ms, now_ms + 1, _DAY_MS):
            window = [("startTime", str(start_ms)), ("endTime", str(start_ms + _DAY_MS - 1))]
            page = await self._trades_page(symbol, window)
            if page:
                return page
        return []

    async def _trades_page(self, symbol: str, which: list[tuple[str, str]]) -> list[TradeRow]:
        return await self._rest.read(
            "/api/v3/myTrades",
            [("symbol", symbol), *which, ("limit", str(_PAGE))],
            TRADES,
            weight=20,
        )

    async def _client_id(self, symbol: str, order_id: int) -> ClientOrderId:
        """Return the client order id behind a venue order id, asking once for each."""
        known = self._client_ids.get(order_id)
        if known is None:
            row = await self._rest.read(
                "/api/v3/order", [("symbol", symbol), ("orderId", str(order_id))], ORDER, weight=4
            )
            known = self._client_ids[order_id] = ClientOrderId(row.client_order_id)
            if len(self._client_ids) > _REMEMBERED:
                self._client_ids.popitem(last=False)
        return known

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")
