"""Coinbase Advanced Trade: `GET /api/v3/brokerage/key_permissions`, by a token signed for it.

https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/data-api/get-api-key-permissions
"""

from __future__ import annotations

import base64
import secrets
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.model.credentials import Credentials, KeyPermissions
from core.model.errors import ConfigError
from core.venues.permissions.question import Question, Wire, fields, read, refused

_PATH: Final = "/api/v3/brokerage/key_permissions"
_LIFE_S: Final = 120


class _Answer(msgspec.Struct, frozen=True):
    can_view: bool
    can_trade: bool
    can_transfer: bool


def token(credentials: Credentials, now_s: int, method: str, host: str, path: str) -> str:
    """Return a JWT for one request: ES256 for keys in PEM form, EdDSA for those in base64.

    Raises:
        ConfigError: The secret is no private key.
    """
    algorithm, sign = _signer(credentials)
    head = {
        "alg": algorithm,
        "kid": credentials.api_key,
        "nonce": secrets.token_hex(16),
        "typ": "JWT",
    }
    claims = {
        "iss": "cdp",
        "sub": credentials.api_key,
        "nbf": now_s,
        "exp": now_s + _LIFE_S,
        "uri": f"{method} {host}{path}",
    }
    text = f"{_part(msgspec.json.encode(head))}.{_part(msgspec.json.encode(claims))}"
    return f"{text}.{_part(sign(text.encode()))}"


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key."""
    parts = urlsplit(wire.http.base_url)
    signed = token(wire.credentials, wire.now_ms() // 1000, "GET", parts.netloc, _PATH)
    reply = await wire.ask("GET", _PATH, headers={"Authorization": f"Bearer {signed}"})
    if reply.status == 401:
        # The venue answers a bad token with plain words.
        raise refused(401, reply.body.decode("utf-8", "replace").strip()[:200])
    if reply.status != 200:
        said = fields(reply)
        raise refused(said.get("error", reply.status), said.get("message", ""))
    may = read(reply, _Answer)
    named = (("view", may.can_view), ("trade", may.can_trade), ("transfer", may.can_transfer))
    return KeyPermissions(
        read=may.can_view,
        trade=may.can_trade,
        # One permission for both: funds are received and sent by it, on and off the venue.
        withdraw=may.can_transfer,
        transfer=may.can_transfer,
        words=tuple(word for word, allowed in named if allowed),
    )


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Signer:
    """Signs with an elliptic curve: the signature is r and s, 32 bytes each."""

    def __init__(self, key: object) -> None:
        self._key = key

    def __call__(self, text: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(self._key.sign(text, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _signer(credentials: Credentials) -> tuple[str, _Signer | _EdSigner]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # Keys are also handed around on one line with the two characters \n.
    secret = credentials.api_secret.replace("\\n", "\n")
    try:
        if secret.startswith("-----BEGIN"):
            key = load_pem_private_key(secret.encode(), password=None)
            if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
                return "ES256", _Signer(key)
        else:
            raw = base64.b64decode(secret, validate=True)
            if len(raw) in {32, 64}:
                return "EdDSA", _EdSigner(ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32]))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words may quote the key.
        pass
    raise ConfigError(
        f"the secret of {credentials.account} must be a private key: the whole block from"
        " -----BEGIN EC PRIVATE KEY----- on (ECDSA, P-256), or base64 of an Ed25519 key"
    )


class _EdSigner:
    def __init__(self, key: object) -> None:
        self._key = key

    def __call__(self, text: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ed25519

        assert isinstance(self._key, ed25519.Ed25519PrivateKey)
        return self._key.sign(text)


QUESTION: Final = Question(
    hosts={"live": ("https://api.coinbase.com",)},
    ask=ask,
    remedy=(
        "At portal.cdp.coinbase.com under API keys make a secret key with 'View' and 'Trade', "
        "leave 'Transfer' unticked, choose ECDSA, and allow your addresses only."
    ),
)
