"""Encode and sign requests, byte for byte as they are sent."""

from __future__ import annotations

import hmac
import string
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from core.model.sha import sha256

_UNRESERVED: Final = "-_.~"
_PLAIN: Final = string.ascii_letters + string.digits + _UNRESERVED


def encode_query(params: Sequence[tuple[str, str]]) -> str:
    """Percent-encode parameters once, in their order; a space becomes ``%20``, never ``+``."""
    # Nearly every name and value is plain; to look is far quicker than to quote.
    if not "".join([word for pair in params for word in pair]).strip(_PLAIN):
        return "&".join([f"{key}={value}" for key, value in params])
    return "&".join([f"{_quoted(key)}={_quoted(value)}" for key, value in params])


def _quoted(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


class HmacSigner:
    """Sign text with HMAC-SHA256 (RFC 2104); the key is scheduled once and never shown."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=sha256)

    def __repr__(self) -> str:
        return "HmacSigner(secret=***)"

    def hex(self, text: str) -> str:
        """Return the signature of `text` as 64 lower-case hexadecimal digits."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.hexdigest()

    def signed(self, params: Sequence[tuple[str, str]]) -> str:
        """Return the encoded parameters with their signature as the last one."""
        query = encode_query(params)
        return f"{query}&signature={self.hex(query)}"
