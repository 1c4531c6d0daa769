"""What the account says when asked: orders, fills, balances, positions, and what moved else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from core.model.accounts import Balance, EntryKind, VenuePosition
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    VenueName,
    VenueOrderId,
)
from core.model.orders import Order, OrderFilled, VenueOrder
from core.model.ports import Clock
from core.venues.alpaca import messages as m
from core.venues.alpaca.names import Names
from core.venues.alpaca.orders import Chain, OrderBook, venue_order
from core.venues.alpaca.parse import execution_id, moment, nanoseconds, side_of
from core.venues.alpaca.rest import AlpacaRest, Param
from core.venues.symbols import Symbols

_PAGE: Final = 100
_MOST_PAGES: Final = 5_000
_REMEMBERED: Final = 50_000
_CENTS: Final = Decimal("0.02")
"""What two sums of rounded figures may differ by."""
_OPTION: Final = "us_option"

_KINDS: Final[dict[str, EntryKind]] = {
    "CFEE": EntryKind.FEE,
    "FEE": EntryKind.FEE,
    "PTC": EntryKind.FEE,
    "PTR": EntryKind.REBATE,
    "INT": EntryKind.BORROW,
    "INTNRA": EntryKind.BORROW,
    "INTTW": EntryKind.BORROW,
    "CSD": EntryKind.TRANSFER,
    "CSW": EntryKind.TRANSFER,
    "TRANS": EntryKind.TRANSFER,
    "ACATC": EntryKind.TRANSFER,
    "JNL": EntryKind.TRANSFER,
    "JNLC": EntryKind.TRANSFER,
}
"""Activities whose money is booked by their names; `DIV...` and `CGD` are distributions."""

_Row = TypeVar("_Row")


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self,
        venue: VenueName,
        rest: AlpacaRest,
        *,
        clock: Clock,
        symbols: Symbols,
        names: Names,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._clock = clock
        self._symbols = symbols
        self._names = names
        self.orders = OrderBook(rest, names)
        self._client_ids: OrderedDict[str, ClientOrderId] = OrderedDict()

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask for an order of ours; None when the venue says it knows none.

        Raises:
            TemporaryError: The venue did not answer; nothing is known.
        """
        try:
            chain = await self.orders.chain(order)
            if chain is None:
                return None
            known = order.venue_order_id is not None
            return venue_order(chain, order.id, self._symbols, known=known)
        except (VenueError, DataError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            rows = await self.orders.listed("open")
            unnamed = [row for row in rows if self._names.lacks(row)]
            if unnamed:
                since_ns = min(nanoseconds(row.submitted_at or "1970-01-01") for row in unnamed)
                await self.orders.learn_groups(max(1, since_ns - 1_000_000_000))
            return [
                venue_order(
                    await self.orders.follow(row) if row.replaces else Chain(row, Decimal(0)),
                    self._names.of(row),
                    self._symbols,
                    known=True,
                )
                for row in rows
            ]
        except (VenueError, DataError) as error:
            raise self._unanswered("open orders", error) from error

    async def fills(self, instrument: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Alpaca says neither whether a fill was a maker's nor what it cost: fees come as account
        activities of their own.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            quote = self._symbols.instrument(instrument).quote
            rows = await self._activities("/FILL", since_ns, m.FILLS)
            return [
                self._fill(row, await self._client_id(row.order_id), instrument, quote)
                for row in rows
                if self._symbols.ours(row.symbol) == instrument
            ]
        except (VenueError, DataError, ConfigError) as error:
            raise self._unanswered(f"fills of {instrument}", error) from error

    async def account(self) -> m.Account:
        """Return the account as it stands.

        Raises:
            TemporaryError: The venue did not answer.
        """
        try:
            return await self._rest.read("/v2/account", [], m.ACCOUNT)
        except (VenueError, DataError) as error:
            raise self._unanswered("account", error) from error

    async def balances(self) -> list[Balance]:
        """Return money, shares and coins; what was sold short is below 0.

        Raises:
            TemporaryError: The venue did not answer.
        """
        account = await self.account()
        held = [
            Balance(venue=self._venue, asset=asset, total=size)
            for row in await self._positions()
            if row.asset_class != _OPTION
            for asset, size in [(self._asset(row.symbol), signed(row))]
        ]
        total = cash_of(account)
        money = Balance(
            venue=self._venue,
            asset=account.currency,
            total=total,
            held=total - account.cash,
            step=_CENTS,
        )
        return [money, *held] if money.total or money.held else held

    async def positions(self) -> list[VenuePosition]:
        """Return the options held; shares and coins are balances.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return [
            VenuePosition(
                venue=self._venue,
                instrument_id=self._symbols.ours(row.symbol),
                size=signed(row),
                average_price=row.avg_entry_price,
            )
            for row in await self._positions()
            if row.asset_class == _OPTION
        ]

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return fees, dividends, interest and transfers since a time, oldest first.

        Splits, mergers and exercises change holdings in ways that only the balances tell whole.

        Raises:
            TemporaryError: The venue did not answer.
        """
        where = [("category", "non_trade_activity")]
        try:
            rows = await self._activities("", since_ns, m.ACTIVITIES, where)
            return list(self._flows(rows))
        except (VenueError, DataError) as error:
            raise self._unanswered("account activities", error) from error

    async def _positions(self) -> list[m.PositionRow]:
        try:
            return await self._rest.read("/v2/positions", [], m.POSITIONS)
        except (VenueError, DataError) as error:
            raise self._unanswered("positions", error) from error

    async def _activities(
        self,
        kind: str,
        since_ns: int,
        into: msgspec.json.Decoder[list[_Row]],
        where: Sequence[Param] = (),
    ) -> list[_Row]:
        rows: list[_Row] = []
        token = ""
        for _ in range(_MOST_PAGES):
            params = [
                *where,
                ("direction", "asc"),
                ("page_size", str(_PAGE)),
                ("after", moment(since_ns)),
            ]
            params += [("page_token", token)] if token else []
            page = await self._rest.read(f"/v2/account/activities{kind}", params, into)
            rows += page
            if len(page) < _PAGE:
                return rows
            token = page[-1].id  # type: ignore[attr-defined]  # fills and activities have one
        raise TemporaryError(f"{self._venue}: more than {_MOST_PAGES * _PAGE} activities")

    async def _client_id(self, venue_order_id: str) -> ClientOrderId:
        """Return our id behind a venue order id, asking once for each."""
        known = self._client_ids.get(venue_order_id)
        if known is None:
            row = await self._rest.read(f"/v2/orders/{venue_order_id}", [], m.ORDER)
            self._names.learn(row)
            known = self._names.of(row)
            if not self._names.lacks(row):
                self._client_ids[venue_order_id] = known
            if len(self._client_ids) > _REMEMBERED:
                self._client_ids.popitem(last=False)
        return known

    def _fill(
        self, row: m.Fill, order_id: ClientOrderId, instrument: InstrumentId, quote: str
    ) -> OrderFilled:
        return OrderFilled(
            client_order_id=order_id,
            venue=self._venue,
            instrument_id=instrument,
            venue_order_id=VenueOrderId(row.order_id),
            execution_id=ExecutionId(execution_id(row.id)),
            side=side_of(row.side),
            price=row.price,
            size=row.qty,
            fee=Decimal(0),
            fee_asset=quote,
            maker=False,
            ts_event_ns=nanoseconds(row.transaction_time),
            ts_ns=self._clock.now_ns(),
        )

    def _flows(self, rows: Sequence[m.Activity]) -> Iterator[CashMoved]:
        for row in rows:
            kind = _KINDS.get(row.activity_type)
            if row.activity_type.startswith(("DIV", "CGD")):
                kind = EntryKind.SETTLEMENT
            if kind is None or row.status == "canceled":
                continue
            asset, amount = row.currency, row.net_amount
            if not amount and row.activity_type == "CFEE":
                # A buyer's fee is taken from the coins bought.
                asset, amount = self._asset(row.symbol), row.qty
            if not amount:
                continue
            ours = self._symbols.ours(row.symbol) if row.symbol else None
            yield CashMoved(
                venue=self._venue,
                asset=asset,
                amount=amount,
                kind=kind,
                flow_id=row.id,
                instrument_id=ours,
                ts_event_ns=nanoseconds(row.created_at or row.date or "1970-01-01"),
                ts_ns=self._clock.now_ns(),
            )

    def _asset(self, symbol: str) -> str:
        """Return the asset behind a position's symbol; one never taught keeps its spelling."""
        ours = self._symbols.ours(symbol)
        try:
            return self._symbols.instrument(ours).base
        except ConfigError:
            return symbol

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")


def signed(row: m.PositionRow) -> Decimal:
    """Return a position's size, below 0 when short, however the venue writes that."""
    return -abs(row.qty) if row.side == "short" else row.qty


def cash_of(account: m.Account) -> Decimal:
    """Return all money of an account; its ``cash`` may leave out what open orders hold.

    Equity is money and positions at their worth, each rounded to the cent.
    """
    whole = account.equity - account.long_market_value - account.short_market_value
    return account.cash if abs(whole - account.cash) <= _CENTS else whole
