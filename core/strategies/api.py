"""The strategy API: one short class, the same in a backtest, on paper and live.

::

    from core.strategies.api import BarInput, Indicator, Parameter, Strategy

    class Dip(Strategy):
        \"\"\"Buy weakness, leave on strength.\"\"\"

        period = Parameter(14, 2, 200, help="bars the RSI looks back")
        low = Parameter(30.0, 1.0, 50.0, help="buy below this RSI")
        rsi = Indicator("rsi({period})")

        def on_bar(self, bar: BarInput):
            if self.rsi < self.low:
                return self.target(self.size, reason=f"RSI {self.rsi:.1f}")
            if self.rsi > 50:
                return self.target(0, reason="back to the middle")

A hook sees closed bars only: the engine sends a bar after its last moment and there is nothing to
ask for more with, so looking ahead is not possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar, TypedDict, Unpack

import msgspec

from core.model.ids import ClientOrderId, InstrumentId, StrategyId
from core.model.market import Side, Timeframe
from core.model.orders import OrderType, TimeInForce
from core.model.signals import (
    BarInput,
    BookInput,
    Direction,
    FillInput,
    Signal,
    StrategyCancel,
    StrategyIntent,
    TargetPosition,
)
from core.strategies.declare import Indicator, Parameter, Scalar

__all__ = [
    "BarInput",
    "BookInput",
    "Direction",
    "FillInput",
    "Indicator",
    "Parameter",
    "Side",
    "Strategy",
    "TimeInForce",
]

Action = Signal | TargetPosition | StrategyIntent | StrategyCancel
"""What a hook may return, alone, in a list, or one after the other with ``yield``."""
Actions = Action | Iterable[Action] | None
Amount = Decimal | float | int


class OrderOptions(TypedDict, total=False):
    """What may be said about an order beside side, size and price."""

    confidence: float
    reason: str
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy is started with."""

    id: StrategyId
    instruments: tuple[InstrumentId, ...]
    timeframe: Timeframe
    size: Decimal
    parameters: dict[str, Scalar]
    """Checked: every declared parameter, and no other."""
    indicators: dict[str, str]
    """Attribute name to canonical output name."""


class Moment:
    """What the present hook is about."""

    def __init__(self) -> None:
        self.instrument_id = InstrumentId("")
        self.now_ns = 0
        self.seq = 0
        self.values: dict[InstrumentId, dict[str, float]] = {}
        self.positions: dict[InstrumentId, Decimal] = {}


class Strategy:
    """Base of every strategy; override the hooks, declare the rest in the class body.

    The class docstring's first line is its help. One instance serves all its instruments; keep
    state of your own by instrument.
    """

    title: ClassVar[str] = ""
    """A few words for lists; the class name where empty."""
    warmup_bars: ClassVar[int] = 0
    """History bars wanted for state of your own; what the indicators need comes on top."""
    wants_book: ClassVar[bool] = False
    """True: `on_book` is called with the top of the book, at the engine's pace."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.moment = Moment()
        """What the present hook is about; the runner sets it."""
        self.on_start()

    # -- hooks -----------------------------------------------------------------------------

    def on_start(self) -> None:
        """Make state of your own; parameters are set."""

    def on_bar(self, bar: BarInput) -> Actions:
        """Take a closed bar. With ``bar.warmup`` it is history: what is returned is dropped."""
        return None

    def on_revision(self, bar: BarInput) -> Actions:
        """Take a bar that closed before: corrected by a late trade, or missing until now.

        ``bar.bar.revision`` counts the corrections. Indicators are as of that bar, corrected too;
        `now_ns` stays the time of the last event.
        """
        return None

    def on_book(self, book: BookInput) -> Actions:
        """Take the newest top of the book; older ones you had no time for are left out."""
        return None

    def on_fill(self, fill: FillInput) -> Actions:
        """Take one of your own fills."""
        return None

    # -- what a hook can say ---------------------------------------------------------------

    def signal(self, direction: Direction, confidence: float = 1.0, reason: str = "") -> Signal:
        """Say an opinion: it is shown and kept, and orders nothing."""
        return Signal(
            strategy_id=self.id,
            instrument_id=self.instrument_id,
            direction=direction,
            confidence=_confidence(confidence),
            reason=reason,
            ts_event_ns=self.now_ns,
            cause_seq=self.moment.seq,
        )

    def target(self, size: Amount, confidence: float = 1.0, reason: str = "") -> TargetPosition:
        """Want to hold this signed size; the engine works out the order, if one is needed."""
        return TargetPosition(
            strategy_id=self.id,
            instrument_id=self.instrument_id,
            size=_amount("size", size),
            confidence=_confidence(confidence),
            reason=reason,
            ts_event_ns=self.now_ns,
            cause_seq=self.moment.seq,
        )

    def buy(self, size: Amount | None = None, **options: Unpack[OrderOptions]) -> StrategyIntent:
        """Buy at market, `self.size` if none is given."""
        return self._order(Side.BUY, size, None, options)

    def sell(self, size: Amount | None = None, **options: Unpack[OrderOptions]) -> StrategyIntent:
        """Sell at market, `self.size` if none is given."""
        return self._order(Side.SELL, size, None, options)

    def limit(
        self,
        side: Side,
        price: Amount,
        size: Amount | None = None,
        **options: Unpack[OrderOptions],
    ) -> StrategyIntent:
        """Place a limit order; the price must be on the instrument's tick."""
        return self._order(side, size, _amount("price", price), options)

    def cancel(self, client_order_id: ClientOrderId) -> StrategyCancel:
        """Want one of your own orders gone."""
        return StrategyCancel(
            strategy_id=self.id, client_order_id=client_order_id, cause_seq=self.moment.seq
        )

    # -- what a hook can read --------------------------------------------------------------

    @property
    def id(self) -> StrategyId:
        """Its name in the settings."""
        return self.terms.id

    @property
    def size(self) -> Decimal:
        """The user's size per position, in the base asset."""
        return self.terms.size

    @property
    def instrument_id(self) -> InstrumentId:
        """The instrument the present hook is about."""
        return self.moment.instrument_id

    @property
    def now_ns(self) -> int:
        """Event time of the present hook, UTC ns: a bar's close, a book's or fill's moment."""
        return self.moment.now_ns

    @property
    def position(self) -> Decimal:
        """Signed size held in the present instrument, as of this strategy's last fill."""
        return self.moment.positions.get(self.instrument_id, Decimal(0))

    def _order(
        self, side: Side, size: Amount | None, price: Decimal | None, options: OrderOptions
    ) -> StrategyIntent:
        return StrategyIntent(
            strategy_id=self.id,
            instrument_id=self.instrument_id,
            side=Side(side),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            size=self.size if size is None else _amount("size", size),
            price=price,
            time_in_force=options.get("time_in_force", TimeInForce.GTC),
            post_only=options.get("post_only", False),
            reduce_only=options.get("reduce_only", False),
            confidence=_confidence(options.get("confidence", 1.0)),
            reason=options.get("reason", ""),
            ts_event_ns=self.now_ns,
            cause_seq=self.moment.seq,
        )


def _amount(what: str, value: Amount) -> Decimal:
    amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not amount.is_finite():
        raise ValueError(f"{what} must be a finite number, was {value}")
    return amount


def _confidence(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"confidence must be from 0 to 1, was {value}")
    return float(value)
