"""Kraken v2 messages as msgspec types; unknown fields are ignored.

The venue writes prices and sizes as JSON numbers of full precision, more digits than a double
holds, so they stay raw text until they become steps.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Crc: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 32)]
T = TypeVar("T")


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message of a channel: ``{"channel":"book","type":"update","data":[...]}``."""

    type: str
    data: list[T]
    timestamp: str = ""


class Book(msgspec.Struct, gc=False):
    """An image of the book or changes of it, and the checksum of the ten best levels after it.

    ::

        {"symbol":"BTC/USD","bids":[{"price":45283.5,"qty":0.10000000}],"asks":[],
         "checksum":3310070434,"timestamp":"2023-10-06T17:35:55.440295Z"}
    """

    symbol: str
    checksum: Crc
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")
    timestamp: str = ""


class Level(msgspec.Struct, gc=False):
    """One level as text."""

    price: Raw
    qty: Raw


class Trade(msgspec.Struct, gc=False):
    """One trade; `side` is the taker's.

    ::

        {"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.00027625,"ord_type":"limit",
         "trade_id":10218208,"timestamp":"2023-10-06T17:35:55.440295Z"}
    """

    symbol: str
    side: str
    price: Raw
    qty: Raw
    trade_id: Id
    timestamp: str


class Ticker(msgspec.Struct, gc=False):
    """Best quotes and the day.

    ::

        {"symbol":"BTC/USD","bid":63297.7,"bid_qty":5.75119051,"ask":63297.8,"ask_qty":0.36977971,
         "last":63297.8,"volume":1020.88387727,"vwap":63685.7,"low":63250,"high":64409.2,
         "change":0.7,"change_pct":0,"trades":47535,"timestamp":"2026-08-12T19:29:00.921195Z"}
    """

    symbol: str
    bid: Raw = Raw()
    bid_qty: Raw = Raw()
    ask: Raw = Raw()
    ask_qty: Raw = Raw()
    last: Raw = Raw()
    volume: Raw = Raw()
    low: Raw = Raw()
    high: Raw = Raw()
    timestamp: str = ""


class Candle(msgspec.Struct, gc=False):
    """A bar, over or not; `interval` in minutes.

    ::

        {"symbol":"BTC/USD","interval":1,"interval_begin":"2023-10-04T16:25:00.000000000Z",
         "open":106038.2,"high":106044.3,"low":106038.1,"close":106040.1,
         "volume":30927.68066226,"vwap":106039.6,"trades":12}
    """

    symbol: str
    interval: Annotated[int, Meta(ge=1, le=21600)]
    interval_begin: str
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw


class Pair(msgspec.Struct, gc=False):
    """A pair of the instrument channel.

    ::

        {"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,
         "qty_increment":0.00000001,"price_precision":1,"cost_precision":5,"cost_min":0.50,
         "price_increment":0.1,"qty_min":0.00010000,"marginable":true,"has_index":true}
    """

    symbol: str
    base: str
    quote: str
    qty_precision: Annotated[int, Meta(ge=0, le=18)]
    price_precision: Annotated[int, Meta(ge=0, le=18)]
    status: str = "online"
    qty_min: Raw = Raw(b"0")
    cost_min: Raw = Raw(b"0")


class Pairs(msgspec.Struct, gc=False):
    """What the instrument channel carries."""

    pairs: list[Pair] = []


class Instruments(msgspec.Struct, gc=False):
    """A message of the instrument channel: its data is no list."""

    data: Pairs


class Status(msgspec.Struct, gc=False):
    """Of the trading engine: online, cancel_only, maintenance, post_only."""

    system: str = ""


class Outer(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    channel: str = ""
    type: str = ""
    method: str = ""
    success: bool | None = None
    error: str = ""
    symbol: str = ""
    result: Raw = Raw()


class RequestParams(msgspec.Struct, gc=False):
    """Of a request of ours."""

    channel: str = ""
    symbol: list[str] = []
    depth: int = 10


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"method":"subscribe","params":{"channel":"book","symbol":[..],..}}``."""

    method: str = ""
    params: RequestParams = msgspec.field(default_factory=RequestParams)
