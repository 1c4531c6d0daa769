"""Who is asking: API keys, HMAC signatures over what was sent, and timestamps."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import unquote

from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_DEFAULT_WINDOW_MS: Final = 5_000
_LONGEST_WINDOW_MS: Final = 60_000
_AHEAD_MS: Final = 1_000
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")


A = TypeVar("A")
"""A venue's kind of account."""


def well_formed(api_key: str | None) -> bool:
    """Return whether something could be an API key at all."""
    return api_key is not None and _KEY.fullmatch(api_key) is not None


_PEM: Final = "-----BEGIN PUBLIC KEY-----"


class _Secret:
    """What proves that a request is the key's: an HMAC secret, or an Ed25519 public key."""

    def __init__(self, text: str) -> None:
        self.public: Ed25519PublicKey | None = None
        self._shared = text.encode()
        if text.startswith(_PEM):
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key

            key = load_pem_public_key(self._shared)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"secret must be an Ed25519 public key, was {type(key).__name__}")
            self.public = key

    def signed(self, payload: str, signature: str) -> bool:
        """Return whether a signature is right."""
        if self.public is None:
            wanted = hmac.new(self._shared, payload.encode(), hashlib.sha256).hexdigest()
            return hmac.compare_digest(wanted, signature.lower())
        from cryptography.exceptions import InvalidSignature

        try:
            self.public.verify(base64.b64decode(unquote(signature)), payload.encode())
        except (InvalidSignature, binascii.Error):
            return False
        return True


class Keys(Generic[A]):
    """API keys with their secrets and accounts."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Secret, A]] = {}

    def add(self, api_key: str, api_secret: str, account: A) -> None:
        """Let a key trade an account; a secret in PEM is an Ed25519 public key.

        Raises:
            ValueError: The PEM holds another kind of key.
        """
        self._known[api_key] = (_Secret(api_secret), account)

    def account(self, api_key: str | None) -> A:
        """Return a key's account.

        Raises:
            ApiError: -2014 for something that is no key, -2015 for an unknown one.
        """
        return self._find(api_key)[1]

    def may_log_on(self, api_key: str) -> bool:
        """Return whether a key can log a session on: Ed25519 keys alone can."""
        return self._find(api_key)[0].public is not None

    def check(
        self, api_key: str | None, payload: str, signature: str, params: Params, now_ms: int
    ) -> A:
        """Return the account of a signed request.

        `payload` is exactly what was sent, without the signature.

        Raises:
            ApiError: Bad key, window, time or signature, in the venue's codes.
        """
        secret, account = self._find(api_key)
        check_time(params, now_ms)
        if not secret.signed(payload, signature):
            raise ApiError(-1022, "Signature for this request is not valid.")
        return account

    def _find(self, api_key: str | None) -> tuple[_Secret, A]:
        if not well_formed(api_key):
            raise ApiError(-2014, "API-key format invalid.", 401)
        known = self._known.get(api_key or "")
        if known is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return known


def check_time(params: Params, now_ms: int) -> None:
    """Refuse a request from too far in the past or the future.

    Raises:
        ApiError: -1021, or -1102/-1131 when the figures themselves are bad.
    """
    sent = params.integer("timestamp")
    if sent is None:
        raise missing("timestamp")
    if sent > 100_000_000_000_000:  # microseconds are allowed too
        sent //= 1_000
    window = params.text("recvWindow")
    try:
        window_ms = float(window) if window is not None else float(_DEFAULT_WINDOW_MS)
    except ValueError:
        raise ApiError(-1130, "Data sent for parameter 'recvWindow' is not valid.") from None
    if not 0 < window_ms <= _LONGEST_WINDOW_MS:
        raise ApiError(-1131, f"recvWindow must be less than {_LONGEST_WINDOW_MS}.")
    if sent >= now_ms + _AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent > window_ms:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def without_signature(text: str) -> tuple[str, str | None]:
    """Split a raw query or body into what was signed and the signature."""
    kept: list[str] = []
    signature: str | None = None
    for part in text.split("&") if text else ():
        if part.startswith("signature="):
            signature = part[len("signature=") :]
        else:
            kept.append(part)
    return "&".join(kept), signature
