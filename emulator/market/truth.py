"""What the oracle tells of accounts: every order and fill ever, positions and balances.

One shape for all venues, in plain words and exact decimals as text, so that a test compares an
engine with it and knows no venue's names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal[
    "untriggered",
    "triggered",
    "open",
    "partially_filled",
    "filled",
    "canceled",
    "expired",
    "rejected",
]
"""Where an order stands; conditional ones wait untriggered, and end triggered by their price."""


class OrderTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it stands."""

    id: str
    """The venue's."""
    client_id: str
    """The client's own, empty where there is none."""
    symbol: str
    side: Literal["buy", "sell"]
    type: str
    price: str
    """Empty for a market order."""
    size: str
    filled: str
    average: str
    """The average price, empty before the first fill."""
    state: State
    reduce_only: bool = False
    position_side: Literal["net", "long", "short"] = "net"
    trigger: str = ""
    """The price a conditional order waits for."""
    parent: str = ""
    """The id of the conditional order that placed it."""
    created_ms: int
    updated_ms: int


class FillTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    id: str
    order_id: str
    client_id: str
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    size: str
    fee: str
    """What was paid; negative for a rebate."""
    fee_asset: str
    maker: bool
    position_side: Literal["net", "long", "short"] = "net"
    realized: str = "0"
    """Profit made, in the asset the instrument settles in, fees apart."""
    ts_ms: int


class PositionTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One open position."""

    symbol: str
    side: Literal["net", "long", "short"] = "net"
    size: str
    """Negative when short."""
    entry: str
    """Average entry price."""


class BalanceTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one asset."""

    total: str
    free: str
    locked: str


class AccountTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one venue."""

    owner: str
    venue: str
    orders: list[OrderTruth]
    """Oldest first."""
    fills: list[FillTruth]
    positions: list[PositionTruth]
    balances: dict[str, BalanceTruth]
