"""Encode and sign requests, byte for byte as they are sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import quote

_UNRESERVED = "-_.~"


def encode_query(params: Sequence[tuple[str, str]]) -> str:
    """Percent-encode parameters once, in their order; a space becomes ``%20``, never ``+``."""
    return "&".join(
        f"{quote(key, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}" for key, value in params
    )


class HmacSigner:
    """Sign text with HMAC-SHA256; the key is scheduled once and never shown."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return "HmacSigner(secret=***)"

    def hex(self, text: str) -> str:
        """Return the signature of `text` as 64 lower-case hexadecimal digits."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.hexdigest()

    def signed(self, params: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the parameters followed by ``signature``, made over their encoded form."""
        return [*params, ("signature", self.hex(encode_query(params)))]
