"""Bybit: `GET /v5/user/query-api`.

https://bybit-exchange.github.io/docs/v5/user/apikey-info
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

import msgspec

from core.model.credentials import Credentials, KeyPermissions
from core.venues.permissions.question import WINDOW_MS, Question, Wire, fields, read, refused

_PATH: Final = "/v5/user/query-api"
_TRADES: Final = frozenset({"ContractTrade", "Spot", "Options", "Derivatives"})


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    read_only: int
    permissions: dict[str, list[str]]
    ips: list[str] = []
    expired_at: str = ""


class _Answer(msgspec.Struct, frozen=True):
    result: _Key


def headers(credentials: Credentials, now_ms: int, query: str) -> dict[str, str]:
    """Return the headers that sign a request without a body."""
    text = f"{now_ms}{credentials.api_key}{WINDOW_MS}{query}".encode()
    return {
        "X-BAPI-API-KEY": credentials.api_key,
        "X-BAPI-TIMESTAMP": str(now_ms),
        "X-BAPI-RECV-WINDOW": str(WINDOW_MS),
        "X-BAPI-SIGN": hmac.new(credentials.api_secret.encode(), text, hashlib.sha256).hexdigest(),
    }


async def ask(wire: Wire) -> KeyPermissions:
    """Ask about a key."""
    reply = await wire.ask("GET", _PATH, headers=headers(wire.credentials, wire.now_ms(), ""))
    said = fields(reply)
    if said.get("retCode") != 0:
        raise refused(said.get("retCode", reply.status), said.get("retMsg", ""))
    key = read(reply, _Answer).result
    granted = {group: names for group, names in key.permissions.items() if names}
    wallet = granted.get("Wallet", [])
    return KeyPermissions(
        read=True,
        trade=key.read_only == 0 and bool(_TRADES & granted.keys()),
        withdraw="Withdraw" in wallet,
        transfer=any("Transfer" in name for name in wallet),
        ip_bound=bool(key.ips) and key.ips != ["*"],
        expires_ns=_nanoseconds(key.expired_at),
        words=tuple(f"{group}:{name}" for group, names in granted.items() for name in names),
    )


def _nanoseconds(text: str) -> int:
    """Return a time such as ``2027-01-31T08:00:00Z``; 0 for a key that does not expire."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0
    # Keys bound to addresses never expire, and say so by the year 1970.
    return max(0, int(at.timestamp())) * 1_000_000_000 if at.tzinfo else 0


QUESTION: Final = Question(
    hosts={
        "live": (
            "https://api.bybit.com",
            "https://api.bytick.com",
            "https://api.bybit.eu",
            "https://api.bybit.nl",
        ),
        "demo": ("https://api-demo.bybit.com",),
        "testnet": ("https://api-testnet.bybit.com",),
    },
    ask=ask,
    remedy=(
        "At bybit.com under API make a system-generated key, 'Read-Write', with orders and "
        "positions of what you trade, leave 'Withdrawal' under 'Wallet' unticked."
    ),
)
