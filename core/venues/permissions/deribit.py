"""Deribit: the scope that `public/auth` grants a key.

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
from core.model.errors import VenueError
from core.venues.permissions.question import Question, Wire, fields, read, refused

_PATH: Final = "/api/v2/public/auth"
_WANTED: Final = ("account:read", "trade:read_write", "wallet:read_write")
_OF_TOKENS: Final = frozenset({"session", "expires", "ip", "name"})
"""Parts of a scope that say something of the login, not of the key."""


class _Grant(msgspec.Struct, frozen=True):
    scope: str


class _Answer(msgspec.Struct, frozen=True):
    result: _Grant


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key; where the venue names no scope unasked, for each scope that matters."""
    granted = await _granted(wire, "")
    if not granted.keys() & {"account", "trade", "wallet"}:
        granted = {}
        for wanted in _WANTED:
            try:
                granted |= await _granted(wire, wanted)
            except VenueError as error:
                # Only a refusal of the scope itself says that the key has it not.
                if "scope" not in str(error).casefold():
                    raise
    return KeyPermissions(
        read=bool(granted.get("account") or granted.get("trade")),
        trade=granted.get("trade") == "read_write",
        withdraw=granted.get("wallet") == "read_write",
        transfer=granted.get("wallet") == "read_write",
        words=tuple(f"{name}:{level}" for name, level in sorted(granted.items())),
    )


async def _granted(wire: Wire, scope: str) -> dict[str, str]:
    """Return what a login is granted, such as ``{"trade": "read_write"}``."""
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
            *([("scope", scope)] if scope else []),
            ("signature", signature),
        ],
    )
    said = fields(reply)
    if isinstance(error := said.get("error"), dict):
        data = error.get("data")
        reason = f" ({data['reason']})" if isinstance(data, dict) and "reason" in data else ""
        raise refused(error.get("code"), f"{error.get('message', '')}{reason}")
    words = (word.partition(":") for word in read(reply, _Answer).result.scope.split())
    return {name: level for name, colon, level in words if colon and name not in _OF_TOKENS}


QUESTION: Final = Question(
    hosts={"live": ("https://www.deribit.com",), "testnet": ("https://test.deribit.com",)},
    ask=ask,
    remedy=(
        "At deribit.com under API make a key with the scopes account:read, trade:read_write and "
        "wallet:read (or none), not wallet:read_write."
    ),
)
