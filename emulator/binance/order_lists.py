"""Signed endpoints: order lists (OCO, OTO, OTOCO), and a cancel with a new order in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.binance import asked
from emulator.binance.gate import errors
from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.params import Params
from emulator.binance.private_wire import list_canceled, list_placed, listed, placed
from emulator.binance.trading import between, cancel_one, end, find, refusal, seen
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.market.accounts import Account, DeskOrder, OrderList, Refused
from emulator.market.lists import ListTicket
from emulator.market.shard import Shard

_MODES: Final = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
_PARTLY: Final = "Order cancel-replace partially failed."
_WHOLLY: Final = "Order cancel-replace failed."


async def place_oco(venue: Venue, account: Account, params: Params) -> Json:
    """Place an OCO."""
    return await _place(venue, account, asked.oco(venue, account, params))


async def place_old_oco(venue: Venue, account: Account, params: Params) -> Json:
    """Place an OCO as it was done until 2024."""
    return await _place(venue, account, asked.old_oco(venue, account, params))


async def place_oto(venue: Venue, account: Account, params: Params) -> Json:
    """Place an OTO."""
    return await _place(venue, account, asked.oto(venue, account, params))


async def place_otoco(venue: Venue, account: Account, params: Params) -> Json:
    """Place an OTOCO."""
    return await _place(venue, account, asked.otoco(venue, account, params))


async def _place(venue: Venue, account: Account, wanted: tuple[Shard, ListTicket, str]) -> Json:
    shard, ticket, detail = wanted
    venue.limiter.count_order(account.owner, len(ticket.tickets))
    try:
        group = venue.desk.place_list(account, shard, ticket, venue.market.now_ns)
    except Refused as refused:
        raise refusal(refused) from None
    return list_placed(group, venue.writers[shard.listing.symbol], detail)


def _find(
    account: Account, params: Params, client_name: str, unknown: ApiError, symbol: str = ""
) -> OrderList:
    number, client_id = params.integer("orderListId"), params.client_id(client_name)
    if number is None and client_id is None:
        raise ApiError(
            -1102,
            f"Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!",
        )
    if number is not None:
        group = account.lists.get(number)
    else:
        named = [each for each in account.lists.values() if each.client_id == client_id]
        group = named[-1] if named else None
    if group is None or symbol not in ("", group.shard.listing.symbol):
        raise unknown
    return group


async def cancel(venue: Venue, account: Account, params: Params) -> Json:
    """Cancel all orders of a list."""
    shard = venue.shard(params.symbol())
    unknown = ApiError(-2011, errors.UNKNOWN_ORDER)
    group = _find(account, params, "listClientOrderId", unknown, shard.listing.symbol)
    cancel_id = params.client_id("newClientOrderId")
    params.finish()
    left = [order for order in group.orders if order.status.open]
    if not left:
        raise unknown
    end(venue, account, left[0], cancel_id)
    return list_canceled(group, venue.writers[shard.listing.symbol])


def _visible(venue: Venue, group: OrderList) -> bool:
    return all(seen(venue, order) for order in group.orders)


async def query(venue: Venue, account: Account, params: Params) -> Json:
    """Tell a list's state."""
    unknown = ApiError(-2018, "Order list does not exist.")
    group = _find(account, params, "origClientOrderId", unknown)
    params.finish()
    if not _visible(venue, group):
        raise unknown
    return listed(group)


async def query_all(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List order lists: from an id, within times, or the newest."""
    from_id = params.integer("fromId")
    first, last, limit = between(params)
    params.finish()
    if from_id is not None and (first or last < 1 << 62):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    rows = [
        group
        for group in account.lists.values()
        if (from_id is None or group.id >= from_id)
        and first <= group.created_ms <= last
        and _visible(venue, group)
    ]
    rows = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [listed(group) for group in rows]


async def query_open(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List order lists that are not done."""
    params.finish()
    rows = [group for group in account.lists.values() if not group.done and _visible(venue, group)]
    return [listed(group) for group in rows]


async def cancel_replace(venue: Venue, account: Account, params: Params) -> Json:
    """Cancel an order and place another one.

    The new order passes the filters before anything is canceled.
    """
    mode = params.need("cancelReplaceMode")
    if mode not in _MODES:
        raise ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid.")
    cancel_first = params.text("orderRateLimitExceededMode") or "DO_NOTHING"
    if cancel_first not in ("DO_NOTHING", "CANCEL_ONLY"):
        raise ApiError(-1130, "Data sent for parameter 'orderRateLimitExceededMode' is not valid.")
    order_id = params.integer("cancelOrderId")
    client_id = params.client_id("cancelOrigClientOrderId")
    cancel_id = params.client_id("cancelNewClientOrderId")
    restriction = params.text("cancelRestrictions")
    shard, ticket, detail = asked.order(venue, account, params)
    too_many: ApiError | None = None
    try:
        venue.limiter.count_order(account.owner)
    except ApiError as error:
        if cancel_first == "DO_NOTHING":
            raise
        too_many = error

    def end_old() -> Json:
        names = ("cancelOrigClientOrderId", "cancelOrderId")
        unknown = ApiError(-2011, errors.UNKNOWN_ORDER)
        old: DeskOrder = find(account, shard, order_id, client_id, unknown, names)
        return cancel_one(venue, account, old, cancel_id, restriction)

    def place_new() -> Json:
        if too_many is not None:
            raise too_many
        try:
            order = venue.desk.place(account, shard, ticket, venue.market.now_ns)
        except Refused as refused:
            raise refusal(refused) from None
        return placed(order, venue.writers[order.symbol], detail)

    ended, canceled = _try(end_old)
    if not ended and mode == "STOP_ON_FAILURE":
        raise _failed(canceled, "FAILURE", None, "NOT_ATTEMPTED")
    made, replaced = _try(place_new)
    if ended and made:
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": canceled,
            "newOrderResponse": replaced,
        }
    raise _failed(canceled, _said(ended), replaced, _said(made))


def _try(act: Callable[[], Json]) -> tuple[bool, Json]:
    try:
        return True, act()
    except ApiError as error:
        if error.code == -1102:
            raise
        return False, error.body


def _said(good: bool) -> str:
    return "SUCCESS" if good else "FAILURE"


def _failed(canceled: Json, cancel_said: str, replaced: Json | None, new_said: str) -> ApiError:
    partly = "SUCCESS" in (cancel_said, new_said)
    error = ApiError(-2021, _PARTLY, 409) if partly else ApiError(-2022, _WHOLLY)
    error.body["data"] = {
        "cancelResult": cancel_said,
        "newOrderResult": new_said,
        "cancelResponse": canceled,
        "newOrderResponse": replaced,
    }
    return error
