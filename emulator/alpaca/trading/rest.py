"""The trading API's endpoints: orders, positions, the account, its history, option contracts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final, Literal

import orjson
from aiohttp import web

from emulator.alpaca.trading import asked, options, rules, wire
from emulator.alpaca.trading.account import Account, Position
from emulator.alpaca.trading.again import Again, written
from emulator.alpaca.trading.assets import Instrument
from emulator.alpaca.trading.house import House
from emulator.alpaca.trading.orders import Fill, Order
from emulator.market.races import fill_first
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.striking import Deed, Placed, over_http, strike
from emulator.wire.venue import Json

_Handler = Callable[["Desktop", Account, Call], Any]
_What = Literal["place", "cancel", "query", ""]
_MOST_ORDERS: Final = 500
_MOST_ACTIVITIES: Final = 100
_MOST_CONTRACTS: Final = 10_000
_NONE: Final = Decimal(0)
_HIGHEST: Final = Decimal(10**12)
_NINE: Final = Decimal("1e-9")
REJECT: Final = "reject"
"""What a diary calls the venue's own end of an order, by a fault."""
_TIMED_OUT: Final = "timed out waiting for the order to be acknowledged"


def table(house: House, host: str) -> list[Route]:
    """Return a host's endpoints."""
    desktop = Desktop(house, host)
    return [
        Route(
            method=method,
            path=path,
            handler=desktop.serve(handler, what, "" if method == "GET" else f"{method} {path}"),
        )
        for method, path, what, handler in _TABLE
    ]


def run_again(house: House, account: Account, name: str, told: Json) -> None:
    """Carry out again what an account asked for.

    Raises:
        Refusal: As it was refused.
        ValueError: There is no such request.
    """
    for method, path, _, handler in _TABLE:
        if method != "GET" and name == f"{method} {path}":
            handler(Desktop(house, told["host"]), account, Again(told))
            return
    raise ValueError(f"alpaca has no request {name!r}")


class Desktop:
    """One host's way to the desk."""

    def __init__(self, house: House, host: str) -> None:
        self.house = house
        self.desk = house.desk
        self._host = host

    def serve(self, handler: _Handler, what: _What, name: str) -> Callable[[Call], Awaitable[Any]]:
        """Return a handler that knows whose request it is, with the faults of orders around it.

        `name` is what a diary calls it, empty for what changes nothing.
        """

        async def serve(call: Call) -> Any:
            account = self._account(call)

            async def run() -> Any:
                if name:
                    args = written(self._host, call)
                    venue.note("order", {"call": name, "owner": account.owner, "args": args})
                return handler(self, account, call)

            return await over_http(
                call, lambda: strike(venue, self._deed(account, call, what, run))
            )

        venue = self.house.venue
        return serve

    def seen(self, order: Order) -> bool:
        """Return whether queries find an order: a fault may hide it for a while."""
        return order.hidden_until_ms <= self.house.venue.now_ms()

    def find(self, account: Account, call: Call) -> Order:
        """Return the order a path names.

        Raises:
            Refusal: 404.
        """
        name = call.path("order_id")
        order = account.orders.get(name)
        if order is None:
            raise _no_order(name)
        return order

    def answer(self, call: Call, body: Any, status: int) -> web.Response:
        """Return an answer that is no plain 200."""
        return web.Response(
            body=None if body is None else orjson.dumps(body),
            status=status,
            content_type="application/json",
            headers={} if isinstance(call, Again) else self.house.venue.headers(call),
        )

    def _account(self, call: Call) -> Account:
        head = call.request.headers
        key, secret = head.get("APCA-API-KEY-ID", ""), head.get("APCA-API-SECRET-KEY")
        account = self.house.account(self._host, key)
        if account is None or not self.house.venue.allows(key, secret):
            raise Refusal(401, {"code": 40110000, "message": "request is not authorized"})
        return account

    def _deed(
        self, account: Account, call: Call, what: _What, run: Callable[[], Awaitable[Any]]
    ) -> Deed:
        target = account.orders.get(call.request.match_info.get("order_id", ""))
        symbol = target.instrument.symbol if target is not None else _named(call)

        def expire(order: Placed) -> None:
            self.house.venue.catch_up()
            if isinstance(order, Order):
                told = {"call": REJECT, "owner": account.owner, "args": {"id": order.id}}
                self.house.venue.note("order", told)
                self.desk.reject(account, order)

        def race() -> None:
            orders = [target] if target is not None else list(account.open.values())
            for order in orders:
                shard = order.instrument.shard
                if shard is not None and fill_first(self.desk.market, shard, order.engine_id):
                    return

        return Deed(
            what=what,
            run=run,
            symbol=symbol,
            missing=_no_order(call.request.match_info.get("order_id", "")),
            unknown=Refusal(504, {"code": 50410000, "message": _TIMED_OUT}),
            newest=lambda: account.newest,
            expire=expire,
            race=race,
        )


def _named(call: Call) -> str:
    """Return the symbol a new order is for, as far as that can be read."""
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("symbol", "")) if isinstance(body, dict) else ""


def _no_order(name: str) -> Refusal:
    return Refusal(404, {"code": 40410000, "message": f"order not found for {name}"})


def _place(desktop: Desktop, account: Account, call: Call) -> Json:
    house = desktop.house
    order = asked.order(desktop.desk, house.assets, account, rules.body(call.body))
    return _submit(desktop, account, order)


def _submit(desktop: Desktop, account: Account, order: Order) -> Json:
    """Take an order; the answer is of before it reached the market."""
    told = wire.order(order)
    desktop.desk.submit(account, order)
    return told


def _change(desktop: Desktop, account: Account, call: Call) -> Json:
    old = desktop.find(account, call)
    new = asked.change(desktop.desk, account, old, rules.body(call.body))
    new.replaces = old.id
    told = wire.order(new)
    desktop.desk.replace(account, old, new)
    return told


def _cancel(desktop: Desktop, account: Account, call: Call) -> web.Response:
    order = desktop.find(account, call)
    if not order.open:
        raise rules.bad(f'order is already in "{order.status}" state')
    desktop.desk.cancel(account, order)
    return desktop.answer(call, None, 204)


def _cancel_all(desktop: Desktop, account: Account, call: Call) -> web.Response:
    told = []
    for order in list(account.open.values()):
        if order.open:
            desktop.desk.cancel(account, order)
            told.append({"id": order.id, "status": 200, "body": wire.order(order)})
    return desktop.answer(call, told, 207)


def _order(desktop: Desktop, account: Account, call: Call) -> Json:
    order = desktop.find(account, call)
    if not desktop.seen(order):
        raise _no_order(order.id)
    return wire.order(order, nested=call.params.get("nested") == "true")


def _by_client_id(desktop: Desktop, account: Account, call: Call) -> Json:
    name = call.params.get("client_order_id", "")
    order = account.by_client.get(name)
    if order is None or not desktop.seen(order):
        raise _no_order(name)
    return wire.order(order)


def _orders(desktop: Desktop, account: Account, call: Call) -> list[Json]:
    params = call.params
    state = params.get("status") or "open"
    if state not in ("open", "closed", "all"):
        raise rules.bad(f"invalid status: {state}", 40010001)
    nested = params.get("nested") == "true"
    after, until = _time(params.get("after"), 0), _time(params.get("until"), 1 << 62)
    symbols = {name for name in (params.get("symbols") or "").split(",") if name}
    rows = [
        order
        for order in account.orders.values()
        if (state == "all" or order.open is (state == "open"))
        and after < order.created_ms <= until
        and (not symbols or symbols & {order.instrument.symbol, order.instrument.short})
        and params.get("side") in (None, "", wire.side(order))
        and params.get("asset_class") in (None, "", "all", order.instrument.kind)
        and not (nested and order.parent is not None)
        and desktop.seen(order)
    ]
    names = [order.id for order in rows]
    if (token := params.get("before_order_id")) in names:
        rows = rows[: names.index(str(token))]
    elif (token := params.get("after_order_id")) in names:
        rows = rows[names.index(str(token)) + 1 :]
    if params.get("direction") != "asc":
        rows.reverse()
    return [wire.order(order, nested=nested) for order in rows[: _limit(call, 50, _MOST_ORDERS)]]


def _limit(call: Call, usual: int, most: int, name: str = "limit") -> int:
    text = call.params.get(name) or str(usual)
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise rules.bad(f"{name} must be 1 to {most}, was {text}", 40010001)
    return int(text)


def _time(text: str | None, default: int) -> int:
    if not text:
        return default
    try:
        at = dt.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise rules.bad(f"invalid time: {text}", 40010001) from None
    return int((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1_000)


def _positions(desktop: Desktop, account: Account, call: Call) -> list[Json]:
    held = list(account.positions.values())
    if desktop.house.venue.struck("stale_account"):
        _, before = account.before
        assets = desktop.house.assets.all
        held = [
            Position(instrument=assets[name], qty=qty, basis=basis)
            for name, (qty, basis) in before.items()
        ]
    return [wire.position(each, account.available(each.instrument.symbol)) for each in held]


def _held(desktop: Desktop, account: Account, name: str) -> Instrument:
    instrument = desktop.house.assets.find(name)
    if instrument is None or instrument.symbol not in account.positions:
        raise Refusal(404, {"code": 40410000, "message": "position does not exist"})
    return instrument


def _position(desktop: Desktop, account: Account, call: Call) -> Json:
    instrument = _held(desktop, account, call.path("symbol"))
    held = account.positions[instrument.symbol]
    return wire.position(held, account.available(instrument.symbol))


def _close(desktop: Desktop, account: Account, call: Call) -> Json:
    instrument = _held(desktop, account, call.path("symbol"))
    whole = abs(account.held(instrument.symbol))
    qty = rules.amount(call.params, "qty") or whole
    if (share := rules.amount(call.params, "percentage")) is not None:
        if share > 100:
            raise rules.bad("percentage must be at most 100", 40010001)
        step = max(instrument.lot, _NINE) if instrument.kind != "us_equity" else _NINE
        qty = (whole * share / 100).quantize(step, ROUND_DOWN)
    return _close_one(desktop, account, instrument, qty)


def _close_one(desktop: Desktop, account: Account, instrument: Instrument, qty: Decimal) -> Json:
    short = account.held(instrument.symbol) < 0
    wanted = {
        "symbol": instrument.symbol,
        "side": "buy" if short else "sell",
        "type": "market",
        "time_in_force": "gtc" if instrument.kind == "crypto" else "day",
        "qty": format(qty, "f"),
    }
    order = asked.order(desktop.desk, desktop.house.assets, account, wanted)
    return _submit(desktop, account, order)


def _close_all(desktop: Desktop, account: Account, call: Call) -> web.Response:
    if call.params.get("cancel_orders") == "true":
        for order in list(account.open.values()):
            if order.open:
                desktop.desk.cancel(account, order)
    told = []
    for position in list(account.positions.values()):
        instrument = position.instrument
        try:
            body = _close_one(desktop, account, instrument, abs(position.qty))
            told.append({"symbol": instrument.short, "status": 200, "body": body})
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
            told.append({"symbol": instrument.short, "status": status, "body": body})
    return desktop.answer(call, told, 207)


def _account(desktop: Desktop, account: Account, call: Call) -> Json:
    cash, equity = account.cash, account.equity
    if desktop.house.venue.struck("stale_account"):
        cash, before = account.before
        assets = desktop.house.assets.all
        equity = cash + sum(
            (Position(instrument=assets[name], qty=qty).value for name, (qty, _) in before.items()),
            _NONE,
        )
    return wire.account(account, cash, equity)


def _settings(desktop: Desktop, account: Account, call: Call) -> Json:
    return dict(account.settings)


def _change_settings(desktop: Desktop, account: Account, call: Call) -> Json:
    wanted = rules.body(call.body)
    for name, value in wanted.items():
        known = account.settings.get(name)
        if known is None or not isinstance(value, type(known)):
            raise rules.bad(f"invalid {name}: {value}", 40010001)
    account.settings.update(wanted)
    return dict(account.settings)


def _activities(desktop: Desktop, account: Account, call: Call) -> list[Json]:
    params = call.params
    kinds = call.request.match_info.get("kind") or params.get("activity_types") or ""
    wanted = {kind for kind in kinds.split(",") if kind}
    category = params.get("category")
    after, until = _time(params.get("after"), 0), _time(params.get("until"), 1 << 62)
    if day := params.get("date"):
        after = _time(day, 0) - 1
        until = after + 86_400_000
    rows = [
        row
        for row in account.activities
        if after < row.ts_ms <= until
        and (not wanted or ("FILL" if isinstance(row, Fill) else row.type) in wanted)
        and category
        in (None, "", "trade_activity" if isinstance(row, Fill) else "non_trade_activity")
    ]
    if params.get("direction") != "asc":
        rows.reverse()
    names = [row.id for row in rows]
    if token := params.get("page_token"):
        if token not in names:
            raise rules.bad(f"invalid page_token: {token}", 40010001)
        rows = rows[names.index(token) + 1 :]
    rows = rows[: _limit(call, _MOST_ACTIVITIES, _MOST_ACTIVITIES, "page_size")]
    return [wire.fill(row) if isinstance(row, Fill) else wire.activity(row) for row in rows]


_TABLE: Final[Iterable[tuple[Literal["GET", "POST", "PATCH", "DELETE"], str, _What, _Handler]]] = (
    ("POST", "/v2/orders", "place", _place),
    ("GET", "/v2/orders", "", _orders),
    ("DELETE", "/v2/orders", "cancel", _cancel_all),
    ("GET", "/v2/orders:by_client_order_id", "query", _by_client_id),
    ("GET", "/v2/orders/{order_id}", "query", _order),
    ("PATCH", "/v2/orders/{order_id}", "cancel", _change),
    ("DELETE", "/v2/orders/{order_id}", "cancel", _cancel),
    ("GET", "/v2/positions", "", _positions),
    ("DELETE", "/v2/positions", "place", _close_all),
    ("GET", "/v2/positions/{symbol:.+}", "", _position),
    ("DELETE", "/v2/positions/{symbol:.+}", "place", _close),
    ("GET", "/v2/account", "", _account),
    ("GET", "/v2/account/configurations", "", _settings),
    ("PATCH", "/v2/account/configurations", "", _change_settings),
    ("GET", "/v2/account/activities", "", _activities),
    ("GET", "/v2/account/activities/{kind}", "", _activities),
    ("GET", "/v2/options/contracts", "", options.contracts),
    ("GET", "/v2/options/contracts/{symbol}", "", options.contract),
    ("GET", "/v1beta1/options/quotes/latest", "", options.latest_quotes),
    ("GET", "/v1beta1/options/snapshots", "", options.snapshots),
    ("GET", "/v1beta1/options/bars", "", options.bars),
)
