"""Alpaca: keys have no permissions, so the account's state and its wallet's whitelist answer.

`GET /v2/account` says whether it may trade. Money leaves by a key only as coins, to addresses on
the whitelist of `GET /v2/wallets/whitelists`; an account without such addresses cannot send any.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.credentials import KeyPermissions
from core.model.errors import VenueError
from core.venues.permissions.question import Question, Wire, fields, read, refused
from core.wire.http import HttpReply

_NO_WALLET: Final = frozenset({403, 404, 422})


class _Account(msgspec.Struct, frozen=True):
    status: str
    trading_blocked: bool
    account_blocked: bool
    transfers_blocked: bool
    trade_suspended_by_user: bool = False


class _Listed(msgspec.Struct, frozen=True):
    status: str = ""


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key's account."""
    account = read(await _asked(wire, "/v2/account"), _Account)
    stopped = account.trading_blocked or account.account_blocked or account.trade_suspended_by_user
    trade = account.status == "ACTIVE" and not stopped
    approved = 0
    if wire.credentials.environment == "live" and not account.transfers_blocked:
        approved = await _approved(wire)
    words = [f"status {account.status}"]
    if approved:
        words.append(f"{approved} approved withdrawal addresses")
    return KeyPermissions(
        read=True,
        trade=trade,
        withdraw=approved > 0,
        words=tuple(words),
        note="keys of Alpaca have no permissions of their own: this is the account's state",
    )


async def _approved(wire: Wire) -> int:
    """Return how many addresses coins can be sent to."""
    try:
        listed = read(await _asked(wire, "/v2/wallets/whitelists"), list[_Listed])
    except VenueError as error:
        if int(error.code) in _NO_WALLET:
            return 0
        raise
    return sum(each.status.upper() == "APPROVED" for each in listed)


async def _asked(wire: Wire, path: str) -> HttpReply:
    reply = await wire.ask(
        "GET",
        path,
        headers={
            "APCA-API-KEY-ID": wire.credentials.api_key,
            "APCA-API-SECRET-KEY": wire.credentials.api_secret,
        },
    )
    if reply.status == 200:
        return reply
    if reply.status == 404:
        raise refused(404, f"{path} is not there")
    raise refused(reply.status, fields(reply).get("message", ""))


QUESTION: Final = Question(
    hosts={
        "live": ("https://api.alpaca.markets",),
        "paper": ("https://paper-api.alpaca.markets",),
        "demo": ("https://paper-api.alpaca.markets",),
    },
    ask=ask,
    remedy=(
        "Remove every address from the account's crypto whitelist at app.alpaca.markets: an API "
        "key can send coins to those, and has no permissions that could be left out."
    ),
)
