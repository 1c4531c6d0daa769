"""What the emulator's oracle tells of an account: everything that really happened."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class OrderTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it stands."""

    id: str
    client_id: str
    symbol: str
    side: str
    type: str
    price: str
    size: str
    filled: Decimal
    state: str
    """``untriggered``, ``triggered``, ``open``, ``partially_filled``, ``filled``, ``canceled``,
    ``expired`` or ``rejected``."""
    position_side: str = "net"
    trigger: str = ""
    parent: str = ""
    """The id of the conditional order that placed it."""


class FillTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    id: str
    order_id: str
    client_id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    position_side: str = "net"
    realized: Decimal = Decimal(0)


class PositionTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One open position; negative when short."""

    symbol: str
    side: str = "net"
    size: Decimal
    entry: str


class BalanceTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one asset."""

    total: Decimal


class AccountTruth(msgspec.Struct, frozen=True, kw_only=True):
    """One account."""

    venue: str
    orders: list[OrderTruth]
    fills: list[FillTruth]
    positions: list[PositionTruth]
    balances: dict[str, BalanceTruth]


class Oracle(msgspec.Struct, frozen=True, kw_only=True):
    """The oracle's answer."""

    ts_ms: int
    accounts: list[AccountTruth]


Level = tuple[Decimal, Decimal]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Every level of a book, best first."""

    bids: list[Level]
    asks: list[Level]
