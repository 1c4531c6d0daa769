"""Massive stream messages as msgspec types; unknown fields are ignored, for the provider adds some.

Numbers stay the wire's own text (`msgspec.Raw`) until they are steps: a price is never a float.
https://massive.com/docs/websocket/stocks/overview, .../crypto/overview
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

Ms: TypeAlias = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Trade(msgspec.Struct, gc=False, tag_field="ev", tag="T"):
    """A trade of a stock; `ds` is its size where shares are traded in parts.

    ::

        {"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],
         "t":1536036818784,"q":3681328}
    """

    sym: str
    p: Raw
    s: Raw
    t: Ms
    i: str = ""
    x: Id = 0
    q: Id = 0
    ds: str = ""
    trfi: Id = 0


class Quote(msgspec.Struct, gc=False, tag_field="ev", tag="Q"):
    """Best bid and ask of a stock.

    Sizes are shares since 3 November 2025, and were round lots before:
    https://polygon.io/blog/change-stocks-quotes-round-lots-to-shares

    ::

        {"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"c":0,
         "i":[604],"t":1536036818784,"q":50385480,"z":3}
    """

    sym: str
    t: Ms
    bp: Raw = Raw(b"0")
    bs: Raw = Raw(b"0")
    ap: Raw = Raw(b"0")
    asks: Raw = msgspec.field(default=Raw(b"0"), name="as")
    q: Id = 0


class _Window(msgspec.Struct, gc=False):
    sym: str
    o: Raw
    h: Raw
    l: Raw  # noqa: E741  the provider's spelling
    c: Raw
    v: Raw
    s: Ms
    dv: str = ""
    """The volume where shares are traded in parts."""
    op: Raw = Raw()
    """Official opening price of the day; empty where it is not stated."""
    av: Raw = Raw()
    """Volume of the day so far."""
    dav: str = ""


class Second(_Window, gc=False, tag_field="ev", tag="A"):
    """A second of a stock that ended; shaped as the minute."""


class Minute(_Window, gc=False, tag_field="ev", tag="AM"):
    """A minute of a stock that ended.

    ::

        {"ev":"AM","sym":"GTE","v":4110,"av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,
         "c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}
    """


class CoinTrade(msgspec.Struct, gc=False, tag_field="ev", tag="XT"):
    """A trade of a crypto pair on one exchange; `c` holds 1 if its taker sold, 2 if he bought.

    ::

        {"ev":"XT","pair":"BTC-USD","p":33021.9,"t":1610462007425,"s":0.01616617,"c":[2],
         "i":14272084,"x":3,"r":1610462007576}
    """

    pair: str
    p: Raw
    s: Raw
    t: Ms
    x: Id = 0
    c: list[int] = []
    i: str | int = ""


class CoinQuote(msgspec.Struct, gc=False, tag_field="ev", tag="XQ"):
    """Best bid and ask of a crypto pair on one exchange.

    ::

        {"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,
         "t":1610462411115,"x":1,"r":1610462411128}
    """

    pair: str
    t: Ms
    bp: Raw
    bs: Raw
    ap: Raw
    asks: Raw = msgspec.field(name="as")
    x: Id = 0


class CoinBook(msgspec.Struct, gc=False, tag_field="ev", tag="XL2"):
    """The best hundred levels a side of a crypto pair on one exchange.

    ::

        {"ev":"XL2","pair":"BTC-USD","t":1610462411115,"r":1610462411128,"x":1,
         "b":[[33712.71,0.18635],[33712.7,0.134]],"a":[[33718.23,3.5527483],[33718.24,0.1]]}
    """

    pair: str
    t: Ms
    b: Raw
    a: Raw
    x: Id = 0


class _CoinWindow(msgspec.Struct, gc=False):
    pair: str
    o: Raw
    h: Raw
    l: Raw  # noqa: E741  the provider's spelling
    c: Raw
    v: Raw
    s: Ms


class CoinMinute(_CoinWindow, gc=False, tag_field="ev", tag="XA"):
    """A minute of a crypto pair that ended, over all exchanges.

    ::

        {"ev":"XA","pair":"BCD-USD","v":951.6112,"vw":0.7756,"z":73,"o":0.772,"c":0.784,"h":0.784,
         "l":0.771,"s":1610463240000,"e":1610463300000}
    """


class CoinSecond(_CoinWindow, gc=False, tag_field="ev", tag="XAS"):
    """A second of a crypto pair that ended; shaped as the minute."""


class LimitBand(msgspec.Struct, gc=False, tag_field="ev", tag="LULD"):
    """The prices outside of which a stock may not trade now."""


class Imbalance(msgspec.Struct, gc=False, tag_field="ev", tag="NOI"):
    """An imbalance of orders before an auction."""


class Status(msgspec.Struct, gc=False, tag_field="ev", tag="status"):
    """Words of the connection: ``{"ev":"status","status":"auth_success","message":"..."}``."""

    status: str = ""
    message: str = ""


Message: TypeAlias = (
    Trade
    | Quote
    | Second
    | Minute
    | CoinTrade
    | CoinQuote
    | CoinBook
    | CoinMinute
    | CoinSecond
    | LimitBand
    | Imbalance
    | Status
)


class Kind(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    ev: str = ""
    sym: str = ""
    pair: str = ""


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"action":"subscribe","params":"T.AAPL,Q.AAPL"}``."""

    action: str = ""
    params: str = ""


class Now(msgspec.Struct, gc=False):
    """``GET /v1/marketstatus/now``.

    ::

        {"afterHours":true,"currencies":{"crypto":"open","fx":"open"},"market":"extended-hours",
         "serverTime":"2020-11-10T17:37:37-05:00"}
    """

    serverTime: str
