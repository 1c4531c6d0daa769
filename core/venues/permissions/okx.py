"""OKX: the `perm` of `GET /api/v5/account/config`, such as ``read_only,trade``.

https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

import msgspec

from core.model.credentials import Credentials, KeyPermissions
from core.model.errors import DataError
from core.venues.permissions.question import (
    Question,
    Wire,
    fields,
    need_passphrase,
    read,
    refused,
)

_PATH: Final = "/api/v5/account/config"


class _Config(msgspec.Struct, frozen=True):
    perm: str
    ip: str = ""


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Config]


def headers(credentials: Credentials, now_ms: int, method: str, path: str) -> dict[str, str]:
    """Return the headers that sign a request without a body."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03d}Z"
    text = f"{stamp}{method}{path}".encode()
    signature = hmac.new(credentials.api_secret.encode(), text, hashlib.sha256).digest()
    signed = {
        "OK-ACCESS-KEY": credentials.api_key,
        "OK-ACCESS-SIGN": base64.b64encode(signature).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": need_passphrase(credentials),
    }
    if credentials.environment != "live":
        signed["x-simulated-trading"] = "1"
    return signed


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key."""
    reply = await wire.ask(
        "GET", _PATH, headers=headers(wire.credentials, wire.now_ms(), "GET", _PATH)
    )
    said = fields(reply)
    if said.get("code") != "0":
        raise refused(said.get("code", reply.status), said.get("msg", ""))
    answer = read(reply, _Answer).data
    words = tuple(word.strip() for word in answer[0].perm.split(",")) if answer else ()
    if not any(words):
        raise DataError(f"{reply.url}: the answer names no permissions")
    return KeyPermissions(
        read="read_only" in words,
        trade="trade" in words,
        withdraw="withdraw" in words,
        ip_bound=bool(answer[0].ip),
        words=words,
    )


QUESTION: Final = Question(
    hosts={
        "live": (
            "https://www.okx.com",
            "https://openapi.okx.com",
            "https://my.okx.com",
            "https://eea.okx.com",
            "https://app.okx.com",
            "https://us.okx.com",
        ),
        "demo": ("https://www.okx.com", "https://my.okx.com", "https://app.okx.com"),
    },
    ask=ask,
    remedy=(
        "At okx.com under API make a V5 key with 'Read' and 'Trade', leave 'Withdraw' unticked, "
        "and link it to your addresses."
    ),
    passphrase=True,
)
