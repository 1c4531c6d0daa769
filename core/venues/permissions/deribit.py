"""Deribit: the scope that `public/auth` grants a key that asks for none in particular.

The key proves itself by a signature, so its secret is never sent.
https://docs.deribit.com/articles/access-scope: what a scope leaves out is not granted.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

import msgspec

from core.model.credentials import KeyPermissions
from core.venues.permissions.question import Question, Wire, fields, read, refused

_PATH: Final = "/api/v2/public/auth"


class _Grant(msgspec.Struct, frozen=True):
    scope: str


class _Answer(msgspec.Struct, frozen=True):
    result: _Grant


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key."""
    stamp, nonce = str(wire.now_ms()), secrets.token_hex(8)
    text = f"{stamp}\n{nonce}\n".encode()
    signature = hmac.new(wire.credentials.api_secret.encode(), text, hashlib.sha256).hexdigest()
    reply = await wire.ask(
        "GET",
        _PATH,
        params=[
            ("grant_type", "client_signature"),
            ("client_id", wire.credentials.api_key),
            ("timestamp", stamp),
            ("nonce", nonce),
            ("data", ""),
            ("signature", signature),
        ],
    )
    said = fields(reply)
    if isinstance(error := said.get("error"), dict):
        raise refused(error.get("code"), error.get("message", ""))
    words = tuple(sorted(read(reply, _Answer).result.scope.split()))
    granted = {name: level for name, _, level in (word.partition(":") for word in words)}
    return KeyPermissions(
        read=bool(granted.get("account") or granted.get("trade")),
        trade=granted.get("trade") == "read_write",
        withdraw=granted.get("wallet") == "read_write",
        transfer=granted.get("wallet") == "read_write",
        words=tuple(word for word in words if ":" in word and not word.startswith("session:")),
    )


QUESTION: Final = Question(
    hosts={"live": ("https://www.deribit.com",), "testnet": ("https://test.deribit.com",)},
    ask=ask,
    remedy=(
        "At deribit.com under API make a key with the scopes account:read, trade:read_write and "
        "wallet:read (or none), not wallet:read_write."
    ),
)
