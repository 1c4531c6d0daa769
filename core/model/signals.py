"""What strategies and models say: signals, predictions, and the messages of a strategy's host."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from core.model.ids import ClientOrderId, InstrumentId, ModelId, StrategyId
from core.model.market import Bar, Side, Timeframe
from core.model.orders import OrderType, TimeInForce


class Direction(StrEnum):
    """Where a strategy wants to be, or a model expects the price to go."""

    LONG = "long"
    FLAT = "flat"
    SHORT = "short"


class Signal(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="signal"):
    """A strategy's opinion at a moment; it is drawn whether or not it leads to an order."""

    strategy_id: StrategyId
    instrument_id: InstrumentId
    direction: Direction
    confidence: float
    """0 to 1."""
    reason: str
    ts_event_ns: int
    cause_seq: int = 0


class TargetPosition(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="target"):
    """Desired state: hold this signed size; the engine works out the order that leads there."""

    strategy_id: StrategyId
    instrument_id: InstrumentId
    size: Decimal
    confidence: float
    reason: str
    ts_event_ns: int
    cause_seq: int = 0


class StrategyIntent(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="intent"):
    """An order a strategy wants, said explicitly."""

    strategy_id: StrategyId
    instrument_id: InstrumentId
    side: Side
    type: OrderType
    size: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    confidence: float = 1.0
    reason: str = ""
    ts_event_ns: int
    cause_seq: int = 0


class StrategyCancel(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="cancel"):
    """A strategy wants one of its orders gone."""

    strategy_id: StrategyId
    client_order_id: ClientOrderId
    cause_seq: int = 0


class StrategyFailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="failed"):
    """A strategy raised, hung, or outgrew its memory; it was stopped."""

    strategy_id: StrategyId
    reason: str
    ts_ns: int = 0


StrategyOutput: TypeAlias = (
    Signal | TargetPosition | StrategyIntent | StrategyCancel | StrategyFailed
)


class BarInput(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="bar"):
    """A closed bar with the indicators the strategy declared, by name."""

    seq: int
    bar: Bar
    open: float
    high: float
    low: float
    close: float
    volume: float
    indicators: dict[str, float]
    """NaN while warming up."""
    warmup: bool = False
    """True for history given before live bars: update state, propose nothing."""


class BookInput(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="book"):
    """The top of the book, at most once per declared interval."""

    seq: int
    instrument_id: InstrumentId
    ts_event_ns: int
    bids: list[tuple[float, float]]
    """(price, size), best first."""
    asks: list[tuple[float, float]]


class FillInput(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="fill"):
    """One of the strategy's own orders was filled."""

    seq: int
    instrument_id: InstrumentId
    client_order_id: ClientOrderId
    side: Side
    price: float
    size: float
    position: float
    """Signed size of the strategy's instrument position after the fill."""
    ts_event_ns: int


class HoldingInput(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="holding"):
    """What the strategy holds from earlier lives of its process; comes before its history."""

    seq: int
    instrument_id: InstrumentId
    position: Decimal
    """Signed size."""


StrategyInput: TypeAlias = BarInput | BookInput | FillInput | HoldingInput


class StrategyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy declares about itself."""

    id: StrategyId
    title: str
    help: str
    instruments: tuple[InstrumentId, ...]
    timeframe: Timeframe
    indicators: tuple[str, ...] = ()
    """Indicator expressions of the catalogue, such as ``rsi(14)``."""
    warmup_bars: int = 0
    wants_book: bool = False
    parameters: dict[str, float | int | str | bool] = {}


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What a model expects; persisted with the model's version so it can be judged later."""

    model_id: ModelId
    version: str
    """First 12 hex digits of the model file's sha256."""
    instrument_id: InstrumentId
    timeframe: Timeframe
    ts_bar_ns: int
    """Open time of the closed bar it was made from."""
    ts_ns: int
    horizon_bars: int
    p_up: float
    """Probability that the close `horizon_bars` later is above this bar's close."""
    expected_return: float
    """Median log return over the horizon."""
    low_return: float
    high_return: float
    """10 % and 90 % quantiles of the log return."""
    valid: bool = True
    """False when an input was not finite; the figures are then NaN."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model's card in short."""

    id: ModelId
    version: str
    title: str
    timeframe: Timeframe
    horizon_bars: int
    features: tuple[str, ...]
    schema_sha256: str
    trained_on: str
    metrics: dict[str, float] = {}
    state: str = "ready"
    """``ready``, ``refused: why`` or ``off``."""
