"""Orders as they stand, and what becomes of them.

::

    accepted ──market open──► new ──► partially_filled ──► filled
        │                      │  ╲                    ╲
        │ held: a leg waits    │   ╲──► replaced (by a new order)
        ▼                      ▼    ╲──► expired, canceled, rejected
      (the same ends)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from core.model.market import Side
from emulator.alpaca.trading.assets import Instrument

OPEN: Final = ("accepted", "pending_new", "new", "partially_filled", "held")
_NONE: Final = Decimal(0)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution, and with it one account activity."""

    id: str
    order: Order
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    ts_ms: int


class Order(msgspec.Struct, kw_only=True, eq=False):
    """One order."""

    id: str
    client_id: str
    instrument: Instrument
    side: Side
    type: str
    tif: str
    order_class: str
    qty: Decimal
    notional: Decimal | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    """The best price a trail has seen."""
    extended: bool = False
    opens: bool = True
    """Whether it opens or adds to a position."""
    status: str = "accepted"
    role: str = ""
    """Of a class: ``entry``, ``target`` or ``stop``."""
    parent: Order | None = None
    legs: list[Order] = []
    created_ms: int
    updated_ms: int
    filled_ms: int = 0
    expired_ms: int = 0
    canceled_ms: int = 0
    failed_ms: int = 0
    replaced_ms: int = 0
    expires_ms: int = 0
    """When a day order ends; 0: never."""
    waits_ms: int = 0
    """When an order for the opening or the close goes to the book; 0: at once."""
    replaced_by: str = ""
    replaces: str = ""
    filled_qty: Decimal = _NONE
    value: Decimal = _NONE
    """Price times size of all fills."""
    reference: Decimal = _NONE
    """The price its cost is reckoned at."""
    engine_id: int = 0
    """Its id in the book; 0: it is not there."""
    house: Decimal = _NONE
    """The part of a share still to be filled by the house."""
    fills: list[Fill] = []
    hidden_until_ms: int = 0

    @property
    def filled(self) -> Decimal:
        """How much of it has traded."""
        return self.filled_qty

    @property
    def open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """What is not filled yet."""
        return self.qty - self.filled_qty

    @property
    def average(self) -> Decimal | None:
        """The average price of its fills."""
        return self.value / self.filled_qty if self.filled_qty else None

    @property
    def conditional(self) -> bool:
        """Whether it waits for a price."""
        return self.type in ("stop", "stop_limit", "trailing_stop")

    @property
    def live(self) -> bool:
        """Whether it takes up shares or money: legs of an entry do once they may trade."""
        if not self.open:
            return False
        entry = self.parent is not None and self.parent.role == "entry"
        return not (entry and self.parent is not None and self.parent.status != "filled")

    @property
    def twins(self) -> list[Order]:
        """The other orders of which one alone is to be filled."""
        if self.parent is not None:
            family = [*self.parent.legs]
            if self.parent.role == "target":
                family.append(self.parent)
        else:
            family = self.legs if self.role == "target" else []
        return [each for each in family if each is not self and each.open]

    @property
    def cost(self) -> Decimal:
        """What filling the rest of it takes, in dollars."""
        return self.left * self.reference * self.instrument.multiplier
