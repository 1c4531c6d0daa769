"""Names of things: small string types, and how client order ids are made."""

from __future__ import annotations

import string
from typing import Final, Literal, NewType

from core.model.errors import ConfigError

VenueName = NewType("VenueName", str)
"""A venue or feed, such as ``binance`` or ``paper``."""

InstrumentId = NewType("InstrumentId", str)
"""``SYMBOL.venue``, such as ``BTC-USDT.binance``; the symbol is ours, never the wire's."""

ClientOrderId = NewType("ClientOrderId", str)
"""Made once, before anything is sent; at most 32 of ``[A-Za-z0-9_-]``, valid on every venue."""

VenueOrderId = NewType("VenueOrderId", str)
"""The venue's own name of an order, as text."""

ExecutionId = NewType("ExecutionId", str)
"""The venue's own name of a fill; fills are deduplicated by (venue, instrument, this)."""

StrategyId = NewType("StrategyId", str)
"""A running strategy's name, such as ``rsi``."""

ModelId = NewType("ModelId", str)
"""A model's name, such as ``tiny-1m``."""

OriginKind = Literal["tui", "cli", "api", "mcp", "strat", "engine"]

ORIGINS: Final[dict[OriginKind, str]] = {
    "tui": "t",
    "cli": "c",
    "api": "a",
    "mcp": "m",
    "strat": "s",
    "engine": "e",
}
"""The letter after ``clx`` in a client order id says who wanted the order."""

_ID_LETTERS: Final = string.ascii_letters + string.digits + "_-"
_ID_LENGTH: Final = 32
_BASE32: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def instrument_id(symbol: str, venue: str) -> InstrumentId:
    """Join our symbol and a venue name."""
    return InstrumentId(f"{symbol}.{venue}")


def split_instrument_id(name: str) -> tuple[str, VenueName]:
    """Split ``BTC-USDT.binance`` into symbol and venue.

    Raises:
        ConfigError: There is no venue part.
    """
    symbol, dot, venue = name.rpartition(".")
    if not dot or not symbol or not venue:
        raise ConfigError(f"instrument must be SYMBOL.venue such as BTC-USDT.binance, was {name!r}")
    return symbol, VenueName(venue)


def client_order_id(origin: OriginKind, ts_ns: int, entropy: int) -> ClientOrderId:
    """Make a client order id from its origin, a time and at least 40 bits of entropy.

    Pure, so a replay with the same inputs makes the same id. A face draws the entropy from
    ``secrets``; the engine and its strategies count.
    """
    stamp = _base32(ts_ns // 1_000_000, 10)
    return ClientOrderId(f"clx{ORIGINS[origin]}-{stamp}-{_base32(entropy, 8)}")


def origin_of(order_id: str) -> OriginKind | None:
    """Return who made a client order id, or None when clx did not make it."""
    if len(order_id) < 5 or not order_id.startswith("clx") or order_id[4] != "-":
        return None
    return next((kind for kind, letter in ORIGINS.items() if letter == order_id[3]), None)


def check_client_order_id(text: str) -> ClientOrderId:
    """Return `text` as a client order id.

    Raises:
        ConfigError: It has characters or a length some venue would refuse.
    """
    if not 0 < len(text) <= _ID_LENGTH or text.strip(_ID_LETTERS):
        raise ConfigError(f"client order id must be 1-32 of [A-Za-z0-9_-], was {text!r}")
    return ClientOrderId(text)


def _base32(value: int, width: int) -> str:
    out = ""
    for _ in range(width):
        out = _BASE32[value & 31] + out
        value >>= 5
    return out
