"""What our tape has of ccxt.pro: its parsed structures as JSON, for there are no raw frames.

ccxt reads numbers as floats; they are written with the fewest digits that name the same float, and
so come out as the exchange spelt them, up to fifteen digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw

Ms: TypeAlias = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]

NULL: Final = b"null"


class TradeRow(msgspec.Struct, gc=False):
    """One trade: ccxt's own fields."""

    price: Raw
    amount: Raw
    side: str | None = None
    id: str | None = None
    timestamp: Ms | None = None


class Trades(msgspec.Struct, gc=False, tag_field="c", tag="trades"):
    """New trades of a symbol.

    ::

        {"c":"trades","s":"BTC/USDT","rows":[{"price":61837.64,"amount":0.15,"side":"buy",
         "id":"371","timestamp":1723075200000}]}
    """

    s: str
    rows: list[TradeRow]


class Book(msgspec.Struct, gc=False, tag_field="c", tag="book"):
    """A whole book of a symbol, best first.

    ::

        {"c":"book","s":"BTC/USDT","bids":[[61837.64,0.15]],"asks":[[61837.65,1]],
         "timestamp":1723075200000,"nonce":4711}
    """

    s: str
    bids: Raw
    asks: Raw
    timestamp: Ms | None = None
    nonce: int | None = None


class Ticker(msgspec.Struct, gc=False, tag_field="c", tag="ticker"):
    """The statistics of a symbol: ccxt's own fields, null where it has none."""

    s: str
    last: Raw = Raw(NULL)
    open: Raw = Raw(NULL)
    high: Raw = Raw(NULL)
    low: Raw = Raw(NULL)
    baseVolume: Raw = Raw(NULL)
    quoteVolume: Raw = Raw(NULL)
    bid: Raw = Raw(NULL)
    bidVolume: Raw = Raw(NULL)
    ask: Raw = Raw(NULL)
    askVolume: Raw = Raw(NULL)
    timestamp: Ms | None = None


class Failed(msgspec.Struct, gc=False, tag_field="c", tag="failed"):
    """A watch that ended; it is begun anew.

    ::

        {"c":"failed","s":"BTC/USDT","channel":"book","reason":"ChecksumError: ..."}
    """

    s: str
    channel: str
    reason: str


Message: TypeAlias = Trades | Book | Ticker | Failed


class Request(msgspec.Struct, gc=False):
    """What is watched from now on, or no longer: ``{"action":"watch","symbols":["BTC/USDT"]}``."""

    action: str = ""
    symbols: list[str] = []


class Time(msgspec.Struct, gc=False):
    """The exchange's time: ``{"ms":1723075200000}``."""

    ms: Ms


_TRADE: Final = ("price", "amount", "side", "id", "timestamp")
_TICKER: Final = (
    "last", "open", "high", "low", "baseVolume", "quoteVolume", "bid", "bidVolume", "ask",
    "askVolume", "timestamp",
)  # fmt: skip


def trades_frame(symbol: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the frame of what ``watch_trades`` gave."""
    kept = [{name: row.get(name) for name in _TRADE} for row in rows]
    return msgspec.json.encode({"c": "trades", "s": symbol, "rows": kept})


def book_frame(symbol: str, book: Mapping[str, Any], levels: int) -> bytes:
    """Return the frame of what ``watch_order_book`` gave, its best `levels` a side."""
    frame = {
        "c": "book",
        "s": symbol,
        "bids": [[level[0], level[1]] for level in book["bids"][:levels]],
        "asks": [[level[0], level[1]] for level in book["asks"][:levels]],
        "timestamp": book.get("timestamp"),
        "nonce": book.get("nonce"),
    }
    return msgspec.json.encode(frame)


def ticker_frame(symbol: str, ticker: Mapping[str, Any]) -> bytes:
    """Return the frame of what ``watch_ticker`` gave."""
    kept = {name: ticker.get(name) for name in _TICKER}
    return msgspec.json.encode({"c": "ticker", "s": symbol, **kept})


def failed_frame(symbol: str, channel: str, reason: str) -> bytes:
    """Return the frame of a watch that ended."""
    return msgspec.json.encode(
        {"c": "failed", "s": symbol, "channel": channel, "reason": reason[:200]}
    )
