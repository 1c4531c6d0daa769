"""Answers about orders before, during and after their life, and about what it all came to."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from core.model.accounts import LimitUse
from core.model.ids import ClientOrderId
from core.model.orders import Order


class OrderPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would come to now; None: not known. Nothing was checked or reserved."""

    size: Decimal
    """Whole lots, rounded down from what was asked for."""
    price: Decimal
    """Where it would trade on average, as far as the book is known."""
    price_from: Literal["price", "trigger", "book", "best price"]
    asset: str
    """What cost, fee, margin, risk and reward are counted in."""
    cost: Decimal
    """What the size is worth at the price."""
    of_equity_pct: Decimal | None
    fee: Decimal
    fee_bps: Decimal
    fee_from: str = ""
    """Whose rate that is: the venue's list, its standard rates, or the settings."""
    margin: Decimal | None = None
    """What a contract ties up; None: a holding, or the account's leverage is not known."""
    leverage: Decimal | None = None
    maintenance: Decimal | None = None
    """What must stay behind the position after it, else it is closed by force; None: not known."""
    maintenance_from: str = ""
    """At which rate that is, and who says so."""
    liquidation_price: Decimal | None = None
    """Where the position after it would be closed by force, as far as can be worked out here."""
    position: Decimal = Decimal(0)
    """Signed size after it, filled whole."""
    average_price: Decimal | None = None
    """Average entry price after it."""
    realised: Decimal = Decimal(0)
    """What closing would bring, fees not counted."""
    stop: Decimal | None = None
    """Where the stop would be, a trailing one at first."""
    risk: Decimal | None = None
    """What is lost when the stop is met, fees and slippage not counted."""
    risk_pct: Decimal | None = None
    """The same in per cent of the equity."""
    reward: Decimal | None = None
    notes: tuple[str, ...] = ()


class ChecksPassed(msgspec.Struct, frozen=True, kw_only=True):
    """What the risk gate saw when it let an order through."""

    client_order_id: ClientOrderId
    ts_ns: int
    """Of the record it was let through for."""
    text: str
    limits: tuple[LimitUse, ...] = ()
    """Each limit it was held to, the order counted in."""


class LifeStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an order."""

    ts_ns: int
    """By our clock."""
    venue_ns: int = 0
    """By the venue's clock, 0 where it says none."""
    seq: int = 0
    """Record number in the journal, 0 for bytes on the wire."""
    what: str
    """``intent``, ``checks``, ``sent``, ``answer``, ``pushed``, or what became of the order."""
    text: str
    limits: tuple[LimitUse, ...] = ()
    """Of ``checks``: each limit with what was used of it, the order counted in."""


class OrderLife(msgspec.Struct, frozen=True, kw_only=True):
    """One order from its intent to its end."""

    order: Order
    group: tuple[Order, ...] = ()
    """Those it is linked with, stands for or was replaced by."""
    steps: tuple[LifeStep, ...]
    wire: str
    """How far back bytes are kept, in words."""


class EquityPoint(msgspec.Struct, frozen=True, array_like=True):
    """What the account was worth at a time."""

    ts_ns: int
    equity: Decimal
    pnl: Decimal
    """Trading profit since the journal began."""


class PnlLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy, instrument or day brought, in the equity asset."""

    name: str
    realised: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    fills: int = 0


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing held whose price moves the equity."""

    name: str
    """An asset held, or the instrument of a contract."""
    venue: str
    size: Decimal
    """Signed."""
    value: Decimal | None
    """Signed, in the equity asset; None: nothing prices it."""
    of_equity_pct: Decimal | None = None


class PortfolioView(msgspec.Struct, frozen=True, kw_only=True):
    """What the account is, was and is exposed to."""

    asset: str
    """What everything here is counted in."""
    equity: Decimal
    day_pnl: Decimal
    total_pnl: Decimal
    gross: Decimal
    """Sum of all exposures without their signs."""
    net: Decimal
    points: tuple[EquityPoint, ...]
    """Oldest first."""
    exposure: tuple[Exposure, ...]
    by_instrument: tuple[PnlLine, ...]
    by_strategy: tuple[PnlLine, ...]
    """Strategies, and persons by the face they used; each with a net of its own."""
    by_day: tuple[PnlLine, ...]
    """Days in UTC, newest first."""
    strategies_since_ns: int = 0
    """Time of the oldest fill counted by strategy."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Stretches of the curve of which nothing is known: the times of the points around each."""
