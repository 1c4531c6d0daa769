"""What an account says through ccxt: orders, all pages of fills, balances, positions, funding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from core.model.accounts import Balance, EntryKind, VenuePosition
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, InstrumentId, VenueName, origin_of
from core.model.instruments import Instrument
from core.model.orders import Order, OrderFilled, PositionSide, VenueOrder
from core.model.ports import Clock
from core.venues.ccxt_pro.client import CcxtClient
from core.venues.ccxt_pro.parse import MS, Row, exact, fill, needed, time_ns, venue_order
from core.venues.ccxt_pro.spelling import Spelling
from core.venues.ccxt_pro.ways import Ways, features
from core.venues.symbols import Symbols

_DAY_MS: Final = 86_400_000
_MOST_PAGES: Final = 2_000
_PAGE: Final = 100
_REMEMBERED: Final = 50_000
_LEEWAY_MS: Final = 60_000
_NOT_THERE: Final = frozenset({"OrderNotFound", "OrderNotCached"})


class AccountReader:
    """Questions that change nothing; each raises TemporaryError when it stays unanswered."""

    def __init__(
        self,
        venue: VenueName,
        client: CcxtClient,
        *,
        ways: Ways,
        spelling: Spelling,
        clock: Clock,
        symbols: Symbols,
    ) -> None:
        self._venue = venue
        self._client = client
        self._ways = ways
        self._spelling = spelling
        self._clock = clock
        self._symbols = symbols
        self._client_ids: OrderedDict[str, ClientOrderId] = OrderedDict()
        """Whose an order is, by the exchange's id."""
        self._derivatives: dict[InstrumentId, None] = {}
        """Derivatives traded or asked for: their funding is of interest."""

    def note(self, venue_order_id: str, order_id: ClientOrderId) -> None:
        """Note whose an order of the exchange's is."""
        self._client_ids[venue_order_id] = order_id
        if len(self._client_ids) > _REMEMBERED:
            self._client_ids.popitem(last=False)

    def known(self, venue_order_id: str) -> ClientOrderId | None:
        """Return whose an order of the exchange's is, None where it was never told."""
        return self._client_ids.get(venue_order_id)

    def ours(self, row: Row) -> ClientOrderId:
        """Return our id of an order, the exchange's where it has none of a client."""
        text = row.get("clientOrderId")
        known = self._client_ids.get(str(row.get("id")))
        if known is not None and not text:
            return known
        return ClientOrderId(self._spelling.ours(str(text)) if text else str(row.get("id")))

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Ask for an order; None when the exchange knows none.

        Raises:
            TemporaryError: The exchange did not answer; nothing is known.
        """
        try:
            instrument = self._symbols.instrument(order.intent.instrument_id)
            row = await self._row(order, instrument)
            if row is None:
                return None
            self.note(str(row["id"]), order.id)
            return venue_order(self._said(row), order.id, instrument.id, order.intent)
        except (VenueError, DataError, ConfigError, KeyError) as error:
            raise self._unanswered(f"order {order.id}", error) from error

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order of the account, ours or not.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        try:
            rows: list[Row] = []
            for kind in self._ways.open_kinds or ("",):
                rows += await self._open("open orders", None, {"type": kind} if kind else {})
            out = []
            for row in rows:
                order_id = self.ours(row)
                if origin_of(order_id) is not None:
                    self.note(str(row["id"]), order_id)
                out.append(venue_order(row, order_id, self.instrument_of(row), None))
        except (VenueError, DataError, KeyError) as error:
            raise self._unanswered("open orders", error) from error
        return out

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        try:
            instrument = self._symbols.instrument(instrument_id)
            self._note_kind(instrument)
            market = self._client.market(instrument)
            rows = await self._trades(instrument, str(market["symbol"]), since_ns // MS)
            return [
                fill(
                    row,
                    await self._owner(str(row.get("order")), str(market["symbol"])),
                    instrument_id,
                    self._venue,
                    quote=instrument.pays_in,
                    ts_ns=self._clock.now_ns(),
                )
                for row in rows
            ]
        except (VenueError, DataError, ConfigError) as error:
            raise self._unanswered(f"fills of {instrument_id}", error) from error

    async def balances(self) -> list[Balance]:
        """Return what the account holds; assets it has none of are left out.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        try:
            found = list(self._balances(await self._read("balances", "fetch_balance")))
            if self._ways.settles_apart and len(found) == 1:
                for code in self._settled_in() - {found[0].asset}:
                    more = await self._read("balances", "fetch_balance", {"code": code})
                    found += self._balances(more)
            found.sort(key=lambda balance: balance.asset)
            return [balance for balance in found if balance.total or balance.held]
        except (VenueError, DataError) as error:
            raise self._unanswered("balances", error) from error

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        if not self._derivatives or not self._client.does("fetchPositions"):
            return []
        try:
            rows = await self._read("positions", "fetch_positions")
            return [self._position(row) for row in rows if needed(row, "contracts")]
        except (VenueError, DataError) as error:
            raise self._unanswered("positions", error) from error

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return funding since a time of the derivatives in use, oldest first.

        Raises:
            TemporaryError: The exchange did not answer.
        """
        if not self._derivatives or not self._client.does("fetchFundingHistory"):
            return []
        flows: list[CashMoved] = []
        for instrument_id in self._derivatives:
            try:
                instrument = self._symbols.instrument(instrument_id)
                symbol = str(self._client.market(instrument)["symbol"])
                rows = await self._paged("fetch_funding_history", symbol, since_ns // MS, {})
                flows += [self._flow(row, instrument) for row in rows]
            except (VenueError, DataError, ConfigError) as error:
                raise self._unanswered(f"funding of {instrument_id}", error) from error
        return sorted(flows, key=lambda flow: flow.ts_event_ns)

    # -- orders ----------------------------------------------------------------------------

    async def _row(self, order: Order, instrument: Instrument) -> Row | None:
        symbol = str(self._client.market(instrument)["symbol"])
        text = self._spelling.wire(order.id)
        name = f"order {order.id}"
        params: dict[str, Any] = {}
        if order.venue_order_id is None and not self._ways.by_client_id:
            return await self._listed(order, symbol, text)
        if order.venue_order_id is None:
            params["clientOrderId"] = text
        try:
            found: Row = await self._read(name, "fetch_order", order.venue_order_id, symbol, params)
        except VenueError as error:
            if error.code in _NOT_THERE:
                return None
            raise
        return found

    def _said(self, row: Row) -> Row:
        """Return an order as ended by the exchange where its own answer says so."""
        field, words = self._ways.unasked
        told = row.get("info") if field and row.get("status") == "canceled" else None
        if isinstance(told, dict) and told.get(field) in words:
            return {**row, "status": "expired"}
        return row

    async def _listed(self, order: Order, symbol: str, text: str) -> Row | None:
        """Look for a client order id in the listings, the open ones first."""
        since_ms = order.ts_submitted_ns // MS - _LEEWAY_MS
        methods = ["fetch_open_orders"]
        if self._client.does("fetchOrders"):
            methods.append("fetch_orders")
        else:
            asked = {"fetchClosedOrders": "fetch_closed_orders"}
            asked["fetchCanceledOrders"] = "fetch_canceled_orders"
            methods += [call for name, call in asked.items() if self._client.does(name)]
        for method in methods:
            what = f"order {order.id}"
            rows = (
                await self._open(what, symbol, {})
                if method == "fetch_open_orders"
                else await self._read(what, method, symbol, since_ms)
            )
            for row in rows:
                if row.get("clientOrderId") in {text, order.id}:
                    return dict(row)
        return None

    async def _owner(self, venue_order_id: str, symbol: str) -> ClientOrderId:
        """Return whose an order is, asking once for each; the engine knows its own by this id."""
        known = self._client_ids.get(venue_order_id)
        if known is not None:
            return known
        try:
            row = await self._read("an order", "fetch_order", venue_order_id, symbol)
            order_id = self.ours(row)
        except VenueError as error:
            if error.code not in _NOT_THERE:
                raise
            order_id = ClientOrderId(venue_order_id)
        self.note(venue_order_id, order_id)
        return order_id

    # -- pages -----------------------------------------------------------------------------

    async def _open(self, what: str, symbol: str | None, params: dict[str, Any]) -> list[Row]:
        """Return the open orders of a market, or of all, all pages."""
        pages = self._ways.open_pages
        if pages is None:
            return list(await self._read(what, "fetch_open_orders", symbol, None, None, params))
        found: dict[str, Row] = {}
        for number in range(1, _MOST_PAGES + 1):
            page = await self._read(what, "fetch_open_orders", symbol, None, pages.most, params)
            fresh = {str(row.get("id")): row for row in page if str(row.get("id")) not in found}
            found |= fresh
            more = str(number + 1) if not pages.told else _told(page, pages.told)
            if not fresh or len(page) < pages.most or not more:
                return list(found.values())
            params = params | {pages.sent: more}
        raise TemporaryError(f"{self._venue}: more than {_MOST_PAGES} pages of open orders")

    async def _trades(self, instrument: Instrument, symbol: str, since_ms: int) -> list[Row]:
        """Return own trades of a market, span by span as long as one question may reach."""
        if self._ways.page == "offset":
            return await self._by_offset(symbol, since_ms)
        says = features(self._client.ccxt, instrument, "fetchMyTrades")
        days = self._ways.window_days or says.get("untilDays") or 0
        now_ms = self._clock.now_ns() // MS + _LEEWAY_MS
        span_ms = int(days) * _DAY_MS or now_ms
        found: dict[str, Row] = {}
        start_ms = since_ms
        while start_ms <= now_ms:
            end_ms = min(start_ms + span_ms - 1, now_ms)
            params = {"until": end_ms} if days else {}
            for row in await self._paged("fetch_my_trades", symbol, start_ms, params):
                found[str(row.get("id"))] = row
            start_ms = end_ms + 1
        rows = [row for row in found.values() if (row.get("timestamp") or since_ms) >= since_ms]
        return sorted(rows, key=lambda row: row.get("timestamp") or 0)

    async def _by_offset(self, symbol: str, since_ms: int) -> list[Row]:
        found: dict[str, Row] = {}
        for _ in range(_MOST_PAGES):
            params = {"ofs": len(found)} if found else {}
            page = await self._read("own trades", "fetch_my_trades", symbol, since_ms, None, params)
            fresh = [row for row in page if str(row.get("id")) not in found]
            found |= {str(row.get("id")): row for row in fresh}
            # Rows of other markets are counted by the offset and left out by ccxt.
            if not fresh:
                return sorted(found.values(), key=lambda row: row.get("timestamp") or 0)
        raise TemporaryError(f"{self._venue}: more than {_MOST_PAGES} pages of own trades")

    async def _paged(
        self, method: str, symbol: str, since_ms: int, params: dict[str, Any]
    ) -> list[Row]:
        """Return all rows since a time.

        Some exchanges give the oldest of them first, others the newest: a full page is followed in
        both directions.
        """
        found: dict[str, Row] = {}

        async def take(since: int, more: dict[str, Any]) -> list[Row]:
            what = method.replace("_", " ")
            page = await self._read(what, method, symbol, since, _PAGE, params | more)
            fresh = [row for row in page if _key(row) not in found]
            found.update({_key(row): row for row in fresh})
            return fresh if len(page) >= _PAGE // 2 else []

        first = fresh = await take(since_ms, {})
        for _ in range(_MOST_PAGES):
            if not fresh:
                break
            fresh = await take(max(_time(row) for row in fresh), {})
        for _ in range(_MOST_PAGES):
            if not first or min(_time(row) for row in first) <= since_ms:
                break
            first = await take(since_ms, {"until": min(_time(row) for row in first)})
        return list(found.values())

    async def _read(self, what: str, method: str, *args: Any) -> Any:
        return await self._client.read(what, getattr(self._client.ccxt, method)(*args))

    # -- words -----------------------------------------------------------------------------

    def _settled_in(self) -> set[str]:
        """Return every asset that contracts of the exchange are settled in."""
        listed = (self._client.ccxt.markets or {}).values()
        return {str(row["settle"]) for row in listed if row.get("contract") and row.get("settle")}

    def _balances(self, found: Row) -> Iterator[Balance]:
        totals, used, free = (found.get(name) or {} for name in ("total", "used", "free"))
        if self._ways.wallet is not None:
            wallet = self._wallet(found, *self._ways.wallet)
            totals, free = (wallet, {}) if wallet else (totals, free)
        for asset in sorted(set(totals) | set(free)):
            held = exact(used.get(asset), asset)
            total = exact(totals.get(asset), asset)
            if total is None:
                spare = exact(free.get(asset), asset)
                total = None if spare is None else spare + (held or Decimal(0))
            if total is not None:
                yield Balance(venue=self._venue, asset=asset, total=total, held=held or Decimal(0))

    def _wallet(self, found: Row, way: tuple[str | int, ...], asset: str, amount: str) -> Row:
        rows: Any = found.get("info")
        try:
            for step in way:
                rows = rows[step]
            if isinstance(rows, dict):
                # KuCoin: one asset is told as a row; of a unified account ccxt counts wallets.
                rows = () if "accounts" in rows else (rows,)
            ccxt = self._client.ccxt
            # KuCoin writes JSON numbers; their shortest text is what it wrote.
            return {
                ccxt.safe_currency_code(row[asset]): ccxt.number_to_string(row[amount])
                for row in rows
            }
        except (LookupError, TypeError):
            raise DataError(f"balances have no {'.'.join(map(str, way))} with {amount}") from None

    def _position(self, row: Row) -> VenuePosition:
        size, side = abs(needed(row, "contracts")), str(row.get("side"))
        if side not in {"long", "short"}:
            raise DataError(f"side of a position must be long or short, was {side!r}")
        apart = row.get("hedged") is True
        return VenuePosition(
            venue=self._venue,
            instrument_id=self.instrument_of(row),
            side=PositionSide(side) if apart else PositionSide.NET,
            size=-size if side == "short" else size,
            average_price=exact(row.get("entryPrice"), "entryPrice"),
            liquidation_price=exact(row.get("liquidationPrice"), "liquidationPrice") or None,
            leverage=exact(row.get("leverage"), "leverage"),
            margin=exact(row.get("initialMargin"), "initialMargin"),
            ts_event_ns=time_ns(row, "timestamp"),
        )

    def _flow(self, row: Row, instrument: Instrument) -> CashMoved:
        at_ns = time_ns(row, "timestamp")
        return CashMoved(
            venue=self._venue,
            asset=str(row.get("code") or instrument.pays_in),
            amount=needed(row, "amount"),
            kind=EntryKind.FUNDING,
            flow_id=str(row.get("id") or f"{instrument.venue_symbol} {at_ns // MS}"),
            instrument_id=instrument.id,
            ts_event_ns=at_ns,
            ts_ns=self._clock.now_ns(),
        )

    def instrument_of(self, row: Row) -> InstrumentId:
        """Return our id of a structure's symbol; the listing may spell it in the exchange's way."""
        symbol = str(row.get("symbol"))
        market = (self._client.ccxt.markets or {}).get(symbol) or {}
        direct = self._symbols.ours(symbol)
        for name in (direct, self._symbols.ours(str(market.get("id", "")))):
            try:
                return self._symbols.instrument(name).id
            except ConfigError:
                continue
        return direct

    def _note_kind(self, instrument: Instrument) -> None:
        if instrument.derivative:
            self._derivatives[instrument.id] = None

    def follow(self, instrument: Instrument) -> None:
        """Take an interest in the funding and the positions of what is traded."""
        self._note_kind(instrument)

    def _unanswered(self, what: str, error: Exception) -> TemporaryError:
        return TemporaryError(f"{self._venue}: {what} could not be read, {error}")


def _key(row: Row) -> str:
    return str(row.get("id") or f"{row.get('symbol')} {row.get('timestamp')}")


def _time(row: Row) -> int:
    value = row.get("timestamp")
    return value if isinstance(value, int) else 0


def _told(page: Sequence[Row], name: str) -> str:
    """Return what a page says of what follows: the one row that says it, or the oldest id."""
    said = [str((row.get("info") or {}).get(name) or "") for row in page]
    return min((text for text in said if text), key=lambda text: (len(text), text), default="")
