"""Binance spot frames as msgspec types; unknown fields are ignored, for the venue adds some."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from core.feeds.binance.scan import MAX_MS

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Ms: TypeAlias = Annotated[int, Meta(gt=0, lt=MAX_MS)]
Pairs: TypeAlias = list[tuple[str, str]]
"""(price, size) texts."""
T = TypeVar("T")


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message of a combined stream: ``{"stream":"btcusdt@trade","data":{...}}``."""

    data: T


class Quote(msgspec.Struct, gc=False):
    """Best bid and ask.

    ::

        {"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}
    """

    u: Id
    s: str
    b: str
    B: str
    a: str
    A: str


class Trade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    """A single trade.

    ::

        {"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100",
         "T":1672515782136,"m":true,"M":true}
    """

    s: str
    t: Id
    p: str
    q: str
    T: Ms
    m: bool


class Aggregate(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Trades of one taker order at one price.

    ::

        {"e":"aggTrade","E":1616176861895,"s":"BTCUSDT","a":640283266,"p":"58942.01",
         "q":"0.000356","f":716849523,"l":716849523,"T":1616176861893,"m":false,"M":true}
    """

    s: str
    a: Id
    p: str
    q: str
    f: Id
    T: Ms
    m: bool


class Depth(msgspec.Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """Changed levels; a sample is in `scan`."""

    E: Ms
    s: str
    U: Id
    u: Id
    b: Pairs
    a: Pairs


class Candle(msgspec.Struct, gc=False):
    """The inner part of a kline."""

    t: Ms
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741  the venue's spelling
    v: str
    x: bool


class Kline(msgspec.Struct, gc=False, tag_field="e", tag="kline"):
    """A candle, `x` once it is closed.

    ::

        {"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,
         "s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.001","c":"0.002","h":"0.0025","l":"0.0015",
         "v":"1000","n":100,"x":false,"q":"1.0","V":"500","Q":"0.5","B":"0"}}
    """

    s: str
    k: Candle


class Ticker(msgspec.Struct, gc=False):
    """Rolling statistics of a day, as both tickers state them.

    ::

        {"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010",
         "h":"0.0025","l":"0.0010","v":"10000","q":"18"}
    """

    E: Ms
    s: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741  the venue's spelling
    v: str
    q: str


class Image(msgspec.Struct, gc=False):
    """A REST book image.

    ::

        {"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.1","12.0"]]}
    """

    lastUpdateId: Id
    bids: Pairs
    asks: Pairs
    E: int = 0


class Outer(msgspec.Struct, gc=False):
    """Any frame, as far as it tells what it is."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    e: str = ""
    u: msgspec.Raw = msgspec.Raw()
    B: msgspec.Raw = msgspec.Raw()
    lastUpdateId: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    code: msgspec.Raw = msgspec.Raw()
    msg: msgspec.Raw = msgspec.Raw()


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}``."""

    method: str = ""
    params: list[str] = []
