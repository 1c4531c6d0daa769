"""What accounts ask for and are told: tickets, orders, fills, conditional orders and reports."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.market.derivatives.position import Leg, Position
from emulator.market.derivatives.product import Product
from emulator.market.triggers import Trigger


class Status(StrEnum):
    """Order states."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """True while it rests."""
        return self in (Status.NEW, Status.PARTIALLY_FILLED)


class Ending(StrEnum):
    """Why an order ended before it was filled."""

    USER = "user"
    TIME_IN_FORCE = "time_in_force"
    NO_LIQUIDITY = "no_liquidity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    OVER = "over"
    """Its time was over."""
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"
    DEAD_MAN = "dead_man"
    DISCONNECT = "disconnect"
    AMEND_FAILED = "amend_failed"
    VENUE = "venue"
    """A fault: the venue ended it by itself."""


class Refusal(StrEnum):
    """Why a request was refused; nothing changed."""

    NO_FUNDS = "no_funds"
    DUPLICATE = "duplicate"
    WOULD_TAKE = "would_take"
    REDUCE_ONLY = "reduce_only"
    NO_LIQUIDITY = "no_liquidity"
    WOULD_TRIGGER = "would_trigger"
    NOT_OPEN = "not_open"
    NO_CHANGE = "no_change"
    NO_POSITION = "no_position"


class Refused(Exception):
    """The desk said no; nothing changed."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class PostOnly(StrEnum):
    """What happens to an order that must not take, and would."""

    NO = "no"
    REFUSE = "refuse"
    CANCEL = "cancel"
    """It is taken, and ended at once."""
    REPRICE = "reprice"
    """It rests at the next price that does not take."""


class SelfTrade(StrEnum):
    """Who gives way when two orders of one account meet."""

    TAKER = "taker"
    MAKER = "maker"
    BOTH = "both"


class Category(StrEnum):
    """Whose will an order is."""

    NORMAL = "normal"
    LIQUIDATION = "liquidation"
    ADL = "adl"


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as asked for."""

    client_id: str = ""
    side: Side
    market: bool = False
    tif: TimeInForce = TimeInForce.GTC
    post_only: PostOnly = PostOnly.NO
    price_ticks: int = 0
    lots: int = 0
    budget: int = 0
    """For a spot market order sized in quote: ticks times lots."""
    leg: Leg = Leg.NET
    reduce_only: bool = False
    close: bool = False
    """The whole position, whatever its size is then."""
    peak: int = 0
    """What an iceberg shows at a time; 0 shows all."""
    expires_ms: int = 0
    self_trade: SelfTrade = SelfTrade.TAKER
    category: Category = Category.NORMAL
    words: dict[str, Any] = {}
    """What the venue's answers repeat: its own names and tags."""

    @property
    def only_closes(self) -> bool:
        """Whether it may not open or enlarge a position."""
        if self.leg is Leg.NET:
            return self.reduce_only or self.close
        return (self.leg is Leg.LONG) != (self.side is Side.BUY)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one order."""

    number: int
    """Names it among all fills of the venue."""
    trade_id: int
    order: Order
    product: Product
    side: Side
    price_ticks: int
    lots: int
    worth_e8: int
    fee_e8: int
    fee_asset: str
    realized_e8: int
    position_lots: int
    """What was held afterwards."""
    mark_e8: int
    maker: bool
    ts_ms: int


class Order(msgspec.Struct, kw_only=True):
    """An order as it stands."""

    id: int
    product: Product
    ticket: Ticket
    price_ticks: int
    lots: int
    """Ordered size now; an amend changes it."""
    created_ms: int
    updated_ms: int
    hidden_until_ms: int = 0
    """Queries do not see it before."""
    engine_id: int = 0
    moving: bool = False
    """It is being taken out of the book and put back by an amend."""
    status: Status = Status.NEW
    ending: Ending | None = None
    filled: int = 0
    notional: int = 0
    """Ticks times lots filled."""
    worth_e8: int = 0
    fee_e8: int = 0
    fee_asset: str = ""
    realized_e8: int = 0
    held_e8: int = 0
    amends: int = 0
    parent: Conditional | None = None
    cancel_id: str = ""
    fills: list[Fill] = []

    @property
    def left(self) -> int:
        """What is not filled yet."""
        return self.lots - self.filled

    @property
    def average_ticks(self) -> float:
        """The average price in ticks, 0 before the first fill."""
        return self.notional / self.filled if self.filled else 0.0


class Wait(StrEnum):
    """Where a conditional order stands."""

    ARMED = "armed"
    TRIGGERED = "triggered"
    FINISHED = "finished"
    """The order it placed has ended."""
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """It fired, and its order was refused."""


class Branch(msgspec.Struct, kw_only=True):
    """One condition and the order it places."""

    trigger: Trigger
    ticket: Ticket
    name: str = ""
    """``tp`` or ``sl`` where there are two."""


class Conditional(msgspec.Struct, kw_only=True):
    """An order that waits for a price, with two branches where one cancels the other."""

    id: int
    client_id: str
    product: Product
    branches: list[Branch]
    created_ms: int
    updated_ms: int
    hidden_until_ms: int = 0
    state: Wait = Wait.ARMED
    dies_with_position: bool = False
    expires_ms: int = 0
    fired: Branch | None = None
    triggered_ms: int = 0
    child: Order | None = None
    failure: Refusal | None = None
    ending: Ending | None = None
    words: dict[str, Any] = {}

    @property
    def filled(self) -> int:
        """What the order it placed has filled."""
        return self.child.filled if self.child is not None else 0

    @property
    def ticket(self) -> Ticket:
        """The order of the branch that fired, or of the first one."""
        return (self.fired or self.branches[0]).ticket


class What(StrEnum):
    """What a report tells."""

    NEW = "new"
    TRADE = "trade"
    AMENDED = "amended"
    CANCELED = "canceled"
    EXPIRED = "expired"


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order; read `order` at once, it goes on changing."""

    what: What
    order: Order
    ts_ms: int
    fill: Fill | None = None


class ConditionalReport(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a conditional order; read it at once."""

    conditional: Conditional
    ts_ms: int
    told: Wait
    fresh: bool = False
    """It was armed just now."""
    amended: bool = False


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Money or positions changed."""

    why: str
    """``order``, ``funding``, ``insurance``, ``adl`` or ``leverage``."""
    ts_ms: int
    assets: dict[str, int]
    """How much each asset's balance changed by, in 1e-8."""
    positions: tuple[Position, ...]
    fill: Fill | None = None


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """Positions are near liquidation."""

    ts_ms: int
    settle: str
    positions: tuple[Position, ...]


PrivateMessage: TypeAlias = OrderReport | ConditionalReport | Moved | Warned
PrivateSink = Callable[[PrivateMessage], None]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an account's books."""

    number: int
    ts_ms: int
    kind: str
    """``trade`` (profit), ``fee``, ``premium``, ``spot``, ``funding`` or ``insurance``."""
    asset: str
    amount_e8: int
    balance_e8: int
    """What there was of the asset afterwards."""
    product: Product
    fill: Fill | None = None
    position_lots: int = 0
    mark_e8: int = 0
