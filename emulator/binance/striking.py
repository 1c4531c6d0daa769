"""Order requests as faults see them, the same for REST and the WebSocket API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from emulator.binance.gate.errors import NOT_SENT, TIMEOUT_UNKNOWN, ApiError
from emulator.binance.gate.params import Params
from emulator.binance.venue import Venue
from emulator.market.accounts import Account, DeskOrder
from emulator.market.races import fill_first
from emulator.wire.striking import Deed, Placed, strike

What = Literal["place", "cancel", "query", ""]
PrivateHandler = Callable[[Venue, Account, Params], Awaitable[Any]]


def named(handler: PrivateHandler) -> str:
    """Return what a handler is called in a diary."""
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"


async def carry_out(
    venue: Venue, account: Account, params: Params, what: What, handler: PrivateHandler
) -> Any:
    """Run a signed request and let an armed fault spoil it.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        ApiError: -1007, -2013, or whatever the request itself raises.
    """

    def expire(order: Placed) -> None:
        venue.catch_up()
        if isinstance(order, DeskOrder):
            told = {"owner": account.owner, "symbol": order.symbol, "id": order.id}
            venue.note("expire", told)
            venue.desk.expire(account, order, venue.market.now_ns)

    def race() -> None:
        for order in _meant(account, params):
            if order.status.open and fill_first(venue.market, order.shard, order.id):
                return

    async def run() -> Any:
        # A replacement cancels too, though it counts as a new order.
        symbol = params.peek("symbol")
        if params.peek("cancelReplaceMode") and venue.struck("cancel_race", symbol):
            race()
        if what in ("place", "cancel"):
            asked = {"call": named(handler), "owner": account.owner, "args": params.left()}
            venue.note("order", asked)
        return await handler(venue, account, params)

    return await strike(
        venue,
        Deed(
            what=what,
            run=run,
            symbol=params.peek("symbol"),
            missing=ApiError(-2013, NOT_SENT),
            unknown=ApiError(-1007, TIMEOUT_UNKNOWN, 408),
            newest=lambda: account.newest,
            expire=expire,
            race=race,
        ),
    )


def _meant(account: Account, params: Params) -> list[DeskOrder]:
    """Return the orders a cancel may be meant for."""
    symbol = params.peek("symbol")
    for prefix in ("", "cancel"):
        number = params.peek(f"{prefix}OrderId" if prefix else "orderId")
        name = params.peek(f"{prefix}OrigClientOrderId" if prefix else "origClientOrderId")
        if number.isdigit() or name:
            found = account.find(symbol, int(number) if number.isdigit() else None, name or None)
            return [found] if found is not None else []
    number, name = params.peek("orderListId"), params.peek("listClientOrderId")
    groups = account.lists.values()
    if number or name:
        return [o for g in groups if name == g.client_id or number == str(g.id) for o in g.orders]
    return account.open_orders(symbol)
