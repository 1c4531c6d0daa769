"""Coinbase Advanced Trade messages as msgspec types; unknown fields are ignored."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
T = TypeVar("T")


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message; `sequence_num` counts all messages of the connection, whatever their channel.

    ::

        {"channel":"l2_data","client_id":"","timestamp":"2026-08-09T21:05:48.483587501Z",
         "sequence_num":13,"events":[...]}
    """

    channel: str
    timestamp: str
    sequence_num: Id
    events: list[T]


class Book(msgspec.Struct, gc=False):
    """An image of the book or changes of it, sizes absolute.

    ::

        {"type":"update","product_id":"BTC-USD","updates":[{"side":"bid",
         "event_time":"2026-08-09T21:05:48.210883Z","price_level":"65062.5",
         "new_quantity":"0.00583"}]}
    """

    type: str
    product_id: str
    updates: Raw


class Trade(msgspec.Struct, gc=False):
    """One trade; `side` is the resting order's.

    ::

        {"product_id":"BTC-USD","trade_id":"1068572090","price":"65083.67","size":"0.002186",
         "time":"2026-08-09T21:05:42.514318Z","side":"SELL"}
    """

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class Trades(msgspec.Struct, gc=False):
    """Trades of some 250 ms, newest first, or the hundred before the subscription."""

    type: str
    trades: list[Trade]


class Ticker(msgspec.Struct, gc=False):
    """Last price, day and best quotes; `ticker_batch` has no quotes.

    ::

        {"type":"ticker","product_id":"BTC-USD","price":"65086.18","volume_24_h":"2867.54532609",
         "low_24_h":"64675.22","high_24_h":"65252.99","price_percent_chg_24_h":"0.09601107287722",
         "best_bid":"65083.66","best_ask":"65083.67","best_bid_quantity":"0.20371215",
         "best_ask_quantity":"0.24290402"}
    """

    product_id: str
    price: str = ""
    volume_24_h: str = ""
    low_24_h: str = ""
    high_24_h: str = ""
    best_bid: str = ""
    best_ask: str = ""
    best_bid_quantity: str = ""
    best_ask_quantity: str = ""


class Tickers(msgspec.Struct, gc=False):
    """Tickers of a message."""

    tickers: list[Ticker]


class Candle(msgspec.Struct, gc=False):
    """Five minutes, over or not.

    ::

        {"start":"1786279500","high":"1916.6","low":"1915.91","open":"1916.11","close":"1916.02",
         "volume":"13.9044026","product_id":"ETH-USD"}
    """

    product_id: str
    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str


class Candles(msgspec.Struct, gc=False):
    """Candles of a message."""

    candles: list[Candle]


class OuterEvent(msgspec.Struct, gc=False):
    """Of any message."""

    type: str | None = None


class Outer(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    channel: str = ""
    sequence_num: Id | None = None
    events: list[OuterEvent] = []
    type: str = ""
    message: str = ""


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}``."""

    type: str = ""
    channel: str = ""
    product_ids: list[str] = []


class Level(msgspec.Struct, gc=False):
    """Of a REST book."""

    price: str
    size: str


class PriceBook(msgspec.Struct, gc=False):
    """``{"product_id":"BTC-USD","bids":[{"price":..,"size":..}],"asks":[..],"time":".."}``."""

    product_id: str
    time: str
    bids: list[Level] = []
    asks: list[Level] = []


class ProductBook(msgspec.Struct, gc=False):
    """The answer of product_book."""

    pricebook: PriceBook


class Time(msgspec.Struct, gc=False):
    """``{"iso":"2026-08-09T21:05:48Z","epochSeconds":"1786309548","epochMillis":"17863.."}``."""

    epochMillis: str
