"""Alpaca stream messages as msgspec types; unknown fields are ignored, for the provider adds some.

Numbers stay the wire's own text (`msgspec.Raw`) until they are steps: a price is never a float.
https://docs.alpaca.markets/docs/real-time-stock-pricing-data, .../real-time-crypto-pricing-data
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Trade(msgspec.Struct, gc=False, tag_field="T", tag="t"):
    """A trade of a stock, or of a crypto pair with its taker's side.

    ::

        {"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z",
         "c":["@","I"],"z":"C"}
        {"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z",
         "i":3447222699101865076,"tks":"S"}
        {"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13312256Z","p":2.84,"s":1,
         "x":"N","c":"S"}
    """

    S: str
    t: str
    p: Raw
    s: Raw
    i: Id = -1
    """-1: trades of options have none."""
    x: str = ""
    tks: str = ""


class Quote(msgspec.Struct, gc=False, tag_field="T", tag="q"):
    """Best bid and ask.

    Sizes of stocks are shares since 3 November 2025, and were round lots before.

    ::

        {"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,
         "t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}
    """

    S: str
    t: str
    bp: Raw
    bs: Raw
    ap: Raw
    asks: Raw = msgspec.field(name="as")


class _Bar(msgspec.Struct, gc=False):
    S: str
    t: str
    o: Raw
    h: Raw
    l: Raw  # noqa: E741  the provider's spelling
    c: Raw
    v: Raw
    n: int = -1
    """Trades in it; -1: not stated. 0: a crypto bar of quote middles, in which nothing traded."""


class Bar(_Bar, gc=False, tag_field="T", tag="b"):
    """A minute that ended.

    ::

        {"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,
         "vw":389.062639,"t":"2021-02-22T19:15:00Z"}
    """


class UpdatedBar(_Bar, gc=False, tag_field="T", tag="u"):
    """The same minute once more, half a minute later, after late trades."""


class DailyBar(_Bar, gc=False, tag_field="T", tag="d"):
    """The day so far, every minute."""


class Correction(msgspec.Struct, gc=False, tag_field="T", tag="c"):
    """A trade that was printed wrongly, and what it should have been.

    ::

        {"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],
         "ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B",
         "t":"2023-04-06T14:25:06.542305024Z"}
    """

    S: str
    t: str
    oi: Id
    ci: Id
    cp: Raw
    cs: Raw
    x: str = ""


class Cancel(msgspec.Struct, gc=False, tag_field="T", tag="x"):
    """A trade that was taken back: `a` is C (cancel) or E (error).

    ::

        {"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C",
         "t":"2023-04-06T13:15:42.83540958Z"}
    """

    S: str
    t: str
    i: Id
    x: str = ""


class Book(msgspec.Struct, gc=False, tag_field="T", tag="o"):
    """A crypto book, whole where `r` is true, else changed levels; size 0 removes.

    ::

        {"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.79613221Z","b":[{"p":71859.53,"s":0.27}],
         "a":[{"p":71939.7,"s":0.83953}],"r":true}
    """

    S: str
    t: str
    b: Raw = Raw(b"[]")
    a: Raw = Raw(b"[]")
    r: bool = False


class Status(msgspec.Struct, gc=False, tag_field="T", tag="s"):
    """Trading halted or resumed.

    ::

        {"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12",
         "rm":"Trading Halted; For information requested by NASDAQ","t":"...","z":"C"}
    """

    S: str
    t: str = ""
    sc: str = ""
    sm: str = ""
    rc: str = ""
    rm: str = ""


class LimitBand(msgspec.Struct, gc=False, tag_field="T", tag="l"):
    """Limit up, limit down: the prices outside of which nothing may trade now.

    ::

        {"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}
    """

    S: str


class Imbalance(msgspec.Struct, gc=False, tag_field="T", tag="i"):
    """An imbalance of orders in a halted stock: ``{"T":"i","S":"INAQU","p":9.12,"t":"..."}``."""

    S: str


class Success(msgspec.Struct, gc=False, tag_field="T", tag="success"):
    """``{"T":"success","msg":"connected"}``, then ``authenticated``."""

    msg: str = ""


class Subscription(msgspec.Struct, gc=False, tag_field="T", tag="subscription"):
    """Everything this connection is subscribed to now; comes after each request.

    ::

        {"T":"subscription","trades":["AAPL"],"quotes":["AMD","CLDR"],"bars":["IBM","AAPL","VOO"]}
    """


class Error(msgspec.Struct, gc=False, tag_field="T", tag="error"):
    """``{"T":"error","code":406,"msg":"connection limit exceeded"}``."""

    code: int
    msg: str = ""


Message: TypeAlias = (
    Trade
    | Quote
    | Bar
    | UpdatedBar
    | DailyBar
    | Correction
    | Cancel
    | Book
    | Status
    | LimitBand
    | Imbalance
    | Success
    | Subscription
    | Error
)


class Kind(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    T: str = ""
    S: str = ""
    stream: str = ""
    """Set by the account's stream of orders, which is another connection."""


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"action":"subscribe","trades":["AAPL"],"quotes":["AAPL"]}``."""

    action: str = ""
    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    updatedBars: list[str] = []
    dailyBars: list[str] = []
    orderbooks: list[str] = []
    statuses: list[str] = []
    lulds: list[str] = []


class OptionQuote(msgspec.Struct, gc=False):
    """The best bid and ask of an option, as REST tells it."""

    t: str
    bp: Raw
    bs: Raw
    ap: Raw
    asks: Raw = msgspec.field(name="as")


class Greeks(msgspec.Struct, gc=False):
    """What an option's price answers to."""

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


class OptionSnapshot(msgspec.Struct, gc=False):
    """The newest of one option; each part may be missing."""

    latestQuote: OptionQuote | None = None
    greeks: Greeks | None = None
    impliedVolatility: float | None = None


class OptionSnapshots(msgspec.Struct, gc=False):
    """``GET /v1beta1/options/snapshots``.

    ::

        {"snapshots":{"AAPL240426C00162500":{
          "latestQuote":{"ap":7.4,"as":38,"ax":"H","bp":6.8,"bs":72,"bx":"X","c":"A",
            "t":"2024-04-22T18:43:36.62976Z"},
          "latestTrade":{"c":"g","p":7.05,"s":1,"t":"2024-04-22T17:11:20Z","x":"A"},
          "greeks":{"delta":0.7521,"gamma":0.0427,"rho":0.0125,"theta":-0.2847,"vega":0.0526},
          "impliedVolatility":0.3827}},"next_page_token":null}
    """

    snapshots: dict[str, OptionSnapshot]


class Clock(msgspec.Struct, gc=False):
    """``GET /v2/clock``.

    ::

        {"timestamp":"2022-04-28T14:07:45.485843765-04:00","is_open":true,
         "next_open":"2022-04-29T09:30:00-04:00","next_close":"2022-04-28T16:00:00-04:00"}
    """

    timestamp: str
    is_open: bool
    next_open: str
    next_close: str
