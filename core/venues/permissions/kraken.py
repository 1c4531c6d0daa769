"""Kraken: `POST /0/private/GetApiKeyInfo`, which needs no permission itself.

https://docs.kraken.com/api-reference/account-data/get-api-key-info
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec

from core.model.credentials import Credentials, KeyPermissions
from core.model.errors import ConfigError
from core.venues.permissions.question import Question, Wire, fields, read, refused

_PATH: Final = "/0/private/GetApiKeyInfo"
_CREATES: Final = ("create", "modify")


class _Info(msgspec.Struct, frozen=True):
    permissions: list[str]
    valid_until: str | int | None = None
    ip_allowlist: list[str] | None = None


class _Answer(msgspec.Struct, frozen=True):
    result: _Info


def headers(credentials: Credentials, nonce: str, path: str, body: str) -> dict[str, str]:
    """Return the headers that sign a form: HMAC-SHA512 over path and SHA-256 of nonce and form.

    Raises:
        ConfigError: The secret is not base64.
    """
    try:
        secret = base64.b64decode(credentials.api_secret, validate=True)
    except binascii.Error:
        raise ConfigError(
            f"the secret of {credentials.account} must be base64, as Kraken shows it; was it"
            " copied whole?"
        ) from None
    text = path.encode() + hashlib.sha256(f"{nonce}{body}".encode()).digest()
    signature = hmac.new(secret, text, hashlib.sha512).digest()
    return {
        "API-Key": credentials.api_key,
        "API-Sign": base64.b64encode(signature).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key; its nonce must be above every one it was used with."""
    # Nanoseconds: above what clients that count in milliseconds or microseconds have used.
    nonce = str(wire.clock.now_ns())
    body = f"nonce={nonce}"
    signed = headers(wire.credentials, nonce, _PATH, body)
    reply = await wire.ask("POST", _PATH, headers=signed, body=body.encode())
    errors = fields(reply).get("error")
    if errors:
        first = str(errors[0]) if isinstance(errors, list) else str(errors)
        code, _, why = first.partition(":")
        raise refused(code, why or first)
    info = read(reply, _Answer).result
    words = tuple(info.permissions)
    known = [word.casefold() for word in words]
    until = str(info.valid_until or "0")
    return KeyPermissions(
        read=any("query" in word for word in known),
        trade=any(any(verb in word for verb in _CREATES) for word in known),
        withdraw=any("withdraw" in word for word in known),
        ip_bound=None if info.ip_allowlist is None else bool(info.ip_allowlist),
        expires_ns=int(until) * 1_000_000_000 if until.isdigit() else 0,
        words=words,
    )


QUESTION: Final = Question(
    hosts={"live": ("https://api.kraken.com",)},
    ask=ask,
    remedy=(
        "At kraken.com under Settings, API make a key with 'Query' of funds and orders, 'Create & "
        "modify orders' and 'Cancel & close orders', leave 'Withdraw' unticked."
    ),
)
