"""What a Deribit account says when it is asked: orders, trades, balances, positions, its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from core.model.accounts import Balance, VenuePosition
from core.model.errors import ConfigError, DataError, OutcomeUnknown, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import InstrumentId, VenueName
from core.model.orders import Order, OrderFilled, VenueOrder
from core.model.ports import Clock
from core.venues.deribit.messages import (
    LogPage,
    OrderRow,
    PositionRow,
    Summaries,
    Summary,
    TradePage,
    TradeRow,
)
from core.venues.deribit.parse import (
    MS,
    TRIGGERED,
    balance,
    filed_under,
    fill_of,
    flows,
    position,
    venue_order,
)
from core.venues.deribit.rpc import RpcSocket, words_of
from core.venues.symbols import Symbols
from core.wire.pace import Pace

_NOT_FOUND: Final = 10004
_TEMPORARY: Final = frozenset({10028, 10040, 10041, 10047, 10066, 11051, 11094, 13009, 13888})
_TRADES: Final = 1_000
_LOGS: Final = 250
_RECENT_MS: Final = 23 * 3_600_000
"""Trades of a day are at hand; older ones are history, which lags, so both are read then."""

T = TypeVar("T")
Params = dict[str, object]


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self,
        venue: VenueName,
        rpc: RpcSocket,
        *,
        clock: Clock,
        symbols: Symbols,
        pace: Pace,
        on_found: Callable[[OrderRow], None],
    ) -> None:
        """`on_found` is told of every order of ours that was asked for, as it stands."""
        self._venue = venue
        self._rpc = rpc
        self._clock = clock
        self._symbols = symbols
        self._pace = pace
        self._on_found = on_found

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask by label; None when the venue says it knows none.

        An order that was triggered is found twice: as what waited, and as what it became.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            instrument = self._symbols.instrument(order.intent.instrument_id)
            asked: Params = {"currency": filed_under(instrument), "label": order.id}
            rows = await self._read("private/get_order_state_by_label", asked, list[OrderRow])
            if not rows and order.venue_order_id is not None:
                rows = await self._by_id(order.venue_order_id)
            if not rows:
                return None
            row = max(
                rows,
                key=lambda each: (each.order_state != TRIGGERED, each.last_update_timestamp),
            )
            self._on_found(row)
            return venue_order(row, self._symbols)
        except (VenueError, DataError, ConfigError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account and all that wait, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self._read("private/get_open_orders", {}, list[OrderRow])
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
            since_ms, now_ms = max(0, since_ns // MS), self._rpc.now_ms()
            rows = await self._trades(symbol, since_ms, historical=False)
            if now_ms - since_ms > _RECENT_MS:
                rows += await self._trades(symbol, since_ms, historical=True)
            found = {row.trade_id: row for row in rows}
            ordered = sorted(found.values(), key=lambda row: row.trade_seq)
            now_ns = self._clock.now_ns()
            return [fill_of(row, self._venue, self._symbols, now_ns) for row in ordered]
        except (VenueError, DataError, ConfigError) as error:
            raise self._unanswered(f"fills of {instrument_id}", error) from error

    async def summaries(self) -> list[Summary]:
        """Return every currency's part of the account.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            return (await self._read("private/get_account_summaries", {}, Summaries)).summaries
        except VenueError as error:
            raise self._unanswered("balances", error) from error

    async def balances(self) -> list[Balance]:
        """Return what the account holds; currencies it has none of are left out.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return [balance(row, self._venue) for row in await self.summaries() if row.balance]

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self._read(
                "private/get_positions", {"currency": "any", "kind": "any"}, list[PositionRow]
            )
            told = [position(row, self._venue, self._symbols) for row in rows]
        except (VenueError, DataError) as error:
            raise self._unanswered("positions", error) from error
        return [each for each in told if each is not None]

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved without a fill since a time, oldest first.

        Raises:
            TemporaryError: The venue did not answer.
        """
        told: list[CashMoved] = []
        for part in await self.summaries():
            told += await self._log(part.currency, max(0, since_ns // MS))
        return sorted(told, key=lambda each: (each.ts_event_ns, each.flow_id))

    async def _log(self, currency: str, since_ms: int) -> list[CashMoved]:
        asked: Params = {
            "currency": currency,
            "start_timestamp": since_ms,
            # The end lies ahead: the two clocks differ by a little.
            "end_timestamp": self._rpc.now_ms() + 60_000,
            "count": _LOGS,
        }
        told: list[CashMoved] = []
        now_ns = self._clock.now_ns()
        try:
            while True:
                page = await self._read("private/get_transaction_log", asked, LogPage)
                for row in page.logs:
                    told += flows(row, self._venue, self._symbols, now_ns)
                if not page.continuation or not page.logs:
                    return told
                asked["continuation"] = page.continuation
        except (VenueError, DataError) as error:
            raise self._unanswered(f"transactions in {currency}", error) from error

    async def _trades(self, symbol: str, since_ms: int, *, historical: bool) -> list[TradeRow]:
        asked: Params = {
            "instrument_name": symbol,
            "start_timestamp": since_ms,
            "end_timestamp": self._rpc.now_ms() + 60_000,
            "count": _TRADES,
            "sorting": "asc",
            "historical": historical,
        }
        method = "private/get_user_trades_by_instrument_and_time"
        page = await self._read(method, asked, TradePage)
        rows = list(page.trades)
        while page.has_more and page.trades:
            # Several trades may share a millisecond; their sequence numbers differ.
            following: Params = {
                "instrument_name": symbol,
                "start_seq": rows[-1].trade_seq + 1,
                "count": _TRADES,
                "sorting": "asc",
                "historical": historical,
            }
            page = await self._read("private/get_user_trades_by_instrument", following, TradePage)
            rows += page.trades
        return rows

    async def _by_id(self, venue_order_id: str) -> list[OrderRow]:
        try:
            asked: Params = {"order_id": venue_order_id}
            return [await self._read("private/get_order_state", asked, OrderRow)]
        except VenueError as error:
            if error.code == str(_NOT_FOUND):
                return []
            raise

    async def _read(self, method: str, params: Params, into: type[T]) -> T:
        await self._pace.wait()
        try:
            reply = await self._rpc.call(method, params)
        except OutcomeUnknown as error:
            raise TemporaryError(str(error)) from None
        if reply.error is not None:
            words = f"{self._venue} {method}: {words_of(reply.error)}"
            if reply.error.code in _TEMPORARY:
                raise TemporaryError(words)
            raise VenueError(str(reply.error.code), reply.error.message)
        try:
            return msgspec.json.decode(reply.result, type=into)
        except msgspec.MsgspecError as error:
            raise TemporaryError(f"{method}: unreadable answer, {error}") from error

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")
