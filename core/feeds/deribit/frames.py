"""Deribit messages as msgspec types; unknown fields are ignored, for the venue adds some."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Ms: TypeAlias = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
"""Milliseconds that still fit 64 bits as nanoseconds."""
T = TypeVar("T")


class Params(msgspec.Struct, Generic[T], gc=False):
    """What a subscription message carries."""

    data: T
    channel: str = ""


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message: ``{"method":"subscription","params":{"channel":..,"data":..}}``."""

    params: Params[T]


class Book(msgspec.Struct, gc=False):
    """An image of the book or changes of it; an image has no previous id.

    ::

        {"type":"change","timestamp":1626993724318,"prev_change_id":33195894164,
         "instrument_name":"BTC-24SEP21-8000-P","change_id":33195894355,
         "bids":[["new",0.001,2.6]],"asks":[["delete",0.0025,0.0]]}
    """

    instrument_name: str
    timestamp: Ms
    change_id: Id
    bids: Raw
    asks: Raw
    prev_change_id: Id = 0
    type: str = ""


class Trade(msgspec.Struct, gc=False):
    """One trade; `direction` is the taker's.

    ::

        {"timestamp":1742627465811,"price":84295.5,"direction":"buy","index_price":84319.98,
         "instrument_name":"BTC-PERPETUAL","trade_seq":242126092,"amount":8430.0,
         "mark_price":84292.11,"tick_direction":2,"contracts":843.0,"trade_id":"356130997"}
    """

    instrument_name: str
    timestamp: Ms
    price: float
    amount: float
    direction: str
    trade_seq: Id
    liquidation: str = ""


class Greeks(msgspec.Struct, gc=False):
    """Of an option."""

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


class Stats(msgspec.Struct, gc=False):
    """Of 24 hours."""

    volume: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    volume_usd: Decimal | None = None
    volume_notional: Decimal | None = None


class Ticker(msgspec.Struct, gc=False):
    """State of an instrument.

    ::

        {"underlying_price":2003.61,"underlying_index":"ETH-30JUL21","timestamp":1626993723632,
         "stats":{"volume":869.0,"price_change":0.0,"low":0.0015,"high":0.0025},"state":"open",
         "open_interest":12685.0,"mark_price":0.001972,"mark_iv":120.74,"last_price":0.002,
         "instrument_name":"ETH-30JUL21-2800-C","index_price":2006.72,"greeks":{"vega":0.20072,
         "theta":-1.64029,"rho":0.01188,"gamma":0.0002,"delta":0.03127},"bid_iv":115.62,
         "best_bid_price":0.0015,"best_bid_amount":4714.0,"best_ask_price":0.0025,
         "best_ask_amount":873.0,"ask_iv":125.63}
    """

    instrument_name: str
    timestamp: Ms
    best_bid_price: float | None = None
    best_bid_amount: float | None = None
    best_ask_price: float | None = None
    best_ask_amount: float | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    current_funding: Decimal | None = None
    funding_8h: Decimal | None = None
    open_interest: float | None = None
    last_price: float | None = None
    stats: Raw = Raw()
    greeks: Greeks | None = None
    mark_iv: float = 0.0
    bid_iv: float = 0.0
    ask_iv: float = 0.0
    underlying_price: float = math.nan


class Quote(msgspec.Struct, gc=False):
    """Best bid and ask; 0 or null where a side is empty."""

    instrument_name: str
    timestamp: Ms
    best_bid_price: float | None = None
    best_bid_amount: float | None = None
    best_ask_price: float | None = None
    best_ask_amount: float | None = None


class Candle(msgspec.Struct, gc=False):
    """A bar in the making; `cost` is the volume in the quote asset.

    ::

        {"tick":1767200040000,"open":87490.0,"high":87500.0,"low":87465.0,"close":87474.0,
         "volume":0.95978896,"cost":83970.0}
    """

    tick: Ms
    open: float
    high: float
    low: float
    close: float
    volume: float
    cost: float = 0.0


class Index(msgspec.Struct, gc=False):
    """Value of a price index or a volatility index.

    ::

        {"timestamp":1619777946007,"volatility":129.36,"index_name":"btc_usd"}
        {"timestamp":1550588002899,"price":3937.89,"index_name":"btc_usd"}
    """

    timestamp: Ms
    index_name: str
    price: Decimal | None = None
    volatility: Decimal | None = None


class Error(msgspec.Struct, gc=False):
    """``{"message":"too_many_requests","code":10028,"data":{...}}``."""

    code: int = 0
    message: str = ""
    data: Raw = Raw()


class OuterParams(msgspec.Struct, gc=False):
    """Of any message."""

    channel: str = ""
    type: str = ""


class Outer(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    method: str = ""
    params: OuterParams | None = None
    id: int | str | None = None
    result: Raw = Raw()
    error: Error | None = None


class RequestParams(msgspec.Struct, gc=False):
    """Of a request of ours."""

    channels: list[str] = []


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"id":1,"method":"public/subscribe","params":{"channels":[...]}}``."""

    method: str = ""
    id: int | str | None = None
    params: RequestParams = msgspec.field(default_factory=RequestParams)
