"""The venue's messages as types, as far as they are read; numbers in texts become integers."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec

from core.feeds.sides import Level

T = TypeVar("T")

Ms: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]
"""Milliseconds before the year 2100, or they are none."""

Id: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message of a topic such as ``orderbook.50.BTCUSDT``; `cts` is the matching engine's time.

    ::

        {"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1786310818130,"data":{"s":"BTCUSDT",
         "b":[["65095.30","0.005"],["65093.10","0"]],"a":[["65116.60","0"]],"u":15076953,
         "seq":753843913870},"cts":1786310818129}
    """

    topic: str
    type: str
    data: T
    ts: Ms
    cts: Ms = 0


class Book(msgspec.Struct, gc=False):
    """An image or changed levels; `u` rises by one, `seq` is common to all depths."""

    s: str
    b: msgspec.Raw
    a: msgspec.Raw
    u: Id
    seq: Id = 0


class Best(msgspec.Struct, gc=False):
    """A book of one level; of spot, changes of it."""

    s: str
    b: list[Level]
    a: list[Level]
    u: Id
    seq: Id = 0


class Trade(msgspec.Struct, gc=False):
    """A trade; `S` is the taker's side, `i` a number of spot and a UUID of all others.

    ::

        {"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1786310819681,"data":[
         {"T":1786310819680,"s":"BTCUSDT","S":"Sell","v":"0.004","p":"65114.20","L":"MinusTick",
          "i":"a9188a0a-82bc-50de-be60-03eedbe3cdd7","BT":false,"RPI":false,"seq":753843954913}]}
    """

    T: Ms
    s: str
    S: str
    v: str
    p: str
    i: str


class Candle(msgspec.Struct, gc=False):
    """A candle, `confirm` once it is closed.

    ::

        {"topic":"kline.1.BTCUSDT","data":[{"start":1786310760000,"end":1786310819999,
         "interval":"1","open":"65119.9","close":"65114.3","high":"65119.9","low":"65114.2",
         "volume":"1.576","turnover":"102627.995","confirm":false,"timestamp":1786310818440}],
         "ts":1786310818440,"type":"snapshot"}
    """

    start: Ms
    interval: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    confirm: bool


class Liquidation(msgspec.Struct, gc=False):
    """A liquidated position: `S` is the position's side, so a liquidated Buy sells.

    ::

        {"topic":"allLiquidation.ETHUSDT","type":"snapshot","ts":1739502303204,"data":[
         {"T":1739502302929,"s":"ETHUSDT","S":"Sell","v":"20000","p":"0.04499"}]}
    """

    T: Ms
    s: str
    S: str
    v: str
    p: str


class OldLiquidation(msgspec.Struct, gc=False):
    """The same until 2025, at most one a second.

    ::

        {"topic":"liquidation.XRPUSD","type":"snapshot","ts":1680673944093,"data":{
         "updatedTime":1680673944093,"symbol":"XRPUSD","side":"Sell","size":"6949",
         "price":"0.5149"}}
    """

    updatedTime: Ms
    symbol: str
    side: str
    size: str
    price: str


class Ticker(msgspec.Struct, gc=False):
    """Statistics; of derivatives only what changed, of options with greeks.

    ::

        {"topic":"tickers.ETHUSDT","type":"delta","data":{"symbol":"ETHUSDT",
         "markPrice":"1922.58","openInterestValue":"1595915681.88","ask1Price":"1922.55",
         "ask1Size":"12.33"},"cs":430879437975,"ts":1786310821974}
    """

    symbol: str
    lastPrice: str | None = None
    prevPrice24h: str | None = None
    highPrice24h: str | None = None
    lowPrice24h: str | None = None
    volume24h: str | None = None
    turnover24h: str | None = None
    markPrice: str | None = None
    indexPrice: str | None = None
    fundingRate: str | None = None
    nextFundingTime: str | None = None
    openInterest: str | None = None
    openInterestValue: str | None = None
    bidPrice: str | None = None
    bidSize: str | None = None
    bidIv: str | None = None
    askPrice: str | None = None
    askSize: str | None = None
    askIv: str | None = None
    markPriceIv: str | None = None
    underlyingPrice: str | None = None
    delta: str | None = None
    gamma: str | None = None
    vega: str | None = None
    theta: str | None = None


class Topics(msgspec.Struct, gc=False):
    """What an answer of the options' socket says of each topic."""

    failTopics: list[str] = []
    successTopics: list[str] = []


class Outer(msgspec.Struct, gc=False):
    """Any frame, as far as it tells what it is."""

    topic: str = ""
    type: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"req_id":"1","op":"subscribe","args":["publicTrade.BTCUSDT"]}``."""

    op: str = ""
    args: list[str] = []


class Answer(msgspec.Struct, Generic[T], gc=False):
    """A good REST answer; see `core.feeds.bybit.refusals.check`.

    ::

        {"retCode":0,"retMsg":"OK","result":{...},"retExtInfo":{},"time":1709891679050}
    """

    result: T


class Image(msgspec.Struct, gc=False):
    """A book image: ``{"s":"BTCUSDT","b":[...],"a":[...],"ts":...,"u":1234567,"seq":9876543}``."""

    s: str
    b: msgspec.Raw
    a: msgspec.Raw
    u: Id
    ts: Ms = 0


class Time(msgspec.Struct, gc=False):
    """The venue's time: ``{"timeSecond":"1688639403","timeNano":"1688639403423213947"}``."""

    timeNano: Id
