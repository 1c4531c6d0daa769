"""The venue's messages as types, as far as they are read; numbers in texts become integers.

The parts of a message come in any order: until 2021 `data` came first, now it comes last.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec

from core.feeds.sides import Level

T = TypeVar("T")

Ms: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]
"""Milliseconds before the year 2100, or they are none."""

Ns: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000_000_000)]

Id: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message of a topic such as ``/market/level2:BTC-USDT``."""

    topic: str
    data: T
    subject: str = ""


class Changes(msgspec.Struct, gc=False):
    """Changed levels, each with the sequence number that changed it."""

    asks: msgspec.Raw
    bids: msgspec.Raw


class Update(msgspec.Struct, gc=False):
    """Changes of a book, numbered without a gap; `time` since 2022.

    ::

        {"topic":"/market/level2:BTC-USDT","type":"message","subject":"trade.l2update",
         "data":{"changes":{"asks":[["18906","0.00331","14103845"],
         ["18907.3","0.58751503","14103844"]],"bids":[["18891.9","0.15688","14103847"]]},
         "sequenceEnd":14103847,"sequenceStart":14103844,"symbol":"BTC-USDT",
         "time":1663747970273}}

    A level at price "0" changes nothing but the sequence; a size of "0" removes the level.
    """

    sequenceStart: Id
    sequenceEnd: Id
    symbol: str
    changes: Changes
    time: Ms = 0


class Row(msgspec.Struct, array_like=True, gc=False):
    """A changed level."""

    price: str
    size: str
    sequence: Id


class Depth(msgspec.Struct, gc=False):
    """The best 5 or 50 levels, ten times a second.

    ::

        {"topic":"/spotMarket/level2Depth50:BTC-USDT","type":"message","subject":"level2",
         "data":{"asks":[["95964.3","0.08168874"]],"bids":[["95964.2","1.35483359"]],
         "timestamp":1733124805073}}
    """

    asks: msgspec.Raw
    bids: msgspec.Raw
    timestamp: Ms


class Best(msgspec.Struct, gc=False):
    """Best bid and ask; a side may be empty.

    ::

        {"topic":"/spotMarket/level1:BTC-USDT","type":"message","subject":"level1",
         "data":{"asks":["68145.8","0.51987471"],"bids":["68145.7","1.29267802"],
         "timestamp":1729816058766}}
    """

    asks: Level | None
    bids: Level | None
    timestamp: Ms


class Ticker(msgspec.Struct, gc=False):
    """Last trade and best prices; of ``/market/ticker:all`` the subject is the symbol.

    ::

        {"type":"message","topic":"/market/ticker:FET-BTC","subject":"trade.ticker",
         "data":{"bestAsk":"0.000018679","bestAskSize":"258.4609","bestBid":"0.000018622",
         "bestBidSize":"68.5961","price":"0.000018628","sequence":"38509148","size":"8.943",
         "time":1677321643926}}
    """

    sequence: Id
    bestAsk: str | None = None
    bestAskSize: str | None = None
    bestBid: str | None = None
    bestBidSize: str | None = None
    time: Ms = 0


class Match(msgspec.Struct, gc=False):
    """A trade; side: the taker's.

    ::

        {"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match",
         "data":{"makerOrderId":"671b5007389355000701b1d3","price":"67523",
         "sequence":"11067996711960577","side":"buy","size":"0.003","symbol":"BTC-USDT",
         "takerOrderId":"671b50161777ff00074c168d","time":"1729843222921000000",
         "tradeId":"11067996711960577","type":"match"}}

    `tradeId` was no number until 2022; `sequence` always was one, and of later trades is the same.
    """

    symbol: str
    sequence: Id
    side: str
    price: str
    size: str
    time: Ns


class Candles(msgspec.Struct, gc=False):
    """A forming candle: ``[s, open, close, high, low, volume, turnover]``, close before high.

    ::

        {"topic":"/market/candles:BTC-USDT_1min","type":"message",
         "subject":"trade.candles.update","data":{"symbol":"BTC-USDT","candles":["1786538820",
         "64027.7","63990","64027.7","63990","0.47979651","30713.031723608"],
         "time":1786538835995909000}}
    """

    symbol: str
    candles: list[str]


class Day(msgspec.Struct, gc=False):
    """Statistics of 24 hours; numbers, null where there were no trades."""

    symbol: str
    datetime: Ms
    lastTradedPrice: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    vol: Decimal | None = None
    volValue: Decimal | None = None


class Snapshot(msgspec.Struct, gc=False):
    """The statistics as ``/market/snapshot:{symbol or market}`` wraps them.

    ::

        {"type":"message","topic":"/market/snapshot:BTC-USDT","subject":"trade.snapshot",
         "data":{"sequence":"1630306486588","data":{"symbol":"BTC-USDT","open":31610.0,
         "high":31901.4,"low":29299.9,"lastTradedPrice":29920.1,"vol":21637.26053196,
         "volValue":657871182.6400002,"datetime":1654165082007,...}}}
    """

    data: Day


class Image(msgspec.Struct, gc=False):
    """A book image.

    ::

        {"code":"200000","data":{"time":1654325095225,"sequence":"1630423725254",
         "bids":[["29701.4","1.1244206"]],"asks":[["29701.5","0.00023088"]]}}
    """

    sequence: Id
    bids: msgspec.Raw
    asks: msgspec.Raw
    time: Ms = 0


class Answer(msgspec.Struct, Generic[T], gc=False):
    """A REST answer; `code` other than "200000" is a refusal, whatever the HTTP status."""

    code: str
    data: T | None = None
    msg: str = ""


class Outer(msgspec.Struct, gc=False):
    """Any frame, as far as it tells what it is."""

    type: str = ""
    topic: str = ""
    subject: str = ""
    code: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"id":"1","type":"subscribe","topic":"/market/match:BTC-USDT,...}``."""

    type: str = ""
    topic: str = ""
