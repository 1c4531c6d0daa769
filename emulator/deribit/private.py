"""The private methods: what each does to orders, for faults and limits; and who may call them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

import msgspec

from core.model.market import Side
from emulator.deribit import accounts, trading
from emulator.deribit.trading import Params
from emulator.deribit.venue import Deribit, RpcError, invalid
from emulator.market.derivatives.account import MarginAccount
from emulator.wire.numbers import digits
from emulator.wire.rest import Refusal
from emulator.wire.striking import Deed, strike

Method = Callable[[Deribit, MarginAccount, Params, str], Any]
"""Called with the name of the session too, empty over HTTP."""
_SIGNED: Final = re.compile(r"(\w+)=([^,]+)")
_WINDOW_MS: Final = 60_000


class Row(msgspec.Struct, frozen=True):
    """One method."""

    call: Method
    what: Literal["", "place", "cancel", "query"] = ""
    matching: bool = False
    """It costs credits of the matching engine."""


def _plain(
    call: Callable[[Deribit, MarginAccount, Params], Any],
    what: Literal["", "place", "cancel", "query"] = "",
    *,
    matching: bool = False,
) -> Row:
    def ignoring(venue: Deribit, account: MarginAccount, params: Params, session: str) -> Any:
        return call(venue, account, params)

    return Row(ignoring, what, matching)


def _sided(side: Side) -> Row:
    def place(venue: Deribit, account: MarginAccount, params: Params, session: str) -> Any:
        return trading.place(venue, account, params, side, session)

    return Row(place, "place", True)


_cancel: Final = partial(_plain, what="cancel", matching=True)
METHODS: Final[dict[str, Row]] = {
    "private/buy": _sided(Side.BUY),
    "private/sell": _sided(Side.SELL),
    "private/edit": _cancel(trading.edit),
    "private/edit_by_label": _cancel(trading.edit_by_label),
    "private/close_position": _plain(trading.close, "place", matching=True),
    "private/cancel": _cancel(trading.cancel),
    "private/cancel_all": _cancel(trading.cancel_all),
    "private/cancel_all_by_instrument": _cancel(trading.cancel_all),
    "private/cancel_all_by_currency": _cancel(trading.cancel_all),
    "private/cancel_all_by_kind_or_type": _cancel(trading.cancel_all),
    "private/cancel_by_label": _cancel(trading.cancel_by_label),
    "private/get_open_orders": _plain(accounts.open_orders),
    "private/get_open_orders_by_instrument": _plain(accounts.open_orders),
    "private/get_open_orders_by_currency": _plain(accounts.open_orders),
    "private/get_open_orders_by_label": _plain(accounts.open_orders),
    "private/get_order_state": _plain(accounts.order_state, "query"),
    "private/get_order_state_by_label": _plain(accounts.order_state_by_label, "query"),
    "private/get_order_history_by_instrument": _plain(accounts.order_history),
    "private/get_order_history_by_currency": _plain(accounts.order_history),
    "private/get_trigger_order_history": _plain(accounts.trigger_history),
    "private/get_user_trades_by_instrument": _plain(accounts.trades_of_instrument),
    "private/get_user_trades_by_instrument_and_time": _plain(accounts.trades_of_instrument),
    "private/get_user_trades_by_currency": _plain(accounts.trades_of_currency),
    "private/get_user_trades_by_currency_and_time": _plain(accounts.trades_of_currency),
    "private/get_user_trades_by_order": _plain(accounts.trades_of_order),
    "private/get_positions": _plain(accounts.positions),
    "private/get_position": _plain(accounts.one_position),
    "private/get_account_summary": _plain(accounts.summary),
    "private/get_account_summaries": _plain(accounts.summaries),
    "private/get_transaction_log": _plain(accounts.transaction_log),
}
"""What can be called anywhere; cancel on disconnect and logout are of the socket alone."""


class RefusedRpc(Refusal):
    """An error of the venue on its way through the faults."""

    def __init__(self, error: RpcError) -> None:
        super().__init__(400, error.body())
        self.error = error


async def carry_out(venue: Deribit, method: str, params: Params, key: str, session: str) -> Any:
    """Call a private method with an armed fault around it.

    Raises:
        Dropped: Drop the connection.
        ProxyFailed: Answer with a 503 page.
        RpcError: In the venue's codes and words.
    """
    row = METHODS.get(method)
    if row is None:
        raise RpcError(-32601, "Method not found")
    if not venue.spend(key, "matching" if row.matching else method):
        raise RpcError(10028, "too_many_requests")
    account = venue.account

    async def run() -> Any:
        try:
            if not method.startswith("private/get_"):
                asked = {"call": method, "owner": account.owner, "args": [params, session]}
                venue.note("order", asked)
            return row.call(venue, account, params, session)
        except RpcError as error:
            raise RefusedRpc(error) from None
        except (TypeError, ValueError, OverflowError) as error:
            raise RefusedRpc(invalid("params", str(error))) from None

    try:
        return await strike(
            venue,
            Deed(
                what=row.what,
                run=run,
                symbol=str(params.get("instrument_name", "")),
                missing=RefusedRpc(RpcError(10004, "order_not_found")),
                # The venue has no word for it: its error for an outcome nobody knows is this one.
                unknown=RefusedRpc(RpcError(11094, "internal_server_error")),
                newest=lambda: account.newest,
                expire=lambda placed: venue.house.expire(account, placed),
                race=lambda: venue.house.race(trading.meant(account, params)),
            ),
        )
    except RefusedRpc as refusal:
        raise refusal.error from None


def call_again(venue: Deribit, method: str, owner: int, params: Params, session: str) -> None:
    """Call a method again that was called before.

    Raises:
        Refusal: As it was refused.
        ValueError: There is no such method.
    """
    row = METHODS.get(method)
    if row is None:
        raise ValueError(f"deribit has no method {method!r}")
    try:
        row.call(venue, venue.house.desk.accounts[owner], params, session)
    except RpcError as error:
        raise RefusedRpc(error) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusedRpc(invalid("params", str(error))) from None


def check_header(venue: Deribit, header: str, request: str) -> None:
    """Check an ``Authorization`` header: Bearer, Basic or deri-hmac-sha256.

    `request` is method, URI and body with a line end after each, which the last of them signs.

    Raises:
        RpcError: 13009 or 13004.
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        venue.check_token(rest)
        return
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise RpcError(13004, "invalid_credentials") from None
        if not hmac.compare_digest(venue.keys.get(name, ""), secret) or not secret:
            raise RpcError(13004, "invalid_credentials")
        return
    if scheme != "deri-hmac-sha256":
        raise RpcError(13009, "unauthorized", {"reason": "invalid_token"})
    given = dict(_SIGNED.findall(rest))
    known = venue.keys.get(given.get("id", ""))
    stamp = given.get("ts", "")
    if known is None or not digits(stamp):
        raise RpcError(13004, "invalid_credentials")
    if abs(int(stamp) - venue.now_ms()) > _WINDOW_MS:
        raise RpcError(13009, "unauthorized", {"reason": "timestamp_expired"})
    text = f"{stamp}\n{given.get('nonce', '')}\n{request}"
    wanted = hmac.new(known.encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), given.get("sig", "").encode()):
        raise RpcError(13004, "invalid_credentials")
