"""The kinds of feeds there are, and how a tape tells whose it is; light, so anyone may ask."""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import ConfigError, did_you_mean

CCXT: Final = "ccxt:"
"""Kinds that begin so go through ccxt.pro."""

TAPE: Final = "tape:"
"""Kinds that begin so play a recorded file: ``tape:/path/to/file.jsonl.zst``."""


class FeedKind(msgspec.Struct, frozen=True, kw_only=True):
    """Where a venue's feed is found, and what tells its captures."""

    package: str
    decoder: str
    """``module:Class`` within the package."""
    hosts: tuple[str, ...] = ()
    """Parts of URLs by which a tape of it is known, the longest first."""
    names: tuple[str, ...] = ()
    """Other names taken, such as those of folders of captures."""
    gives: str = ""
    """What there is, in a few words."""
    keys: str = "no"
    """Whether it gives data without keys."""
    proof: str = ""
    """What proves that no message is missing."""


_SPOT: Final = "trades, quotes, book, ticker, bars"
_FUTURES: Final = f"{_SPOT}, mark, funding, open interest, liquidations"

KINDS: Final[dict[str, FeedKind]] = {
    "binance": FeedKind(
        package="core.feeds.binance",
        decoder="parse:BinanceDecoder",
        hosts=("stream.binance", "api.binance", "data-stream.binance"),
        names=("binance_spot",),
        gives=_SPOT,
        keys="no",
        proof="update ids, trade ids",
    ),
    "binance_usdm": FeedKind(
        package="core.feeds.binance_usdm",
        decoder="decoder:UsdmDecoder",
        hosts=("fstream.binance", "fapi.binance", "binancefuture"),
        gives=f"{_FUTURES} (lossy)",
        keys="no",
        proof="previous update ids, trade ids",
    ),
    "coinbase": FeedKind(
        package="core.feeds.coinbase",
        decoder="decoder:CoinbaseDecoder",
        hosts=("advanced-trade-ws", "api.coinbase.com"),
        names=("coinbase_advanced",),
        gives=_SPOT,
        keys="no",
        proof="sequence of the connection, trade ids",
    ),
    "coinbase_exchange": FeedKind(
        package="core.feeds.coinbase_exchange",
        decoder="decoder:ExchangeDecoder",
        hosts=(
            "ws-feed.pro.coinbase",
            "ws-feed.exchange.coinbase",
            "exchange.coinbase",
            "pro.coinbase",
        ),
        gives=_SPOT,
        keys="no",
        proof="trade ids; the book's order is trusted",
    ),
    "okx": FeedKind(
        package="core.feeds.okx",
        decoder="decoder:OkxDecoder",
        hosts=("okx.com", "okex.com"),
        gives=f"{_FUTURES}, greeks",
        keys="no",
        proof="sequence ids, checksum where sent",
    ),
    "deribit": FeedKind(
        package="core.feeds.deribit",
        decoder="decoder:DeribitDecoder",
        hosts=("deribit.com",),
        gives=f"{_FUTURES}, greeks, indices",
        keys="no",
        proof="change ids, trade ids",
    ),
    "kucoin": FeedKind(
        package="core.feeds.kucoin",
        decoder="decoder:KucoinDecoder",
        hosts=("kucoin.com",),
        gives=_SPOT,
        keys="for the whole book; 50 levels without",
        proof="sequence numbers; none of images",
    ),
    "kraken": FeedKind(
        package="core.feeds.kraken",
        decoder="decoder:KrakenDecoder",
        hosts=("kraken.com",),
        names=("kraken_v2",),
        gives=_SPOT,
        keys="no",
        proof="checksum of every change, trade ids",
    ),
    "bybit": FeedKind(
        package="core.feeds.bybit",
        decoder="decoder:BybitDecoder",
        hosts=("bybit.com",),
        names=("bybit_v5",),
        gives=f"{_FUTURES}, greeks",
        keys="no",
        proof="update ids",
    ),
    "alpaca": FeedKind(
        package="core.feeds.alpaca",
        decoder="decoder:AlpacaDecoder",
        hosts=("alpaca.markets",),
        gives="stocks: trades, quotes, bars; crypto: book, too",
        keys="yes",
        proof="none; the order is trusted",
    ),
    "massive": FeedKind(
        package="core.feeds.massive",
        decoder="decoder:MassiveDecoder",
        hosts=("massive.com", "polygon.io"),
        names=("polygon",),
        gives="stocks and crypto: trades, quotes, ticker, bars; plan level2: crypto books",
        keys="yes",
        proof="none",
    ),
    "twelvedata": FeedKind(
        package="core.feeds.twelvedata",
        decoder="decoder:TwelveDataDecoder",
        hosts=("twelvedata.com",),
        gives="prices, bars",
        keys="yes",
        proof="none",
    ),
    "alphavantage": FeedKind(
        package="core.feeds.alphavantage",
        decoder="decoder:AlphaVantageDecoder",
        hosts=("alphavantage.co",),
        gives="bars, quotes by polling",
        keys="yes",
        proof="none",
    ),
}
"""Native feeds by their kind, which is also the venue's usual name."""


def kind_named(name: str) -> str:
    """Return the kind a name means: a kind itself, ``ccxt:<exchange>`` or another name of one.

    Raises:
        ConfigError: There is none; the nearest known name is given.
    """
    if name in KINDS or name.startswith((CCXT, TAPE)):
        return name
    for kind, entry in KINDS.items():
        if name in entry.names:
            return kind
    known = [*KINDS, *(other for entry in KINDS.values() for other in entry.names)]
    raise ConfigError(
        f"unknown venue {name!r}, known are {', '.join(KINDS)}{did_you_mean(name, known)}"
    )


def kind_of_url(url: str) -> str:
    """Return whose host a URL names, empty if nobody's."""
    found = [
        (len(part), kind) for kind, entry in KINDS.items() for part in entry.hosts if part in url
    ]
    return max(found)[1] if found else ""
