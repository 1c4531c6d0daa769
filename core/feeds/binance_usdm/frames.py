"""USD-M frames as msgspec types; unknown fields are ignored, for the venue adds some.

Since 2026-06-30 messages tell the market they are of (``"st":1`` USD-M, 2 COIN-M) and the pair
(``ps``): streams of the whole market carry both markets.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec

from core.feeds.binance.frames import Candle, Id, Ms, Outer, Request, Ticker

__all__ = ["Outer", "Request", "Ticker"]

T = TypeVar("T")

COINM = 2
"""`st` of the other market's messages."""


class Frame(msgspec.Struct, Generic[T], gc=False):
    """A message of a combined stream: ``{"stream":"btcusdt@aggTrade","data":{...}}``."""

    data: T
    stream: str = ""


class Quote(msgspec.Struct, gc=False, tag_field="e", tag="bookTicker"):
    """Best bid and ask.

    ::

        {"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT",
         "b":"25.351","B":"31.21","a":"25.365","A":"40.66","st":1,"ps":"BNBUSDT"}
    """

    u: Id
    E: Ms
    s: str
    b: str
    B: str
    a: str
    A: str
    st: int = 1


class Trade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    """A single trade; `X` is ``NA`` for what the insurance fund and ADL exchanged off the book.

    ::

        {"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,
         "p":"61800.30","q":"0.006","X":"MARKET","m":false}
    """

    s: str
    t: Id
    p: str
    q: str
    T: Ms
    m: bool
    X: str = ""
    st: int = 1


class Aggregate(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Trades of one taker order at one price.

    ::

        {"e":"aggTrade","E":1616201036113,"a":21021,"s":"BTCUSDT_210625","p":"62595.8",
         "q":"0.094","f":21824,"l":21824,"T":1616201035958,"m":false}
    """

    s: str
    a: Id
    p: str
    q: str
    f: Id
    T: Ms
    m: bool
    st: int = 1


class Depth(msgspec.Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """Changed levels.

    ::

        {"e":"depthUpdate","E":1622368962075,"T":1622368962065,"s":"ETHUSDT_210625",
         "U":475700780918,"u":475700783070,"pu":475700774972,"b":[["2437.04","82.320"]],"a":[]}
    """

    E: Ms
    s: str
    U: Id
    u: Id
    pu: Id
    b: msgspec.Raw
    a: msgspec.Raw
    st: int = 1


class Kline(msgspec.Struct, gc=False, tag_field="e", tag="kline"):
    """A candle, `x` once it is closed; a sample is in the spot frames."""

    s: str
    k: Candle
    st: int = 1


class Mark(msgspec.Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """Reference prices; ``r`` is empty or 0 and ``T`` is 0 of a dated future, which has no funding.

    ::

        {"e":"markPriceUpdate","E":1617308820003,"s":"BTCUSDT","p":"58940.14924532",
         "P":"58905.14663658","i":"58857.26693664","r":"0.00058455","T":1617321600000}
    """

    E: Ms
    s: str
    p: str
    i: str = ""
    r: str = ""
    T: int = 0
    st: int = 1


class Forced(msgspec.Struct, gc=False):
    """The order of a liquidation: `p` its price, `ap` the mean it got, `z` what was filled."""

    s: str
    S: str
    p: str
    q: str
    T: Ms
    z: str = "0"


class ForceOrder(msgspec.Struct, gc=False, tag_field="e", tag="forceOrder"):
    """A liquidation; of those of one symbol within a second, the venue sends the latest only.

    ::

        {"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC",
         "q":"0.014","p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014",
         "T":1568014460893}}
    """

    o: Forced
    st: int = 1


class DayTicker(Ticker, gc=False, tag_field="e", tag="24hrTicker"):
    """Rolling statistics of a day with more fields than we keep."""

    st: int = 1


class MiniTicker(Ticker, gc=False, tag_field="e", tag="24hrMiniTicker"):
    """Rolling statistics of a day."""

    st: int = 1


class Shutdown(msgspec.Struct, gc=False, tag_field="e", tag="serverShutdown"):
    """The venue closes the connection itself, soon."""


class Contract(msgspec.Struct, gc=False, tag_field="e", tag="contractInfo"):
    """A contract was listed, changed or settled; the listing is read anew by the engine."""


class Composite(msgspec.Struct, gc=False, tag_field="e", tag="compositeIndex"):
    """What a composite index is made of; not followed."""


class Asset(msgspec.Struct, gc=False, tag_field="e", tag="assetIndexUpdate"):
    """Index of a margin asset; not followed."""


Message: TypeAlias = (
    Quote
    | Trade
    | Aggregate
    | Depth
    | Kline
    | Mark
    | ForceOrder
    | DayTicker
    | MiniTicker
    | Shutdown
    | Contract
    | Composite
    | Asset
)


class OpenInterest(msgspec.Struct, gc=False):
    """A REST answer: ``{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}``."""

    openInterest: str
    symbol: str
    time: Ms


class Premium(msgspec.Struct, gc=False):
    """A REST answer.

    ::

        {"symbol":"BTCUSDT","markPrice":"11793.63104562","indexPrice":"11781.80495970",
         "estimatedSettlePrice":"11781.16138815","lastFundingRate":"0.00038246",
         "nextFundingTime":1597392000000,"interestRate":"0.00010000","time":1597370495002}
    """

    symbol: str
    markPrice: str
    time: Ms
    indexPrice: str = ""
    lastFundingRate: str = ""
    nextFundingTime: int = 0
