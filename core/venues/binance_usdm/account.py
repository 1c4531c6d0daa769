"""Ask USD-M about the account: orders, executions, balances, positions, flows of money."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from core.model.accounts import Balance, VenuePosition
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.orders import Order, OrderFilled, VenueOrder
from core.model.ports import Clock
from core.model.tiers import MarginTiers
from core.venues.binance.parse import MS
from core.venues.binance.rest import BinanceRest
from core.venues.binance_usdm.messages import (
    ALGO,
    ALGOS,
    BALANCES,
    BRACKETS,
    INCOME,
    MODE,
    ORDER,
    ORDERS,
    POSITIONS,
    SYMBOLS,
    TRADES,
    AlgoRow,
    IncomeRow,
    OrderRow,
    TradeRow,
)
from core.venues.binance_usdm.parse import (
    OF_FILLS,
    cash_moved,
    trade_fill,
    venue_order,
    venue_position,
    waiting_order,
)
from core.venues.binance_usdm.tiers import bracket_tiers
from core.venues.symbols import Symbols

_WEEK_MS: Final = 7 * 86_400_000
_PAGE: Final = 1000
_REMEMBERED: Final = 50_000
_UNKNOWN: Final = frozenset({"-2011", "-2013"})


class Children:
    """Orders that conditional ones became, by the venue's number, and whose they are."""

    def __init__(self) -> None:
        self._names: OrderedDict[int, ClientOrderId] = OrderedDict()

    def note(self, number: int, name: str) -> None:
        """Remember whose an order is."""
        self._names[number] = ClientOrderId(name)
        if len(self._names) > _REMEMBERED:
            self._names.popitem(last=False)

    def name(self, number: int) -> ClientOrderId | None:
        """Return whose an order is, None when it was never noted."""
        return self._names.get(number)


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self,
        venue: VenueName,
        rest: BinanceRest,
        *,
        clock: Clock,
        symbols: Symbols,
        children: Children,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._symbols = symbols
        self._children = children
        self._client_ids = Children()

    async def hedging(self) -> bool:
        """Return whether the account holds long and short apart.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            mode = await self._rest.read("/fapi/v1/positionSide/dual", [], MODE, weight=30)
        except VenueError as error:
            raise self._unanswered("the position mode", error) from error
        return mode.dual_side_position

    async def find_algo(self, order: Order) -> AlgoRow | None:
        """Ask for a conditional order by our id; None when the venue says it knows none.

        What it became is noted.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            row = await self._rest.read(
                "/fapi/v1/algoOrder", [("clientAlgoId", order.id)], ALGO, weight=1
            )
        except VenueError as error:
            if error.code in _UNKNOWN:
                return None
            raise self._unanswered(f"order {order.id}", error) from error
        if row.actual_order_id:
            self._children.note(int(row.actual_order_id), order.id)
        return row

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by client order id; None when the venue says it knows none.

        A conditional order that fired is told as the order it became.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            symbol = self._symbols.wire(order.intent.instrument_id)
            waiting = await self.find_algo(order) if order.intent.type.conditional else None
            if waiting is None:
                row = await self._order(symbol, ("origClientOrderId", order.id))
            elif waiting.actual_order_id:
                row = await self._order(symbol, ("orderId", waiting.actual_order_id))
            else:
                return waiting_order(waiting, self._symbols)
            return venue_order(row, self._symbols, order.id) if row is not None else None
        except (ConfigError, DataError, VenueError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open and every waiting order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows, waiting = await asyncio.gather(
                self._rest.read("/fapi/v1/openOrders", [], ORDERS, weight=40),
                self._rest.read("/fapi/v1/openAlgoOrders", [], ALGOS, weight=40),
            )
            plain = [
                venue_order(row, self._symbols, self._children.name(row.order_id) or "")
                for row in rows
            ]
            known = {order.client_order_id for order in plain}
            held = [
                waiting_order(row, self._symbols)
                for row in waiting
                if row.client_algo_id not in known
            ]
        except (VenueError, DataError) as error:
            raise self._unanswered("open orders", error) from error
        return plain + held

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
        """Return what the account holds, without what open positions are worth.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self._rest.read("/fapi/v3/balance", [], BALANCES, weight=5)
        except VenueError as error:
            raise self._unanswered("balances", error) from error
        return [
            Balance(
                venue=self._venue,
                asset=row.asset,
                total=row.balance,
                held=max(row.balance - row.available_balance, row.balance * 0),
            )
            for row in rows
            if row.balance
        ]

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self._rest.read("/fapi/v3/positionRisk", [], POSITIONS, weight=5)
            held = [row for row in rows if row.position_amt]
            leverage: dict[str, int] = {}
            if held:
                known = await self._rest.read("/fapi/v1/symbolConfig", [], SYMBOLS, weight=5)
                leverage = {row.symbol: row.leverage for row in known}
            return [
                venue_position(row, leverage.get(row.symbol), self._symbols, self._venue)
                for row in held
            ]
        except (VenueError, DataError) as error:
            raise self._unanswered("positions", error) from error

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        """Return the leverage brackets of some contracts; the key need only be able to read.

        Raises:
            TemporaryError: The venue did not answer.
            DataError: Brackets that make no sense.
        """
        one = [("symbol", item.venue_symbol) for item in instruments if len(instruments) == 1]
        try:
            rows = await self._rest.read("/fapi/v1/leverageBracket", one, BRACKETS, weight=1)
        except (VenueError, DataError) as error:
            raise self._unanswered("leverage brackets", error) from error
        known = {row.symbol: row for row in rows}
        mine = [item for item in instruments if item.venue_symbol in known]
        return [bracket_tiers(known[item.venue_symbol], item, self._venue) for item in mine]

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved without a fill since a time, oldest first, all pages.

        Raises:
            TemporaryError: The venue did not answer.
        """
        rows: list[IncomeRow] = []
        page = 1
        try:
            while True:
                found = await self._rest.read(
                    "/fapi/v1/income",
                    [
                        ("startTime", str(since_ns // MS)),
                        ("page", str(page)),
                        ("limit", str(_PAGE)),
                    ],
                    INCOME,
                    weight=30,
                )
                rows += found
                if len(found) < _PAGE:
                    break
                page += 1
        except VenueError as error:
            raise self._unanswered("the income", error) from error
        now_ns = self._clock.now_ns()
        moved = [
            cash_moved(row, self._symbols, self._venue, now_ns)
            for row in rows
            if row.income_type not in OF_FILLS
        ]
        return sorted(moved, key=lambda flow: flow.ts_event_ns)

    async def _order(self, symbol: str, which: tuple[str, str]) -> OrderRow | None:
        try:
            return await self._rest.read(
                "/fapi/v1/order", [("symbol", symbol), which], ORDER, weight=1
            )
        except VenueError as error:
            if error.code in _UNKNOWN:
                return None
            raise

    async def _trades(self, symbol: str, since_ms: int) -> list[TradeRow]:
        """Return executions since a time: from the first page of a week that has any, by ids on."""
        now_ms = self._rest.timestamp_ms()
        rows: list[TradeRow] = []
        for start_ms in range(since_ms, now_ms + 1, _WEEK_MS):
            window = [("startTime", str(start_ms)), ("endTime", str(start_ms + _WEEK_MS - 1))]
            rows = page = await self._trades_page(symbol, window)
            while page:
                page = await self._trades_page(symbol, [("fromId", str(page[-1].id + 1))])
                rows = rows + page
            if rows:
                break
        return sorted((row for row in rows if row.time >= since_ms), key=lambda row: row.id)

    async def _trades_page(self, symbol: str, which: list[tuple[str, str]]) -> list[TradeRow]:
        return await self._rest.read(
            "/fapi/v1/userTrades",
            [("symbol", symbol), *which, ("limit", str(_PAGE))],
            TRADES,
            weight=5,
        )

    async def _client_id(self, symbol: str, number: int) -> ClientOrderId:
        """Return the client order id behind a venue order id, asking once for each.

        An order that is not kept any more (3 days after it ended unfilled) has none.
        """
        known = self._children.name(number) or self._client_ids.name(number)
        if known is None:
            row = await self._order(symbol, ("orderId", str(number)))
            if row is None:
                return ClientOrderId("")
            known = ClientOrderId(row.client_order_id)
            self._client_ids.note(number, known)
        return known

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")
