"""The kinds of feeds there are, and how a tape tells whose it is; light, so anyone may ask."""

from __future__ import annotations

from typing import Final

import msgspec

from core.model.errors import ConfigError, did_you_mean

CCXT: Final = "ccxt:"
"""Kinds that begin so go through ccxt.pro."""


class FeedKind(msgspec.Struct, frozen=True):
    """Where a venue's feed is found, and what tells its captures."""

    package: str
    decoder: str
    """``module:Class`` within the package."""
    hosts: tuple[str, ...] = ()
    """Parts of URLs by which a tape of it is known, the longest first."""
    names: tuple[str, ...] = ()
    """Other names taken, such as those of folders of captures."""


KINDS: Final[dict[str, FeedKind]] = {
    "binance": FeedKind(
        "core.feeds.binance",
        "parse:BinanceDecoder",
        ("stream.binance", "api.binance", "data-stream.binance"),
        ("binance_spot",),
    ),
    "binance_usdm": FeedKind(
        "core.feeds.binance_usdm",
        "decoder:UsdmDecoder",
        ("fstream.binance", "fapi.binance", "binancefuture"),
    ),
    "coinbase": FeedKind(
        "core.feeds.coinbase",
        "decoder:CoinbaseDecoder",
        ("advanced-trade-ws", "api.coinbase.com"),
        ("coinbase_advanced",),
    ),
    "coinbase_exchange": FeedKind(
        "core.feeds.coinbase_exchange",
        "decoder:CoinbaseExchangeDecoder",
        ("ws-feed.pro.coinbase", "ws-feed.exchange.coinbase", "exchange.coinbase", "pro.coinbase"),
    ),
    "okx": FeedKind("core.feeds.okx", "decoder:OkxDecoder", ("okx.com", "okex.com")),
    "deribit": FeedKind("core.feeds.deribit", "decoder:DeribitDecoder", ("deribit.com",)),
    "kucoin": FeedKind("core.feeds.kucoin", "decoder:KucoinDecoder", ("kucoin.com",)),
    "kraken": FeedKind(
        "core.feeds.kraken", "decoder:KrakenDecoder", ("kraken.com",), ("kraken_v2",)
    ),
    "bybit": FeedKind("core.feeds.bybit", "decoder:BybitDecoder", ("bybit.com",), ("bybit_v5",)),
    "alpaca": FeedKind("core.feeds.alpaca", "decoder:AlpacaDecoder", ("alpaca.markets",)),
    "massive": FeedKind(
        "core.feeds.massive", "decoder:MassiveDecoder", ("massive.com", "polygon.io"), ("polygon",)
    ),
    "twelvedata": FeedKind(
        "core.feeds.twelvedata", "decoder:TwelveDataDecoder", ("twelvedata.com",)
    ),
    "alphavantage": FeedKind(
        "core.feeds.alphavantage", "decoder:AlphaVantageDecoder", ("alphavantage.co",)
    ),
}
"""Native feeds by their kind, which is also the venue's usual name."""


def kind_named(name: str) -> str:
    """Return the kind a name means: a kind itself, ``ccxt:<exchange>`` or another name of one.

    Raises:
        ConfigError: There is none; the nearest known name is given.
    """
    if name in KINDS or name.startswith(CCXT):
        return name
    for kind, entry in KINDS.items():
        if name in entry.names:
            return kind
    known = [*KINDS, *(other for entry in KINDS.values() for other in entry.names)]
    raise ConfigError(
        f"unknown venue {name!r}{did_you_mean(name, known)}; known: {', '.join(KINDS)}"
    )


def kind_of_url(url: str) -> str:
    """Return whose host a URL names, empty if nobody's."""
    found = [
        (len(part), kind) for kind, entry in KINDS.items() for part in entry.hosts if part in url
    ]
    return max(found)[1] if found else ""
