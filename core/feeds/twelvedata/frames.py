"""Twelve Data stream messages as msgspec types; unknown fields are ignored.

https://twelvedata.com/docs#websocket
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Raw


class Price(msgspec.Struct, gc=False, tag_field="event", tag="price"):
    """A last price; bid, ask and volume only for some instruments, and never a size.

    ::

        {"event":"price","symbol":"AAPL","currency":"USD","exchange":"NASDAQ",
         "type":"Common Stock","timestamp":1643972766,"price":150.25,"day_volume":12345678}
        {"event":"price","symbol":"EUR/USD","currency":"USD","exchange":"FOREX","type":"Currency",
         "timestamp":1643972766,"price":1.1245,"bid":1.1244,"ask":1.1246,
         "currency_base":"EUR","currency_quote":"USD"}
    """

    symbol: str
    timestamp: int
    price: Raw
    bid: Raw = Raw()
    ask: Raw = Raw()
    day_volume: Raw = Raw()


class Named(msgspec.Struct, gc=False):
    """An instrument in an acknowledgement."""

    symbol: str = ""


class _Acknowledged(msgspec.Struct, gc=False):
    status: str = ""
    success: list[Named] | None = None
    fails: list[Named] | None = None
    message: str = ""


class Subscribed(_Acknowledged, gc=False, tag_field="event", tag="subscribe-status"):
    """What was joined and what was not.

    ::

        {"event":"subscribe-status","status":"ok","success":[{"symbol":"AAPL","exchange":"NASDAQ",
         "country":"United States","type":"Common Stock"}],"fails":null}
    """


class Unsubscribed(_Acknowledged, gc=False, tag_field="event", tag="unsubscribe-status"):
    """What was left."""


class Reset(_Acknowledged, gc=False, tag_field="event", tag="reset-status"):
    """Everything was left."""


class Heartbeat(msgspec.Struct, gc=False, tag_field="event", tag="heartbeat"):
    """An answer to ours: ``{"event":"heartbeat","status":"ok"}``."""


class Error(msgspec.Struct, gc=False, tag_field="event", tag="error"):
    """``{"event":"error","code":"400","message":"Invalid symbol","status":"error"}``."""

    message: str = ""
    code: str | int = ""


Message: TypeAlias = Price | Subscribed | Unsubscribed | Reset | Heartbeat | Error


class _Params(msgspec.Struct, gc=False):
    symbols: str = ""


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"action":"subscribe","params":{"symbols":"AAPL,BTC/USD"}}``."""

    action: str = ""
    params: _Params | None = None
