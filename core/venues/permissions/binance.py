"""Binance: what `GET /sapi/v1/account/apiRestrictions` says, for spot and USD-M alike.

https://developers.binance.com/docs/wallet/account/api-key-permission; the hosts of play money have
no such endpoint, and nothing that could be withdrawn.
"""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.credentials import KeyPermissions
from core.model.errors import DataError
from core.venues.permissions.question import WINDOW_MS, Question, Wire, fields, read, refused
from core.wire.http import HttpReply
from core.wire.signing import HmacSigner

_WORDS: Final = (
    "enableReading",
    "enableSpotAndMarginTrading",
    "enableMargin",
    "enableFutures",
    "enableVanillaOptions",
    "enablePortfolioMarginTrading",
    "enableInternalTransfer",
    "permitsUniversalTransfer",
    "enableWithdrawals",
)


class _Restrictions(msgspec.Struct, frozen=True, rename="camel"):
    enable_withdrawals: bool
    enable_reading: bool
    ip_restrict: bool
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False
    enable_spot_and_margin_trading: bool = False
    enable_futures: bool = False
    trading_authority_expiration_time: int = 0


class _Account(msgspec.Struct, frozen=True, rename="camel"):
    can_trade: bool


async def ask_spot(wire: Wire) -> KeyPermissions:
    """Ask about a key for spot."""
    if wire.credentials.environment != "live":
        return await _play(wire, "/api/v3/account")
    found, words = await _restrictions(wire)
    return _told(found, words, trade=found.enable_spot_and_margin_trading)


async def ask_usdm(wire: Wire) -> KeyPermissions:
    """Ask about a key for USD-M futures, at the host for spot."""
    if wire.credentials.environment != "live":
        return await _play(wire, "/fapi/v2/account")
    found, words = await _restrictions(wire)
    return _told(found, words, trade=found.enable_futures)


async def _restrictions(wire: Wire) -> tuple[_Restrictions, tuple[str, ...]]:
    reply = await _signed(wire, "/sapi/v1/account/apiRestrictions")
    said = fields(reply)
    return read(reply, _Restrictions), tuple(name for name in _WORDS if said.get(name) is True)


def _told(found: _Restrictions, words: tuple[str, ...], *, trade: bool) -> KeyPermissions:
    return KeyPermissions(
        read=found.enable_reading,
        trade=trade,
        withdraw=found.enable_withdrawals,
        transfer=found.enable_internal_transfer or found.permits_universal_transfer,
        ip_bound=found.ip_restrict,
        expires_ns=found.trading_authority_expiration_time * 1_000_000,
        words=words,
    )


async def _play(wire: Wire, path: str) -> KeyPermissions:
    account = read(await _signed(wire, path), _Account)
    return KeyPermissions(
        read=True,
        trade=account.can_trade,
        withdraw=False,
        words=("canTrade",) if account.can_trade else (),
        note="play money: nothing to withdraw",
    )


async def _signed(wire: Wire, path: str) -> HttpReply:
    params = [("recvWindow", str(WINDOW_MS)), ("timestamp", str(wire.now_ms()))]
    reply = await wire.ask(
        "GET",
        path,
        params=HmacSigner(wire.credentials.api_secret).signed(params),
        headers={"X-MBX-APIKEY": wire.credentials.api_key},
    )
    if reply.status == 200:
        return reply
    error = fields(reply)
    if "code" not in error:
        raise DataError(f"{reply.url}: status {reply.status} without a code")
    raise refused(error["code"], error.get("msg", ""))


_REMEDY: Final = (
    "At binance.com under API Management make a key with 'Enable Reading' and 'Enable Spot & "
    "Margin Trading' or 'Enable Futures', leave 'Enable Withdrawals' unticked, and restrict it to "
    "your addresses."
)
SPOT: Final = Question(
    hosts={
        "live": (
            "https://api.binance.com",
            "https://api-gcp.binance.com",
            "https://api1.binance.com",
            "https://api2.binance.com",
            "https://api3.binance.com",
            "https://api4.binance.com",
        ),
        "demo": ("https://demo-api.binance.com",),
        "testnet": ("https://testnet.binance.vision",),
    },
    ask=ask_spot,
    remedy=_REMEDY,
)
USDM: Final = Question(
    hosts={
        "live": SPOT.hosts["live"],
        "demo": ("https://demo-fapi.binance.com",),
        "testnet": ("https://testnet.binancefuture.com",),
    },
    ask=ask_usdm,
    remedy=_REMEDY,
)
