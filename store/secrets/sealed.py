r"""The encrypted file: scrypt makes a key of a passphrase, AES-256-GCM seals what is kept.

::

    "CLXKEYS\n" | version u1 | log2 n u1 | r u2 | p u2 | salt 16 | nonce 12 | length u4
    | sealed text and its tag, `length` bytes | sha256 of everything before, 32

All numbers are big endian. Everything before the sealed text is authenticated with it. The digest
at the end is no protection, anybody can make one: it tells a damaged file from a wrong passphrase.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from typing import Final

import msgspec

from core.model.errors import ConfigError, DataError

MAGIC: Final = b"CLXKEYS\n"
VERSION: Final = 1
MAX_BYTES: Final = 8 << 20

_HEAD: Final = struct.Struct(">8sBBHH16s12sI")
_TAG: Final = 16
_DIGEST: Final = 32
_MOST_MEMORY: Final = 1 << 30
"""Bytes: a file that was tampered with must not take the machine down while it is refused."""


class Cost(msgspec.Struct, frozen=True):
    """How hard a guess at the passphrase is: 128 * n * r bytes, `p` times."""

    log2_n: int = 17
    """128 MiB and 0.3-0.7 s with r = 8: https://cheatsheetseries.owasp.org, Password Storage."""
    r: int = 8
    p: int = 1

    @property
    def sane(self) -> bool:
        """Whether the figures are ones this program would compute."""
        memory = 128 * (1 << self.log2_n) * self.r if 1 <= self.log2_n <= 30 else _MOST_MEMORY + 1
        return memory <= _MOST_MEMORY and 1 <= self.r <= 64 and 1 <= self.p <= 16


def seal(text: bytes, passphrase: str, cost: Cost = Cost()) -> bytes:  # noqa: B008  frozen
    """Return the file that keeps `text` from everybody without the passphrase; new salt, nonce."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head = _HEAD.pack(MAGIC, VERSION, cost.log2_n, cost.r, cost.p, salt, nonce, len(text) + _TAG)
    body = head + AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, text, head)
    return body + hashlib.sha256(body).digest()


def unseal(file: bytes, passphrase: str) -> bytes:
    """Return what `seal` was given.

    Raises:
        DataError: The file is damaged, cut off, none of ours or of a newer clx.
        ConfigError: The passphrase is wrong.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(file) < _HEAD.size + _TAG + _DIGEST:
        raise DataError(f"too short for a key file: {len(file)} bytes")
    magic, version, log2_n, r, p, salt, nonce, length = _HEAD.unpack_from(file)
    if magic != MAGIC:
        raise DataError(f"not a key file of clx: it begins with {magic!r}")
    body, digest = file[:-_DIGEST], file[-_DIGEST:]
    if not hmac.compare_digest(hashlib.sha256(body).digest(), digest):
        raise DataError("damaged: its checksum is not that of its content")
    if version != VERSION:
        raise DataError(
            f"of version {version}, this clx knows version {VERSION}; use the clx that wrote it"
        )
    cost = Cost(log2_n, r, p)
    if not cost.sane or length != len(body) - _HEAD.size:
        raise DataError(f"damaged: its head says n=2^{log2_n}, r={r}, p={p}, {length} bytes")
    try:
        return AESGCM(_key(passphrase, salt, cost)).decrypt(
            nonce, body[_HEAD.size :], body[: _HEAD.size]
        )
    except InvalidTag:
        raise ConfigError("the passphrase is wrong (or somebody changed the file)") from None


def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derive = Scrypt(salt=salt, length=32, n=1 << cost.log2_n, r=cost.r, p=cost.p)
    return derive.derive(passphrase.encode())
