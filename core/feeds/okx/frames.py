"""The venue's messages as types, as far as they are read; numbers in texts become integers."""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec

from core.feeds.sides import Level

T = TypeVar("T")

Ms: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]
"""Milliseconds before the year 2100, or they are none."""

Id: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Arg(msgspec.Struct, gc=False):
    """What a frame is about: ``{"channel":"books","instId":"BTC-USDT"}``."""

    channel: str = ""
    instId: str = ""
    instType: str = ""
    instFamily: str = ""


class Frame(msgspec.Struct, Generic[T], gc=False):
    """Data of one channel."""

    arg: Arg
    data: list[T]
    action: str = ""


class Book(msgspec.Struct, gc=False):
    """An image or changed levels; before 2022 without sequence numbers.

    ::

        {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{
         "asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],
         "ts":"1597026383085","checksum":0,"prevSeqId":123456,"seqId":123457}]}

    A level is price, size, a deprecated "0" and the number of orders.
    """

    asks: msgspec.Raw
    bids: msgspec.Raw
    ts: Ms
    checksum: int = 0
    prevSeqId: int = -1
    seqId: Id = 0


class Top(msgspec.Struct, gc=False):
    """Best bid and ask; a side may be empty.

    ::

        {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{
         "asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],
         "ts":"1597026383085","seqId":123456}]}
    """

    asks: list[Level]
    bids: list[Level]
    ts: Ms
    seqId: Id = 0


class Trade(msgspec.Struct, gc=False):
    """Fills of one taker at one price (`trades`), or one fill (`trades-all`); side: the taker's.

    `tradeId` is the last of the `count` fills' ids, which follow each other.

    ::

        {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",
         "tradeId":"674510826","px":"95634.9","sz":"0.00011186","side":"buy",
         "ts":"1740394561685","count":"1"}]}
    """

    instId: str
    tradeId: Id
    px: str
    sz: str
    side: str
    ts: Ms
    count: Id = 1


class Ticker(msgspec.Struct, gc=False):
    """Best prices and statistics of 24 hours; texts are empty where there is nothing.

    ::

        {"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP",
         "instId":"BTC-USDT-SWAP","last":"63921","lastSz":"0.4","askPx":"63921.1",
         "askSz":"1871.75","bidPx":"63921","bidSz":"779.3","open24h":"64297.6",
         "high24h":"64466","low24h":"63162.7","sodUtc0":"63566","sodUtc8":"63584.6",
         "volCcy24h":"73998.8786","vol24h":"7399887.86","ts":"1786540471710"}]}
    """

    instType: str
    instId: str
    last: str
    askPx: str
    askSz: str
    bidPx: str
    bidSz: str
    open24h: str
    high24h: str
    low24h: str
    volCcy24h: str
    vol24h: str
    ts: Ms


class Mark(msgspec.Struct, gc=False):
    """``{"instType":"SWAP","instId":"LTC-USD-SWAP","markPx":"0.1","ts":"1597026383085"}``."""

    instId: str
    markPx: str
    ts: Ms


class Index(msgspec.Struct, gc=False):
    """An index, of which `instId` is a pair such as ``BTC-USD``.

    ::

        {"instId":"BTC-USD","idxPx":"27938.9","open24h":"28028.2","high24h":"28095",
         "low24h":"27816.7","sodUtc0":"27949.5","sodUtc8":"28030.2","ts":"1681041600310"}
    """

    instId: str
    idxPx: str
    ts: Ms
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""


class Funding(msgspec.Struct, gc=False):
    """The rate of the coming settlement, at `fundingTime`; rarely absent.

    ::

        {"fundingRate":"0.0000734174532791","fundingTime":"1646323200000",
         "instId":"BTC-USD-SWAP","instType":"SWAP","nextFundingRate":"0.0001163723201487"}
    """

    instId: str
    fundingTime: Ms
    fundingRate: str = ""
    ts: Ms = 0


class Interest(msgspec.Struct, gc=False):
    """Contracts open, the same in coin, and (newer) in USD.

    ::

        {"instId":"BTC-USD-SWAP","instType":"SWAP","oi":"4093058",
         "oiCcy":"13842.2084993270069734","oiUsd":"409305800","ts":"1654348739678"}
    """

    instId: str
    oi: str
    ts: Ms
    oiUsd: str = ""


class Detail(msgspec.Struct, gc=False):
    """One forced order."""

    side: str
    bkPx: str
    sz: str
    ts: Ms


class Liquidation(msgspec.Struct, gc=False):
    """Forced orders of an instrument, at most one a second.

    ::

        {"details":[{"bkLoss":"0","bkPx":"0.55205","ccy":"","posSide":"short","side":"buy",
         "sz":"39","ts":"1680173247614"}],"instFamily":"XRP-USD","instId":"XRP-USD-230929",
         "instType":"FUTURES","uly":"XRP-USD"}
    """

    instId: str
    details: list[Detail]


class Summary(msgspec.Struct, gc=False):
    """An option's greeks, Black-Scholes ones in USD (`BS`) and the venue's own in coin.

    ::

        {"instType":"OPTION","instId":"BTC-USD-200103-5500-C","uly":"BTC-USD",
         "delta":"0.7494223636","gamma":"-0.6765419039","theta":"-0.0000809873",
         "vega":"0.0000077307","deltaBS":"0.7494223636","gammaBS":"-0.6765419039",
         "thetaBS":"-0.0000809873","vegaBS":"0.0000077307","realVol":"0","bidVol":"",
         "askVol":"1.5625","markVol":"0.9987","volLv":"0","lever":"4.0342",
         "fwdPx":"39016.8143629068452065","ts":"1597026383085"}
    """

    instId: str
    markVol: str
    fwdPx: str
    ts: Ms
    bidVol: str = ""
    askVol: str = ""
    deltaBS: str = ""
    gammaBS: str = ""
    thetaBS: str = ""
    vegaBS: str = ""


Candle: TypeAlias = list[str]
"""``[ts, open, high, low, close, volume, volCcy, volCcyQuote, confirm]``; until 2022 without the
last two. Volume is in contracts, or base units of spot."""


class Outer(msgspec.Struct, gc=False):
    """Any frame, as far as it tells what it is."""

    event: str = ""
    arg: Arg | None = None
    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}``."""

    op: str = ""
    args: list[Arg] = []


class Answer(msgspec.Struct, Generic[T], gc=False):
    """A REST answer; `code` other than "0" is a refusal, whatever the HTTP status.

    ::

        {"code":"0","msg":"","data":[...]}
    """

    code: str
    data: list[T] = []
    msg: str = ""
