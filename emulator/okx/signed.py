"""The signed endpoints of OKX: how often each may be asked, and what faults know it by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec
import orjson

from emulator.market.derivatives.account import MarginAccount
from emulator.okx import accounts, algos, trading
from emulator.okx.asked import Declined
from emulator.okx.gate import check_request
from emulator.okx.venue import Okx
from emulator.wire.rest import Call, Refusal, Route
from emulator.wire.striking import Deed, over_http, strike
from emulator.wire.venue import Json

_UNKNOWN: Final = (
    "Endpoint request timeout (does not mean that the request was successful or failed, please "
    "check the request result)."
)
What = Literal["", "place", "cancel", "query"]


class Row(msgspec.Struct, frozen=True):
    """One endpoint."""

    method: Literal["GET", "POST"]
    path: str
    allowed: int
    """Requests in two seconds."""
    read: accounts.Reader | None = None
    act: trading.Operation | None = None
    """For what is answered by rows with a code each."""
    what: What = ""


def _single(operation: trading.Operation) -> accounts.Reader:
    return lambda venue, account, args: [operation(venue, account, args)]


TABLE: Final = (
    Row("POST", "trade/order", 60, act=trading.place, what="place"),
    Row("POST", "trade/batch-orders", 300, act=trading.place, what="place"),
    Row("POST", "trade/cancel-order", 60, act=trading.cancel, what="cancel"),
    Row("POST", "trade/cancel-batch-orders", 300, act=trading.cancel, what="cancel"),
    Row("POST", "trade/amend-order", 60, act=trading.amend, what="cancel"),
    Row("POST", "trade/amend-batch-orders", 300, act=trading.amend, what="cancel"),
    Row("POST", "trade/close-position", 20, _single(trading.close), what="place"),
    Row("POST", "trade/cancel-all-after", 2, _single(trading.dead_man)),
    Row("GET", "trade/order", 60, accounts.get_order, what="query"),
    Row("GET", "trade/orders-pending", 60, accounts.get_pending),
    Row("GET", "trade/orders-history", 40, accounts.get_history),
    Row("GET", "trade/orders-history-archive", 20, accounts.get_history),
    Row("GET", "trade/fills", 60, accounts.get_fills),
    Row("GET", "trade/fills-history", 10, accounts.get_fills_history),
    Row("POST", "trade/order-algo", 20, act=algos.place, what="place"),
    Row("POST", "trade/cancel-algos", 20, act=algos.cancel, what="cancel"),
    Row("POST", "trade/amend-algos", 20, act=algos.amend, what="cancel"),
    Row("GET", "trade/order-algo", 20, accounts.get_algo, what="query"),
    Row("GET", "trade/orders-algo-pending", 20, accounts.get_algos_pending),
    Row("GET", "trade/orders-algo-history", 20, accounts.get_algos_history),
    Row("GET", "account/balance", 10, accounts.get_balance),
    Row("GET", "account/positions", 10, accounts.get_positions),
    Row("GET", "account/bills", 10, accounts.get_bills),
    Row("GET", "account/bills-archive", 5, accounts.get_bills),
    Row("GET", "account/config", 5, accounts.get_config),
    Row("GET", "account/leverage-info", 20, accounts.get_leverage),
    Row("POST", "account/set-leverage", 40, accounts.set_leverage),
    Row("POST", "account/set-position-mode", 5, accounts.set_mode),
    Row("GET", "account/trade-fee", 5, accounts.get_fees),
    Row("GET", "asset/currencies", 12, accounts.get_currencies),
    Row("GET", "account/max-size", 20, accounts.get_max_size),
)
OPERATIONS: Final[dict[str, tuple[trading.Operation, What]]] = {
    "order": (trading.place, "place"),
    "batch-orders": (trading.place, "place"),
    "cancel-order": (trading.cancel, "cancel"),
    "batch-cancel-orders": (trading.cancel, "cancel"),
    "amend-order": (trading.amend, "cancel"),
    "batch-amend-orders": (trading.amend, "cancel"),
}
"""What can be asked for over the private socket."""


def table(venue: Okx) -> list[Route]:
    """Return the signed endpoints."""
    return [
        Route(
            method=row.method,
            path=f"/api/v5/{row.path}",
            handler=_of(venue, row),
            cost=row.allowed,
        )
        for row in TABLE
    ]


def _of(venue: Okx, row: Row) -> Callable[[Call], Awaitable[Any]]:
    async def serve(asked: Call) -> Any:
        check_request(asked, venue.prefix, venue.keys, venue.now_ms())
        args = _args(asked)
        return await over_http(
            asked, lambda: struck(venue, call, row.what, args, lambda: run(venue, row, args))
        )

    call = row.path if row.method == "POST" else ""
    return serve


def run(venue: Okx, row: Row, args: Any) -> Any:
    """Carry out what an endpoint is for.

    Raises:
        Refusal: In the venue's codes and words.
    """
    account = venue.account
    if row.act is not None:
        started = venue.now_ms() * 1_000
        told = trading.carried_out(venue, account, row.act, args)
        return {**told, "inTime": str(started), "outTime": str(started + 700)}
    assert row.read is not None
    try:
        return row.read(venue, account, args if isinstance(args, dict) else {})
    except Declined as declined:
        body = {"code": declined.code, "msg": declined.words, "data": []}
        raise Refusal(200, body) from None


def run_again(venue: Okx, call: str, args: Any) -> None:
    """Carry out again what was asked for, over HTTP or the private socket.

    Raises:
        Refusal: As it was refused.
        ValueError: There is no such call.
    """
    if call in OPERATIONS:
        trading.carried_out(venue, venue.account, OPERATIONS[call][0], args)
        return
    for row in TABLE:
        if (row.method, row.path) == ("POST", call):
            run(venue, row, args)
            return
    raise ValueError(f"okx has no call {call!r}")


def _args(call: Call) -> Any:
    """Return a request's arguments: of the query, or of the body in JSON."""
    if call.request.method == "GET":
        return call.params
    try:
        args = orjson.loads(call.body or b"{}")
    except orjson.JSONDecodeError:
        args = None
    if not isinstance(args, (dict, list)):
        raise Refusal(400, {"code": "50006", "msg": "Invalid Content-Type.", "data": []})
    until = call.request.headers.get("expTime")
    if until:
        rows: list[Json] = args if isinstance(args, list) else [args]
        for row in rows:
            row.setdefault("expTime", until)
    return args


async def struck(venue: Okx, call: str, what: What, args: Any, run: Callable[[], Any]) -> Any:
    """Run a request with an armed fault around it; a call without a name changes nothing.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        Refusal: 50004, 51603, or what the request itself raises.
    """
    account: MarginAccount = venue.account

    async def act() -> Any:
        if call:
            venue.note("order", {"call": call, "owner": account.owner, "args": args})
        return run()

    first = args[0] if isinstance(args, list) and args else args
    symbol = str(first.get("instId", "")) if isinstance(first, dict) else ""
    missing = {"code": "51603", "msg": accounts.NO_ORDER, "data": []}
    return await strike(
        venue,
        Deed(
            what=what,
            run=act,
            symbol=symbol,
            missing=Refusal(200, missing),
            unknown=Refusal(400, {"code": "50004", "msg": _UNKNOWN, "data": []}),
            newest=lambda: account.newest,
            expire=lambda placed: venue.house.expire(account, placed),
            race=lambda: venue.house.race(trading.meant(account, args)),
        ),
    )
