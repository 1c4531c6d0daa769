"""The signed endpoints of USD-M: what each weighs, does to orders, and how it is let in.

::

    request -> faults -> weight -> parameters -> key, time, signature -> faults of orders -> handler
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from emulator.binance.gate.auth import without_signature
from emulator.binance.gate.errors import TIMEOUT_UNKNOWN, ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binancefut import accounts, algos, asked, trading
from emulator.binancefut.venue import BinanceFutures
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Order
from emulator.wire.numbers import digits
from emulator.wire.rest import Call, Route
from emulator.wire.striking import Deed, over_http, strike

Handler = Callable[[BinanceFutures, MarginAccount, Params], Awaitable[Any]]


class Row(msgspec.Struct, frozen=True):
    """One endpoint."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """Below ``/fapi/``."""
    weight: float | Callable[[Params], float]
    handler: Handler
    what: Literal["", "place", "cancel", "query"] = ""
    """What it does to orders, for faults."""

    @property
    def name(self) -> str:
        """What a diary calls it."""
        return f"{self.method} {self.path}"


TABLE: Final = (
    Row("POST", "v1/order", 0, trading.place, "place"),
    Row("POST", "v1/order/test", 0, trading.place_test),
    Row("PUT", "v1/order", 1, trading.amend, "cancel"),
    Row("GET", "v1/order", 1, trading.query, "query"),
    Row("DELETE", "v1/order", 1, trading.cancel, "cancel"),
    Row("POST", "v1/batchOrders", 5, trading.place_batch, "place"),
    Row("PUT", "v1/batchOrders", 5, trading.amend_batch, "cancel"),
    Row("DELETE", "v1/batchOrders", 1, trading.cancel_batch, "cancel"),
    Row("DELETE", "v1/allOpenOrders", 1, trading.cancel_all, "cancel"),
    Row("POST", "v1/countdownCancelAll", 10, trading.dead_man),
    Row("GET", "v1/openOrder", 1, trading.query_open, "query"),
    Row("GET", "v1/openOrders", trading.open_weight, trading.open_orders),
    Row("GET", "v1/allOrders", 5, trading.all_orders),
    Row("GET", "v1/userTrades", 5, trading.user_trades),
    Row("GET", "v1/forceOrders", 20, trading.forced_orders),
    Row("POST", "v1/algoOrder", 0, algos.place, "place"),
    Row("GET", "v1/algoOrder", 1, algos.query, "query"),
    Row("DELETE", "v1/algoOrder", 1, algos.cancel, "cancel"),
    Row("DELETE", "v1/algoOpenOrders", 1, algos.cancel_all, "cancel"),
    Row("GET", "v1/openAlgoOrders", trading.open_weight, algos.waiting),
    Row("GET", "v1/allAlgoOrders", 5, algos.all_algos),
    *(Row("GET", f"{version}/balance", 5, accounts.balance) for version in ("v2", "v3")),
    Row("GET", "v2/account", 5, accounts.account_v2),
    Row("GET", "v3/account", 5, accounts.account_v3),
    Row("GET", "v2/positionRisk", 5, accounts.positions_v2),
    Row("GET", "v3/positionRisk", 5, accounts.positions_v3),
    Row("POST", "v1/leverage", 1, accounts.set_leverage),
    Row("POST", "v1/marginType", 1, accounts.set_margin_type),
    Row("POST", "v1/positionSide/dual", 1, accounts.set_mode),
    Row("GET", "v1/positionSide/dual", 30, accounts.mode),
    Row("GET", "v1/multiAssetsMargin", 30, accounts.multi_assets),
    Row("GET", "v1/accountConfig", 5, accounts.account_config),
    Row("GET", "v1/symbolConfig", 5, accounts.symbol_config),
    Row("GET", "v1/leverageBracket", 1, accounts.brackets),
    Row("GET", "v1/commissionRate", 20, accounts.commission),
    Row("GET", "v1/income", 30, accounts.income),
)


def table(venue: BinanceFutures) -> list[Route]:
    """Return the signed endpoints, and those of listen keys, which need the key alone."""
    rows = [
        Route(
            method=row.method,
            path=f"/fapi/{row.path}",
            handler=_of(venue, row),
            cost=_weighed(row.weight),
        )
        for row in TABLE
    ]
    for method, act in (("POST", _open), ("PUT", _renew), ("DELETE", _close)):
        rows.append(
            Route(method=method, path="/fapi/v1/listenKey", handler=_keyed(venue, act))  # type: ignore[arg-type]  # three of the literal's words
        )
    return rows


def params_of(call: Call) -> Params:
    """Return a request's parameters, from query and body."""
    return Params.of_query(call.request.raw_path.partition("?")[2], call.body.decode())


def _weighed(weight: float | Callable[[Params], float]) -> float | Callable[[Call], float]:
    if isinstance(weight, (int, float)):
        return weight
    return lambda call: weight(params_of(call))


def _keyed(
    venue: BinanceFutures, act: Callable[[BinanceFutures], Any]
) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        venue.keys.account(call.request.headers.get("X-MBX-APIKEY"))
        return act(venue)

    return serve


def _open(venue: BinanceFutures) -> Any:
    return {"listenKey": venue.users.open()}


def _renew(venue: BinanceFutures) -> Any:
    key = venue.users.renew()
    if key is None:
        raise ApiError(-1125, "This listenKey does not exist.")
    return {"listenKey": key}


def _close(venue: BinanceFutures) -> Any:
    venue.users.close()
    return {}


def _of(venue: BinanceFutures, row: Row) -> Callable[[Call], Awaitable[Any]]:
    async def serve(call: Call) -> Any:
        params = params_of(call)
        account = _authenticate(venue, call, params)
        return await over_http(call, lambda: carry_out(venue, row, account, params))

    return serve


def _authenticate(venue: BinanceFutures, call: Call, params: Params) -> MarginAccount:
    query, signature = without_signature(call.request.raw_path.partition("?")[2])
    body, in_body = without_signature(call.body.decode())
    params.skip("signature", "recvWindow", "timestamp")
    if not params.text("timestamp"):
        raise missing("timestamp")
    if not (signature or in_body):
        raise missing("signature")
    key = call.request.headers.get("X-MBX-APIKEY")
    return venue.keys.check(key, query + body, signature or in_body or "", params, venue.now_ms())


async def carry_out(venue: BinanceFutures, row: Row, account: MarginAccount, params: Params) -> Any:
    """Run an endpoint's handler with an armed fault around it.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        ApiError: -1007, -2013, or whatever the request itself raises.
    """

    async def run() -> Any:
        if row.method != "GET":
            asked = {"call": row.name, "owner": account.owner, "args": params.left()}
            venue.note("order", asked)
        return await row.handler(venue, account, params)

    return await strike(
        venue,
        Deed(
            what=row.what,
            run=run,
            symbol=params.peek("symbol"),
            missing=ApiError(-2013, asked.NO_SUCH_ORDER),
            unknown=ApiError(-1007, TIMEOUT_UNKNOWN, 408),
            newest=lambda: account.newest,
            expire=lambda placed: venue.house.expire(account, placed),
            race=lambda: venue.house.race(_meant(account, params)),
        ),
    )


async def ask_again(venue: BinanceFutures, call: str, owner: int, args: dict[str, str]) -> None:
    """Carry out again what an account asked for.

    Raises:
        Refusal: As it was refused.
        ValueError: There is no such call.
    """
    for row in TABLE:
        if row.name == call:
            await row.handler(venue, venue.house.desk.accounts[owner], Params(args))
            return
    raise ValueError(f"binancefut has no call {call!r}")


def _meant(account: MarginAccount, params: Params) -> list[Order]:
    """Return the orders a cancel may be meant for."""
    number, named = params.peek("orderId"), params.peek("origClientOrderId")
    if digits(number) or named:
        found = account.find(int(number) if digits(number) else None, named or None)
        return [found] if found is not None else []
    for name in ("orderIdList", "orderidlist", "origClientOrderIdList", "origclientorderidlist"):
        if text := params.peek(name):
            wanted = {part.strip('" ') for part in text.strip("[] ").split(",")}
            return [
                order
                for order in account.open_orders()
                if str(order.id) in wanted or order.ticket.client_id in wanted
            ]
    return account.open_orders(params.peek("symbol") or None)
