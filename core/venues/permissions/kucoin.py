"""KuCoin: the `permission` of `GET /api/v1/user/api-key`, such as ``General,Spot``.

https://www.kucoin.com/docs-new/api-3470130. ``Transfer`` is the permission withdrawals go by,
``InnerTransfer`` that between the owner's own wallets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from core.model.credentials import Credentials, KeyPermissions
from core.venues.permissions.question import (
    Question,
    Wire,
    fields,
    need_passphrase,
    read,
    refused,
)

_PATH: Final = "/api/v1/user/api-key"
_TRADES: Final = frozenset({"trade", "spot", "margin", "futures"})


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    permission: str
    ip_whitelist: str = ""


class _Answer(msgspec.Struct, frozen=True):
    data: _Key


def headers(credentials: Credentials, now_ms: int, method: str, path: str) -> dict[str, str]:
    """Return the headers that sign a request without a body, for keys of version 2 and 3."""
    secret = credentials.api_secret
    return {
        "KC-API-KEY": credentials.api_key,
        "KC-API-SIGN": _signed(secret, f"{now_ms}{method}{path}"),
        "KC-API-TIMESTAMP": str(now_ms),
        "KC-API-PASSPHRASE": _signed(secret, need_passphrase(credentials)),
        "KC-API-KEY-VERSION": "2",
    }


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key."""
    reply = await wire.ask(
        "GET", _PATH, headers=headers(wire.credentials, wire.now_ms(), "GET", _PATH)
    )
    said = fields(reply)
    if said.get("code") != "200000":
        raise refused(said.get("code", reply.status), said.get("msg", ""))
    key = read(reply, _Answer).data
    words = tuple(word.strip() for word in key.permission.split(",") if word.strip())
    known = {word.casefold() for word in words}
    return KeyPermissions(
        read=bool(known),
        trade=bool(known & _TRADES),
        withdraw=any(word == "transfer" or "withdraw" in word for word in known),
        transfer=any("transfer" in word for word in known),
        ip_bound=bool(key.ip_whitelist),
        words=words,
    )


def _signed(secret: str, text: str) -> str:
    return base64.b64encode(
        hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    ).decode()


QUESTION: Final = Question(
    hosts={"live": ("https://api.kucoin.com", "https://api.kucoin.eu")},
    ask=ask,
    remedy=(
        "At kucoin.com under API Management make a key with 'General' and 'Spot' or 'Futures', "
        "without 'Transfer' and 'Withdrawal'."
    ),
    passphrase=True,
)
